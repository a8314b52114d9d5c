//! What was sent and how it ended, by name; and what everybody else recorded.

use std::collections::{BTreeMap, BTreeSet};

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::manifest::{Group, Phase, Role, RunManifest, Worker, Workload, worker_of_session};
use delivery_history::{Event, EventKind, NO_OFFSET};

/// Producer session and sequence.
pub type Id = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Acked,
    Sent,
    Failed,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Committed,
    Aborted,
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub messages: Vec<Id>,
    pub commit_asked_ns: Option<u64>,
    pub ending: Ending,
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub id: Id,
    pub destination: u16,
    pub key: u32,
    pub invoked_ns: u64,
    pub outcome: Outcome,
    /// Time and offset of the ack.
    pub acked: Option<(u64, u64)>,
    pub transaction: Option<usize>,
}

/// A message that was made into the next send of its worker.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub of: Id,
    pub output: Id,
}

pub struct Past<'a> {
    pub manifest: &'a RunManifest,
    pub streams: &'a [Vec<Event>],
    pub workload: Workload,
    pub sends: BTreeMap<Id, Sent>,
    pub sentinels: BTreeSet<Id>,
    pub transactions: Vec<Transaction>,
    pub made: Vec<Made>,
    pub crashed: BTreeSet<u16>,
    /// The cluster was whole before it was drained and audited.
    pub recovered: bool,
}

/// Whether the payload could not be read.
pub fn unreadable(event: &Event) -> bool {
    event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0
}

pub fn id(event: &Event) -> Id {
    (event.session, event.sequence)
}

impl<'a> Past<'a> {
    pub fn read(manifest: &'a RunManifest, streams: &'a [Vec<Event>]) -> Self {
        let mut past = Past {
            manifest,
            streams,
            workload: manifest.lanes[0].workload,
            sends: BTreeMap::new(),
            sentinels: BTreeSet::new(),
            transactions: Vec::new(),
            made: Vec::new(),
            crashed: BTreeSet::new(),
            recovered: false,
        };
        for (number, worker) in manifest.workers.iter().enumerate() {
            match worker.role {
                Role::Producer => past.read_producer(&streams[number]),
                Role::Sentinel => {
                    let sent = streams[number].iter().filter(|event| event.kind() == Some(EventKind::SendInvoked));
                    past.sentinels.extend(sent.map(id));
                }
                Role::Runner => past.read_runner(&streams[number]),
                _ => {}
            }
        }
        past
    }

    fn read_producer(&mut self, events: &[Event]) {
        let mut outcomes: BTreeMap<Id, BTreeSet<u8>> = BTreeMap::new();
        let mut open: Option<usize> = None;
        let mut making: Option<(Id, u32)> = None;
        for event in events {
            match event.kind() {
                Some(EventKind::SendInvoked) => {
                    let sent = Sent {
                        id: id(event),
                        destination: event.destination,
                        key: event.detail,
                        invoked_ns: event.time_ns,
                        outcome: Outcome::Unknown,
                        acked: None,
                        transaction: open,
                    };
                    self.sends.insert(id(event), sent);
                    let made = making.take().filter(|(_, sequence)| *sequence == event.sequence);
                    self.made.extend(made.map(|(of, _)| Made { of, output: id(event) }));
                    open.into_iter().for_each(|open| self.transactions[open].messages.push(id(event)));
                }
                Some(EventKind::SendAcked) => {
                    outcomes.entry(id(event)).or_default().insert(event.kind);
                    let sent = self.sends.get_mut(&id(event)).unwrap();
                    sent.acked = (event.offset != NO_OFFSET).then_some((event.time_ns, event.offset));
                }
                Some(EventKind::SendSent | EventKind::SendFailed | EventKind::SendUnknown) => {
                    outcomes.entry(id(event)).or_default().insert(event.kind);
                }
                Some(EventKind::Transformed) => making = Some((id(event), event.detail)),
                Some(EventKind::TransactionBegin) => {
                    open = Some(self.transactions.len());
                    let (messages, ending) = (Vec::new(), Ending::Unknown);
                    self.transactions.push(Transaction { messages, commit_asked_ns: None, ending });
                }
                Some(EventKind::TransactionCommit) => {
                    self.transactions[open.unwrap()].commit_asked_ns = Some(event.time_ns);
                }
                Some(EventKind::TransactionOutcome) => {
                    let endings = [Ending::Committed, Ending::Aborted, Ending::Unknown];
                    self.transactions[open.take().unwrap()].ending = endings[event.offset as usize];
                }
                _ => {}
            }
        }
        for (id, kinds) in outcomes {
            let only = |kind: EventKind| kinds.len() == 1 && kinds.contains(&(kind as u8));
            self.sends.get_mut(&id).unwrap().outcome = match () {
                () if only(EventKind::SendAcked) => Outcome::Acked,
                () if only(EventKind::SendSent) => Outcome::Sent,
                () if only(EventKind::SendFailed) => Outcome::Failed,
                () => Outcome::Unknown,
            };
        }
    }

    fn read_runner(&mut self, events: &[Event]) {
        let mut recovering = false;
        for event in events {
            match event.kind() {
                Some(EventKind::WorkerCrashed) => drop(self.crashed.insert(event.detail as u16)),
                Some(EventKind::PhaseEntered) if event.detail == Phase::Recover as u32 => recovering = true,
                Some(EventKind::PhaseEntered) if event.detail == Phase::Drain as u32 => self.recovered = recovering,
                _ => {}
            }
        }
    }

    /// Acked (or sent, where no ack is asked for), and not of a transaction that did not commit for certain.
    pub fn is_owed(&self, sent: &Sent) -> bool {
        let taken = match sent.outcome {
            Outcome::Acked => true,
            Outcome::Sent => !self.manifest.lanes[0].acknowledged,
            Outcome::Failed | Outcome::Unknown => false,
        };
        taken && sent.transaction.is_none_or(|one| self.transactions[one].ending == Ending::Committed)
    }

    /// Destinations that are sent to.
    pub fn places(&self) -> Vec<u16> {
        let all = (0u16..).zip(&self.manifest.destinations);
        all.filter(|(_, place)| place.dead_letters_of.is_none()).map(|(number, _)| number).collect()
    }

    /// Whether what is made of other messages ends there.
    pub fn is_output(&self, destination: u16) -> bool {
        self.manifest.destinations[usize::from(destination)].output_of.is_some()
    }

    /// Destinations that a group reads.
    pub fn places_of(&self, group: &Group) -> Vec<u16> {
        self.places().into_iter().filter(|place| self.is_output(*place) == group.reads_outputs).collect()
    }

    /// Whether a group makes messages of what it reads.
    pub fn transforms(&self, group: u16) -> bool {
        self.manifest.workers.iter().any(|one| one.role == Role::Producer && one.group == Some(group))
    }

    pub fn consumers(&self, group: Option<u16>) -> Vec<u16> {
        let all = (0u16..).zip(&self.manifest.workers);
        let reads = |one: &Worker| one.role == Role::Consumer || (one.role == Role::Producer && one.group.is_some());
        let mine = all.filter(|(_, one)| reads(one) && (group.is_none() || one.group == group));
        mine.map(|(number, _)| number).collect()
    }

    pub fn stream(&self, worker: u16) -> &'a [Event] {
        &self.streams[usize::from(worker)]
    }

    pub fn audit_events(&self) -> impl Iterator<Item = &'a Event> {
        let audits = self.manifest.workers.iter().zip(self.streams).filter(|(one, _)| one.role == Role::Audit);
        audits.flat_map(|(_, events)| events)
    }

    /// When the run went into a phase.
    pub fn entered_ns(&self, phase: Phase) -> Option<u64> {
        let runner = self.manifest.workers.iter().position(|one| one.role == Role::Runner)?;
        let entered = |event: &&Event| event.kind() == Some(EventKind::PhaseEntered) && event.detail == phase as u32;
        self.streams[runner].iter().find(entered).map(|event| event.time_ns)
    }

    pub fn name(&self, id: Id) -> String {
        let worker = &self.manifest.workers[usize::from(worker_of_session(id.0))].name;
        match id.0 & 0xffff {
            0 => format!("{worker}/{}", id.1),
            later => format!("{worker}#{later}/{}", id.1),
        }
    }

    pub fn payload_name(&self, worker: u16) -> String {
        format!("a payload {} was given", self.manifest.workers[usize::from(worker)].name)
    }

    pub fn place_name(&self, destination: u16) -> String {
        let place = &self.manifest.destinations[usize::from(destination)];
        place.partition.map_or_else(|| place.name.clone(), |number| format!("{}-{number}", place.name))
    }

    pub fn offset_name(&self, destination: u16, offset: u64) -> String {
        format!("offset {offset} of {}", self.place_name(destination))
    }
}
