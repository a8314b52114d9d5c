//! Who took part in a person's own log: roles from the kinds of their events, lanes, groups and hosts from what was
//! declared or named.

use std::collections::HashMap;

use super::draft::{Book, Draft, LaneDeclared, NONE};
use super::manifest::{FIRST_CLIENT_HOST, LANE, file_manifest, lane};
use crate::event::{EventKind, NO_DESTINATION};
use crate::manifest::{BiteProof, Destination, Fault, Group, Host, Lane, Role, RunManifest, Worker, Workload};

/// What a worker must be to record an event; nothing for what any worker records.
pub(super) const fn role_of(kind: EventKind) -> Option<Role> {
    match kind {
        EventKind::SendInvoked
        | EventKind::SendAcked
        | EventKind::SendSent
        | EventKind::SendFailed
        | EventKind::SendUnknown
        | EventKind::TransactionBegin
        | EventKind::TransactionCommit
        | EventKind::TransactionAbort
        | EventKind::TransactionOutcome
        | EventKind::Transformed => Some(Role::Producer),
        EventKind::Delivered
        | EventKind::Processing
        | EventKind::Processed
        | EventKind::SettleInvoked
        | EventKind::SettleOk
        | EventKind::SettleFailed
        | EventKind::Assigned
        | EventKind::Revoked
        | EventKind::PositionReset
        | EventKind::Subscribed
        | EventKind::Unsubscribed
        | EventKind::Drained => Some(Role::Consumer),
        EventKind::AuditRead
        | EventKind::AuditControl
        | EventKind::AuditAborted
        | EventKind::AuditOpen
        | EventKind::AuditEnd
        | EventKind::AuditStart => Some(Role::Audit),
        EventKind::ObservedLeader
        | EventKind::ObservedIsr
        | EventKind::ObservedController
        | EventKind::ObservedMembers
        | EventKind::ObservedGroup
        | EventKind::ObservedAlarms
        | EventKind::ObservedPartitioned
        | EventKind::ObservedClock
        | EventKind::ObservedSilence
        | EventKind::ObservedCoordinator
        | EventKind::ObservedDepth
        | EventKind::ObservedStable
        | EventKind::ObservedCommit => Some(Role::Observer),
        EventKind::WorkerCrashed
        | EventKind::FaultStarted
        | EventKind::FaultDropped
        | EventKind::FaultCrossed
        | EventKind::FaultHealed
        | EventKind::ProcessState
        | EventKind::ChangeApplied
        | EventKind::FaultReset
        | EventKind::FaultHeldBack
        | EventKind::FaultDelayed
        | EventKind::ChangeAnswered
        | EventKind::DataWiped
        | EventKind::WritesDropped
        | EventKind::DiskFree
        | EventKind::OperationsHeld
        | EventKind::ClockSet
        | EventKind::PhaseEntered => Some(Role::Runner),
        EventKind::WorkerStarted | EventKind::WorkerFinished | EventKind::SessionEnded => None,
    }
}

/// Who took part, and which of them recorded what.
pub(super) struct Cast {
    pub(super) manifest: RunManifest,
    /// By number of a worker's name: what it does, and its number as that.
    workers: Vec<Vec<(Role, u16)>>,
}

impl Cast {
    /// The worker that records an event; nothing for one of whom nothing else is known.
    pub(super) fn worker_of(&self, draft: &Draft) -> Option<u16> {
        let parts = self.workers.get(draft.worker as usize)?;
        let wanted = role_of(draft.kind());
        let part = parts.iter().find(|(role, _)| Some(*role) == wanted).or_else(|| parts.first());
        part.map(|(_, number)| *number)
    }

    /// The workers of a name, by its number: whoever sends and receives is two.
    pub(super) fn named(&self, name: u32) -> &[(Role, u16)] {
        self.workers.get(name as usize).map_or(&[], Vec::as_slice)
    }

    /// The lane of a destination.
    pub(super) fn lane_of(&self, destination: u16) -> Option<&Lane> {
        let lane = self.manifest.destinations.get(usize::from(destination))?.lane;
        self.manifest.lanes.get(usize::from(lane))
    }
}

/// Works out who took part; nothing where there are more workers than can be numbered.
pub(super) fn cast(book: &Book, file: &str, spans_ms: u64) -> Option<Cast> {
    let mut manifest = file_manifest(file, "jsonl", true, spans_ms);
    manifest.destinations = destinations(book);
    manifest.lanes = lanes(book, &manifest.destinations);
    let nodes = (1..).zip(book.nodes.iter());
    manifest.nodes = nodes.map(|(id, name)| Host { id, name: name.to_owned(), address: String::new() }).collect();
    manifest.faults = book.faults.iter().map(fault).collect();
    let workers = workers(book, &mut manifest)?;
    Some(Cast { manifest, workers })
}

fn fault(declared: &super::draft::FaultDeclared) -> Fault {
    let between = |from: &[u32], to: &[u32]| -> Vec<(u32, u32)> {
        from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).collect()
    };
    let cut = match declared.sides.as_slice() {
        [one, other, ..] => [between(one, other), between(other, one)].concat(),
        _ => Vec::new(),
    };
    Fault {
        fault: declared.fault.clone(),
        shape: declared.shape.clone(),
        start_ms: declared.start_ms,
        duration_ms: declared.duration_ms,
        targets: declared.targets.clone(),
        cut,
        full_cut: declared.full_cut,
        sides: declared.sides.clone(),
        detection_ms: declared.detection_ms,
        workers: Vec::new(),
        bites_by: BiteProof::default(),
        adds: Vec::new(),
        amount: None,
        gray: false,
        hook_calls: Vec::new(),
    }
}

fn destinations(book: &Book) -> Vec<Destination> {
    let lane_number = |name: &str| book.lanes.iter().position(|lane| lane.name == name);
    let named = (0_u32..).zip(book.destinations.iter());
    named
        .map(|(number, name)| {
            let declared = book.of_destinations.get(&number);
            let lane = declared.and_then(|declared| lane_number(declared.lane.as_deref()?)).unwrap_or(0);
            Destination {
                lane: lane as u16,
                name: name.to_owned(),
                partition: None,
                dead_letters_of: declared.and_then(|declared| declared.dead_letters_of).map(|queue| queue as u16),
                output_of: None,
                added: false,
            }
        })
        .collect()
}

/// The declared lanes, or the one everything is in; what is not said of them is seen from their events.
fn lanes(book: &Book, destinations: &[Destination]) -> Vec<Lane> {
    let unnamed = [LaneDeclared { name: LANE.to_owned(), ..LaneDeclared::default() }];
    let declared = if book.lanes.is_empty() { &unnamed[..] } else { &book.lanes };
    let mut seen = vec![Seen::default(); declared.len()];
    for draft in &book.drafts {
        let lane = destinations.get(usize::from(draft.event.destination)).map_or(0, |known| known.lane);
        if let Some(seen) = seen.get_mut(usize::from(lane)) {
            seen.take(draft);
        }
    }
    let built = declared.iter().zip(seen).map(|(declared, seen)| Lane {
        resends: declared.resends,
        automatic_ack: declared.automatic_ack,
        ..lane(
            &declared.name,
            declared.workload.unwrap_or_else(|| seen.workload()),
            declared.acknowledged.unwrap_or(seen.acked || !seen.sent),
        )
    });
    built.collect()
}

/// What events show of a lane.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    acked: bool,
    sent: bool,
    settled: bool,
    subscribed: bool,
}

impl Seen {
    fn take(&mut self, draft: &Draft) {
        const COMMIT: u32 = 4;
        match draft.kind() {
            EventKind::SendAcked => self.acked = true,
            EventKind::SendSent => self.sent = true,
            EventKind::SettleInvoked | EventKind::SettleOk => self.settled |= draft.event.detail != COMMIT,
            EventKind::Subscribed => self.subscribed = true,
            _ => {}
        }
    }

    const fn workload(self) -> Workload {
        match (self.subscribed, self.settled) {
            (true, _) => Workload::Fanout,
            (false, true) => Workload::Queue,
            (false, false) => Workload::Log,
        }
    }
}

/// What each named worker does, where it did something.
fn parts(book: &Book) -> Vec<Vec<Role>> {
    let mut parts: Vec<Vec<Role>> = vec![Vec::new(); book.workers.len()];
    for draft in &book.drafts {
        let Some(part) = parts.get_mut(draft.worker as usize) else { continue };
        let declared = book.of_workers.get(&draft.worker).and_then(|declared| declared.role);
        if let Some(role) = declared.or_else(|| role_of(draft.kind()))
            && !part.contains(&role)
        {
            part.push(role);
        }
    }
    for part in &mut parts {
        // Whoever audits a queue asks for its depth, too.
        if part.contains(&Role::Audit) {
            part.retain(|role| *role != Role::Observer);
        }
    }
    for (worker, declared) in &book.of_workers {
        if let (Some(role), Some(part)) = (declared.role, parts.get_mut(*worker as usize))
            && part.is_empty()
        {
            part.push(role);
        }
    }
    parts
}

fn workers(book: &Book, manifest: &mut RunManifest) -> Option<Vec<Vec<(Role, u16)>>> {
    let mut places: HashMap<(u32, Role), (u16, u32)> = HashMap::new();
    for draft in &book.drafts {
        let role =
            book.of_workers.get(&draft.worker).and_then(|declared| declared.role).or_else(|| role_of(draft.kind()));
        let Some(role) = role else { continue };
        let place = places.entry((draft.worker, role)).or_insert((NO_DESTINATION, NONE));
        if place.0 == NO_DESTINATION {
            place.0 = draft.event.destination;
        }
        if place.1 == NONE {
            place.1 = draft.group;
        }
    }
    let mut hosts: HashMap<String, u32> = HashMap::new();
    let mut groups: HashMap<(u16, String), u16> = HashMap::new();
    let mut numbers = vec![Vec::new(); book.workers.len()];
    for (name_number, (name, part)) in (0_u32..).zip(book.workers.iter().zip(parts(book))) {
        let declared = book.of_workers.get(&name_number);
        let host = declared.and_then(|declared| declared.host.clone());
        let host = host.map_or(FIRST_CLIENT_HOST, |host| host_id(host, &mut hosts, manifest));
        for role in part {
            let (destination, group) = places.get(&(name_number, role)).copied().unwrap_or((NO_DESTINATION, NONE));
            let lane = manifest.destinations.get(usize::from(destination)).map_or(0, |known| known.lane);
            let group = declared.and_then(|declared| declared.group).or((group != NONE).then_some(group));
            let group = (role == Role::Consumer).then(|| group_number(book, manifest, &mut groups, lane, group, name));
            let number = u16::try_from(manifest.workers.len()).ok().filter(|number| *number < u16::MAX - 1)?;
            manifest.workers.push(Worker {
                name: name.to_owned(),
                role,
                lane: matches!(role, Role::Producer | Role::Consumer).then_some(lane),
                group: group.flatten(),
                host,
                succeeds: None,
            });
            if let Some(numbers) = numbers.get_mut(name_number as usize) {
                numbers.push((role, number));
            }
        }
    }
    Some(numbers)
}

fn host_id(name: String, hosts: &mut HashMap<String, u32>, manifest: &mut RunManifest) -> u32 {
    if let Some(id) = hosts.get(&name) {
        return *id;
    }
    let next = manifest.client_hosts.last().map_or(FIRST_CLIENT_HOST, |last| last.id + 1);
    manifest.client_hosts.push(Host { id: next, name: name.clone(), address: String::new() });
    hosts.insert(name, next);
    next
}

/// The group of a consumer: as named, else the one all share; in a fan-out each is its own.
fn group_number(
    book: &Book,
    manifest: &mut RunManifest,
    groups: &mut HashMap<(u16, String), u16>,
    lane: u16,
    group: Option<u32>,
    worker: &str,
) -> Option<u16> {
    let fanout = manifest.lanes.get(usize::from(lane)).is_some_and(|lane| lane.workload == Workload::Fanout);
    let name = match group {
        Some(group) => book.groups.name(group),
        None if fanout => worker,
        None => "consumers",
    };
    if let Some(number) = groups.get(&(lane, name.to_owned())) {
        return Some(*number);
    }
    let number = u16::try_from(manifest.groups.len()).ok()?;
    let declared = book.groups.find(name).and_then(|group| book.of_groups.get(&group)).copied().unwrap_or_default();
    manifest.groups.push(Group {
        lane,
        name: name.to_owned(),
        session_timeout_ms: declared.session_timeout_ms,
        read_uncommitted: declared.read_uncommitted,
        reads_outputs: false,
        beside: false,
    });
    groups.insert((lane, name.to_owned()), number);
    Some(number)
}
