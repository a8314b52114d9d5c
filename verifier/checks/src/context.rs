//! The history as every check reads it: streams by worker, names, phases, observations.

use std::collections::BTreeSet;

use delivery_broker::Reason;
use delivery_history::manifest::{Destination, Host, Role, RunManifest, Worker, worker_of_session};
use delivery_history::plain::MessageNames;
use delivery_history::{Event, HistoryView, NO_DESTINATION, NO_NODE, NO_SESSION};

use crate::clocks::Clocks;
use crate::evidence::observations::Observations;
use crate::evidence::timeline::Timeline;
use crate::health::Health;

/// Longest list of names in one sentence.
const MAX_NAMES: usize = 8;

/// The history as every check reads it.
pub(crate) struct Context<'a> {
    pub(crate) manifest: &'a RunManifest,
    /// By worker number; nothing for a worker that recorded nothing.
    streams: Vec<Option<&'a [Event]>>,
    pub(crate) clocks: Clocks,
    pub(crate) timeline: Timeline,
    pub(crate) observations: Observations<'a>,
    /// Names the messages had where the history was recorded.
    pub(crate) names: Option<&'a MessageNames>,
}

impl<'a> Context<'a> {
    /// Sorts the streams by worker and reads the small ones.
    pub(crate) fn read(history: &HistoryView<'a>, health: &mut Health) -> Self {
        let manifest = history.manifest;
        let mut streams: Vec<Option<&'a [Event]>> = vec![None; manifest.workers.len()];
        for stream in &history.streams {
            match streams.get_mut(usize::from(stream.worker)) {
                Some(place) if place.is_none() => {
                    *place = Some(stream.events);
                    continue;
                }
                Some(_) => health.damage(format!("worker {} has two streams; the first is judged", stream.worker)),
                None => health.damage(format!("a stream names worker {}, which the manifest lacks", stream.worker)),
            }
            health.pass_over(stream.events.len() as u64);
        }
        health.note_missing(manifest, &streams);
        health.note_machines(manifest);
        let timeline = Timeline::read(manifest, &streams, health);
        let observations = Observations::read(manifest, &streams, health);
        let clocks = Clocks::read(manifest);
        Self { manifest, streams, clocks, timeline, observations, names: None }
    }

    /// The events of `worker`; empty for one that recorded nothing.
    pub(crate) fn stream(&self, worker: u16) -> &'a [Event] {
        self.streams.get(usize::from(worker)).copied().flatten().unwrap_or_default()
    }

    /// Every worker with its number.
    pub(crate) fn workers(&self) -> impl Iterator<Item = (u16, &'a Worker)> + use<'a> {
        let manifest = self.manifest;
        manifest.workers.iter().enumerate().map_while(|(number, worker)| Some((u16::try_from(number).ok()?, worker)))
    }

    /// Workers that send in `lane`.
    pub(crate) fn producers_of(&self, lane: u16) -> Vec<u16> {
        let mine = self.workers().filter(|(_, one)| one.role == Role::Producer && one.lane == Some(lane));
        mine.map(|(worker, _)| worker).collect()
    }

    /// Indexes of the destinations of `lane` that are sent to: all but those its dead letters end in.
    pub(crate) fn destinations_of(&self, lane: u16) -> Vec<u16> {
        let all = self.manifest.destinations.iter().enumerate();
        all.filter(|(_, destination)| destination.lane == lane && destination.dead_letters_of.is_none())
            .filter_map(|(index, _)| u16::try_from(index).ok())
            .filter(|index| *index != NO_DESTINATION)
            .collect()
    }

    /// Indexes of the lane's destinations in which what comes of its messages ends.
    pub(crate) fn outputs_of(&self, lane: u16) -> Vec<u16> {
        let mut places = self.destinations_of(lane);
        places.retain(|place| self.is_output(*place));
        places
    }

    /// Whether what comes of other messages ends there.
    pub(crate) fn is_output(&self, destination: u16) -> bool {
        self.destination(destination).is_some_and(|known| known.output_of.is_some())
    }

    /// Indexes of the destinations that `group` reads.
    pub(crate) fn destinations_read_by(&self, group: u16) -> Vec<u16> {
        let Some(known) = self.manifest.groups.get(usize::from(group)) else { return Vec::new() };
        let mut places = self.destinations_of(known.lane);
        places.retain(|place| self.is_output(*place) == known.reads_outputs);
        places
    }

    /// Indexes of the groups of `lane`.
    pub(crate) fn groups_of(&self, lane: u16) -> Vec<u16> {
        let all = self.manifest.groups.iter().enumerate();
        all.filter(|(_, group)| group.lane == lane).filter_map(|(index, _)| u16::try_from(index).ok()).collect()
    }

    /// The destination with this index.
    pub(crate) fn destination(&self, index: u16) -> Option<&'a Destination> {
        self.manifest.destinations.get(usize::from(index))
    }

    /// Name of a worker.
    pub(crate) fn worker_name(&self, worker: u16) -> String {
        let known = self.manifest.workers.get(usize::from(worker));
        known.map_or_else(|| format!("worker {worker}"), |worker| worker.name.clone())
    }

    /// Name of a node or client host.
    pub(crate) fn host_name(&self, id: u32) -> String {
        if id == NO_NODE {
            return String::from("nobody");
        }
        let manifest = self.manifest;
        let hosts: [&[Host]; 3] = [&manifest.nodes, &manifest.controllers, &manifest.client_hosts];
        let known = hosts.into_iter().flatten().find(|host| host.id == id);
        known.map_or_else(|| format!("host {id}"), |host| host.name.clone())
    }

    /// Names of several nodes or hosts, shortened when there are many.
    pub(crate) fn host_names(&self, ids: impl IntoIterator<Item = u32>) -> String {
        let unique: BTreeSet<u32> = ids.into_iter().collect();
        let shown: Vec<String> = unique.iter().take(MAX_NAMES).map(|id| self.host_name(*id)).collect();
        let rest = unique.len().saturating_sub(MAX_NAMES);
        if rest > 0 { format!("{} and {rest} more", shown.join(", ")) } else { shown.join(", ") }
    }

    /// Name of a destination: `topic-0` for a partition.
    pub(crate) fn destination_name(&self, index: u16) -> String {
        match self.destination(index) {
            Some(Destination { name, partition: Some(partition), .. }) => format!("{name}-{partition}"),
            Some(Destination { name, .. }) => name.clone(),
            None if index == NO_DESTINATION => String::from("nowhere"),
            None => format!("destination {index}"),
        }
    }

    /// Name of a group or subscriber.
    pub(crate) fn group_name(&self, index: u16) -> String {
        let known = self.manifest.groups.get(usize::from(index));
        known.map_or_else(|| format!("group {index}"), |group| group.name.clone())
    }

    /// `producer/sequence`; sessions after the first are numbered.
    pub(crate) fn message_name(&self, session: u32, sequence: u32) -> String {
        if session == NO_SESSION {
            return String::from("a payload nobody here wrote");
        }
        if let Some(name) = self.names.and_then(|names| names.of(session, sequence)) {
            return name.to_owned();
        }
        let worker = self.worker_name(worker_of_session(session));
        match session & 0xffff {
            0 => format!("{worker}/{sequence}"),
            later => format!("{worker}#{later}/{sequence}"),
        }
    }

    /// Milliseconds after the load began (negative before).
    pub(crate) fn at_ms(&self, time_ns: u64) -> i64 {
        let (time_ms, start_ms) = (time_ns / 1_000_000, self.timeline.load_start_ns / 1_000_000);
        i64::try_from(time_ms).unwrap_or(i64::MAX).saturating_sub(i64::try_from(start_ms).unwrap_or(i64::MAX))
    }
}

/// A reason's words.
pub(crate) fn reason_words(number: u32) -> &'static str {
    Reason::from_number(number).map_or("no reason recorded", Reason::label)
}
