//! Correct logs, transactions and fan-outs: retries, crashes of clients, sessions, destinations, keys, rebalances.

use std::collections::BTreeMap;

use delivery_broker::Reason;
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{Destination, Group, Role, Worker, Workload, first_session};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::{Audit, C2, Dice, MS, P2, World, about, members, ns};
use crate::common::{C0, C1, Ended, Id, LOAD_MS, P0, P1, SENTINEL, Scene, manifest};

/// From one send of a producer to the next, at most, nanoseconds.
const GAP_NS: u64 = 200 * MS;

/// One producer on its way.
struct Producer {
    worker: u16,
    session: u32,
    sequence: u32,
    /// Sends everything here, unless to any destination.
    own: Option<u16>,
    at_ns: u64,
    /// Number of the transaction that is open, how many messages it still takes, and how it ends.
    transaction: Option<(u32, u32, u64)>,
    transactions: u32,
}

impl World {
    /// A correct run: what it looks like is drawn from the seed.
    pub fn grow(workload: Workload, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        if workload == Workload::Queue { Self::grow_queue(&mut dice) } else { Self::grow_log(workload, &mut dice) }
    }

    /// Nobody did anything yet.
    pub(super) fn bare(workload: Workload, places: u16) -> Self {
        let mut scene = Scene::log();
        scene.manifest = manifest(workload);
        scene.manifest.rate_per_s = 10;
        (scene.messages, scene.handled, scene.drained) = (Vec::new(), Vec::new(), Vec::new());
        scene.logs.clear();
        let place = |number: u16| Destination {
            lane: 0,
            name: "orders".into(),
            partition: Some(u32::from(number)),
            dead_letters_of: None,
            output_of: None,
            added: false,
        };
        scene.manifest.destinations = (0..places).map(place).collect();
        let worker = |name: &str, role, group| Worker {
            name: name.into(),
            role,
            lane: Some(0),
            group,
            host: 101,
            succeeds: None,
        };
        scene.manifest.workers.push(worker("c2", Role::Consumer, Some(0)));
        scene.manifest.workers.push(worker("p2", Role::Producer, None));
        Self { scene, sent: Vec::new(), audits: Vec::new(), done: Vec::new(), commits: Vec::new() }
    }

    fn grow_log(workload: Workload, dice: &mut Dice) -> Self {
        let places = if workload == Workload::Fanout { 1 } else { 1 + dice.below(3) as u16 };
        let mut world = Self::bare(workload, places);
        world.scene.manifest.lanes[0].acknowledged = workload == Workload::Transactions || !dice.one_in(5);
        let third = if workload == Workload::Fanout { "s2" } else { "others" };
        let group = Group { name: third.into(), ..world.scene.manifest.groups[0].clone() };
        world.scene.manifest.groups.push(group);
        let last = world.scene.manifest.groups.len() as u16 - 1;
        world.scene.manifest.workers[usize::from(C2)].group = Some(last);
        world.scene.manifest.groups[usize::from(last)].read_uncommitted = false;
        let mut logs: BTreeMap<u16, Vec<Event>> = (0..places).map(|place| (place, Vec::new())).collect();
        world.send(workload, places, dice, &mut logs);
        world.write_sentinels(places);
        if workload == Workload::Fanout {
            world.subscribe(dice, &logs[&0]);
        } else {
            world.store(&logs, dice);
            for group in 0..=1 {
                world.read(group, &logs, dice);
            }
        }
        world.finish_consumers(&[C0, C1, C2]);
        world
    }

    fn send(&mut self, workload: Workload, places: u16, dice: &mut Dice, logs: &mut BTreeMap<u16, Vec<Event>>) {
        let mut producers: Vec<Producer> = [P0, P1, P2]
            .map(|worker| Producer {
                worker,
                session: first_session(worker),
                sequence: 0,
                own: (!dice.one_in(3)).then(|| dice.below(usize::from(places)) as u16),
                at_ns: ns(0) + dice.below(GAP_NS as usize) as u64,
                transaction: None,
                transactions: 0,
            })
            .into();
        // The one that sends next goes first, so logs are appended to in the order of time.
        while let Some(next) = producers.iter_mut().min_by_key(|one| one.at_ns).filter(|one| one.at_ns < ns(LOAD_MS)) {
            if workload == Workload::Transactions {
                self.go_on_in_transaction(next, dice, logs);
            }
            self.send_one(next, places, workload, dice, logs);
            next.at_ns += GAP_NS / 2 + dice.below(GAP_NS as usize / 2) as u64;
            if workload != Workload::Transactions && dice.one_in(60) {
                let ended = Event { session: next.session, ..Event::new(EventKind::SessionEnded) };
                self.sent.push((next.worker, ended.detail(Reason::Fatal as u32).at(next.at_ns - MS)));
                (next.session, next.sequence) = (next.session + 1, 0);
            }
        }
        // Whoever is to commit still does; of the others some died in the middle of it.
        for by in producers.iter_mut().filter(|by| by.transaction.is_some_and(|(_, _, ending)| ending == 0)) {
            self.end_transaction(by, logs);
        }
    }

    fn send_one(
        &mut self,
        by: &mut Producer,
        places: u16,
        workload: Workload,
        dice: &mut Dice,
        logs: &mut BTreeMap<u16, Vec<Event>>,
    ) {
        let id = (by.session, by.sequence);
        by.sequence += 1;
        let destination = by.own.unwrap_or_else(|| dice.below(usize::from(places)) as u16);
        let log = logs.get_mut(&destination).unwrap();
        let key = dice.below(3) as u32;
        self.sent.push((by.worker, about(EventKind::SendInvoked, id, destination, by.at_ns).detail(key)));
        let aborts = by.transaction.is_some_and(|(_, _, ending)| ending != 0);
        let acked = if self.scene.manifest.lanes[0].acknowledged { Ended::Acked(1) } else { Ended::Sent };
        let (ended, stored) = match dice.below(24) {
            0 => (Ended::Failed, false),
            1 => (Ended::Unknown, dice.one_in(2)),
            2 => (Ended::Never, dice.one_in(2)),
            _ => (acked, true),
        };
        // All of a transaction or nothing: those with a message of another outcome abort.
        let ended = if by.transaction.is_some() { acked } else { ended };
        let stored = if by.transaction.is_some() { !aborts } else { stored };
        let offset = if stored && workload != Workload::Fanout { log.len() as u64 } else { NO_OFFSET };
        if stored {
            log.push(about(EventKind::AuditRead, id, destination, by.at_ns));
        } else if by.transaction.is_some() && dice.one_in(2) {
            log.push(about(EventKind::AuditAborted, id, destination, by.at_ns));
        }
        if dice.one_in(30) && workload != Workload::Fanout {
            log.push(Event::new(EventKind::AuditControl).destination(destination).at(by.at_ns));
        }
        let end = |kind: EventKind, detail: u32| about(kind, id, destination, by.at_ns + 2 * MS).detail(detail);
        let end = match ended {
            Ended::Acked(node) => end(EventKind::SendAcked, node).offset(offset),
            Ended::Sent => end(EventKind::SendSent, u32::MAX),
            Ended::Failed => end(EventKind::SendFailed, Reason::TooLarge as u32),
            Ended::Unknown => end(EventKind::SendUnknown, Reason::TimedOut as u32),
            Ended::Never | Ended::AckedAndFailed => return,
        };
        self.sent.push((by.worker, end));
    }

    /// Ends the open transaction when it is full, and begins the next.
    fn go_on_in_transaction(&mut self, by: &mut Producer, dice: &mut Dice, logs: &mut BTreeMap<u16, Vec<Event>>) {
        if by.transaction.is_some_and(|(_, left, _)| left == 0) {
            self.end_transaction(by, logs);
        }
        match &mut by.transaction {
            Some((_, left, _)) => *left -= 1,
            None => {
                let ending = [0, 0, 0, 1, 2][dice.below(5)];
                let begin = Event { session: by.session, ..Event::new(EventKind::TransactionBegin) };
                self.sent.push((by.worker, begin.detail(by.transactions).at(by.at_ns - MS)));
                by.transaction = Some((by.transactions, dice.below(4) as u32, ending));
                by.transactions += 1;
            }
        }
    }

    fn end_transaction(&mut self, by: &mut Producer, logs: &mut BTreeMap<u16, Vec<Event>>) {
        let Some((number, _, ending)) = by.transaction.take() else { return };
        let event = |kind: EventKind, before_ms: u64| {
            let event = Event { session: by.session, ..Event::new(kind) };
            event.detail(number).at(by.at_ns - before_ms * MS)
        };
        let asked = if ending == 1 { EventKind::TransactionAbort } else { EventKind::TransactionCommit };
        self.sent.push((by.worker, event(asked, 9)));
        self.sent.push((by.worker, event(EventKind::TransactionOutcome, 8).offset(ending)));
        let place = by.own.unwrap_or(0);
        logs.get_mut(&place).unwrap().push(Event::new(EventKind::AuditControl).destination(place).at(by.at_ns));
    }

    /// Three replicas; the audit of the last may break off.
    fn store(&mut self, logs: &BTreeMap<u16, Vec<Event>>, dice: &mut Dice) {
        for (destination, log) in logs {
            let sentinel = (first_session(SENTINEL), u32::from(*destination));
            let sentinel = about(EventKind::AuditRead, sentinel, *destination, 1);
            for replica in [1, 2, 3] {
                let mut entries: Vec<Event> = log.iter().copied().chain([sentinel]).collect();
                let cut = replica == 3 && dice.one_in(8);
                entries.truncate(if cut { dice.below(entries.len()) } else { usize::MAX });
                let (destination, depths) = (*destination, Vec::new());
                self.audits.push(Audit { destination, replica, start: 0, entries, ended: !cut, depths });
            }
        }
    }

    /// When a message may be given to a reader: in a transaction, once its commit was asked for.
    fn visible(&self) -> BTreeMap<Id, u64> {
        let mut visible = BTreeMap::new();
        let mut open: BTreeMap<u32, Vec<Id>> = BTreeMap::new();
        let mut sent: Vec<Event> = self.sent.iter().map(|(_, event)| *event).collect();
        sent.sort_by_key(|event| event.time_ns);
        for event in sent {
            match event.kind() {
                Some(EventKind::TransactionBegin) => drop(open.insert(event.session, Vec::new())),
                Some(EventKind::SendInvoked) => {
                    let id = (event.session, event.sequence);
                    visible.insert(id, event.time_ns + 3 * MS);
                    open.entry(event.session).or_default().push(id);
                }
                Some(EventKind::TransactionCommit) => {
                    let messages = open.remove(&event.session).unwrap_or_default();
                    visible.extend(messages.into_iter().map(|id| (id, event.time_ns + MS)));
                }
                _ => {}
            }
        }
        visible
    }

    /// Members read their partitions, hand them on in rebalances, commit now and then.
    fn read(&mut self, group: u16, logs: &BTreeMap<u16, Vec<Event>>, dice: &mut Dice) {
        let visible = self.visible();
        let all = members(group);
        for (destination, log) in logs {
            let mut reader = *dice.pick(all).unwrap();
            let mut now_ns = ns(0) + u64::from(*destination) * 7 + u64::from(group) * 3;
            let event = |kind: EventKind, offset: u64, at_ns: u64| {
                Event::new(kind).destination(*destination).offset(offset).at(at_ns)
            };
            self.done.push((reader, event(EventKind::Assigned, 0, now_ns)));
            let (mut offset, mut committed) = (0, 0);
            while offset < log.len() {
                let entry = log[offset];
                if entry.kind() == Some(EventKind::AuditRead) {
                    let id = (entry.session, entry.sequence);
                    now_ns = now_ns.max(visible[&id]) + 11 * MS / 10;
                    self.handle(reader, id, *destination, offset as u64, now_ns);
                }
                offset += 1;
                if dice.one_in(25) {
                    now_ns += 2 * MS;
                    let commit = event(EventKind::SettleInvoked, offset as u64, now_ns).detail(4);
                    self.done.push((reader, commit));
                    self.done.push((reader, Event { kind: EventKind::SettleOk as u8, time_ns: now_ns + MS, ..commit }));
                    (committed, now_ns) = (offset, now_ns + 2 * MS);
                }
                if dice.one_in(60) {
                    // A rebalance: whoever takes over begins where the group had committed, and drops what is known.
                    now_ns += 3 * MS;
                    self.done.push((reader, event(EventKind::Revoked, NO_OFFSET, now_ns)));
                    reader = *dice.pick(all).unwrap();
                    now_ns += MS;
                    self.done.push((reader, event(EventKind::Assigned, committed as u64, now_ns)));
                    now_ns = self.give_again(reader, &log[committed..offset], committed as u64, now_ns);
                } else if dice.one_in(90) {
                    now_ns += MS;
                    let reset = event(EventKind::PositionReset, committed as u64, now_ns).flags(FLAG_SELF);
                    self.done.push((reader, reset));
                    now_ns = self.give_again(reader, &log[committed..offset], committed as u64, now_ns);
                }
            }
            self.drain(reader, *destination);
            let told = event(EventKind::ObservedCommit, committed as u64, ns(LOAD_MS + 5_000));
            self.commits.push(Event { session: 1, ..told.detail(u32::from(group)) });
        }
    }

    fn handle(&mut self, reader: u16, id: Id, destination: u16, offset: u64, at_ns: u64) {
        let event = |kind: EventKind, after_ns: u64| about(kind, id, destination, at_ns + after_ns).offset(offset);
        self.done.push((reader, event(EventKind::Delivered, 0)));
        self.done.push((reader, event(EventKind::Processing, MS / 10)));
        self.done.push((reader, event(EventKind::Processed, MS / 5)));
    }

    fn give_again(&mut self, reader: u16, entries: &[Event], first: u64, mut now_ns: u64) -> u64 {
        for (entry, offset) in entries.iter().zip(first..) {
            if entry.kind() == Some(EventKind::AuditRead) {
                now_ns += MS / 2;
                let id = (entry.session, entry.sequence);
                let again = about(EventKind::Delivered, id, entry.destination, now_ns).offset(offset);
                self.done.push((reader, again));
            }
        }
        now_ns
    }

    fn drain(&mut self, reader: u16, destination: u16) {
        let sentinel = (first_session(SENTINEL), u32::from(destination));
        let at_ns = ns(LOAD_MS + 8_000) + u64::from(destination);
        self.done.push((reader, about(EventKind::Delivered, sentinel, destination, at_ns)));
        self.done.push((reader, Event::new(EventKind::Drained).destination(destination).at(at_ns + 1)));
    }

    /// Subscribers come and go; one may die.
    fn subscribe(&mut self, dice: &mut Dice, given: &[Event]) {
        for worker in [C0, C1, C2] {
            let from_ns = ns(0) + if dice.one_in(3) { 2_000 * MS } else { 0 };
            let to_ns = if dice.one_in(4) { ns(LOAD_MS - 2_000) } else { u64::MAX };
            self.done.push((worker, Event::new(EventKind::Subscribed).destination(0).at(from_ns)));
            if to_ns < u64::MAX {
                self.done.push((worker, Event::new(EventKind::Unsubscribed).destination(0).at(to_ns)));
            }
            let mut now_ns = from_ns;
            for entry in given.iter().filter(|entry| (from_ns..to_ns).contains(&entry.time_ns)) {
                now_ns = now_ns.max(entry.time_ns + 3 * MS) + MS;
                let id = (entry.session, entry.sequence);
                self.handle(worker, id, 0, NO_OFFSET, now_ns);
                if dice.one_in(50) {
                    now_ns += 2 * MS;
                    self.done.push((worker, about(EventKind::Delivered, id, 0, now_ns)));
                }
            }
            self.drain(worker, 0);
        }
    }
}
