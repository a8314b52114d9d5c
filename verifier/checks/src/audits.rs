//! Which audits were complete: from the start of the log to its end, every offset in between.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use delivery_history::Event;
use delivery_history::manifest::Role;

use crate::context::Context;
use crate::directory::Directory;
use crate::health::{Health, Watch, kind};
use crate::queue::audit::Depths;
use crate::queue::{self, is_queue};

/// One reading of one destination on one replica.
#[derive(Clone, Debug)]
pub(crate) struct AuditRun<'a> {
    pub(crate) destination: u16,
    /// The node it was read from.
    pub(crate) replica: u32,
    /// Start of the log.
    pub(crate) start_offset: u64,
    /// Reads and control records; the n-th stands at `start_offset + n`.
    pub(crate) reads: &'a [Event],
    /// When it ended, or broke off.
    pub(crate) ended_ns: u64,
    /// It holds a sentinel: it was not read before the drain, nor short of the end.
    pub(crate) sentinel: bool,
    /// What a queue said of itself before it was read.
    pub(crate) depths: Depths,
    /// Why it is not complete; nothing when it is.
    pub(crate) flaw: Option<String>,
}

impl AuditRun<'_> {
    /// Read to its end without a gap.
    pub(crate) fn is_complete(&self) -> bool {
        self.flaw.is_none()
    }

    /// Complete, with the very start of the log and the sentinel at its end: what is not in it is not stored there.
    pub(crate) fn proves_absence(&self) -> bool {
        self.is_complete() && self.start_offset == 0 && self.sentinel
    }

    /// First offset that was not read.
    pub(crate) fn end_offset(&self) -> u64 {
        self.start_offset.saturating_add(self.reads.len() as u64)
    }

    /// What stands at `offset`.
    #[inline]
    pub(crate) fn at(&self, offset: u64) -> Option<&Event> {
        self.reads.get(usize::try_from(offset.checked_sub(self.start_offset)?).ok()?)
    }
}

/// The audits of one lane: by destination, the one that the others are compared with first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audits<'a> {
    runs: Vec<AuditRun<'a>>,
}

impl<'a> Audits<'a> {
    /// Picks the audits of a lane's destinations. Of several readings of one replica the last
    /// complete one counts; of a queue, whose messages a reading takes out, every one.
    pub(crate) fn read(context: &Context<'_>, directory: &Directory, all: &[AuditRun<'a>], lane: u16) -> Self {
        let mut last: BTreeMap<(u16, u32), &AuditRun<'a>> = BTreeMap::new();
        let mine = |run: &&AuditRun<'_>| context.destination(run.destination).is_some_and(|known| known.lane == lane);
        let (of_queues, of_logs): (Vec<_>, Vec<_>) =
            all.iter().filter(mine).partition(|run| is_queue(context, run.destination));
        for run in of_logs {
            let known = last.entry((run.destination, run.replica)).or_insert(run);
            if run.is_complete() || !known.is_complete() {
                *known = run;
            }
        }
        let mut runs: Vec<AuditRun<'a>> = last.into_values().cloned().collect();
        for run in &mut runs {
            // Sentinels are written last, so the search ends at once unless there is none.
            run.sentinel = run.reads.iter().rev().any(|read| directory.is_sentinel(read));
        }
        runs.extend(
            of_queues.into_iter().map(|run| AuditRun { flaw: queue::audit::flaw(context, run), ..run.clone() }),
        );
        runs.sort_by_key(|run| (run.destination, !run.proves_absence(), !run.is_complete(), Reverse(run.end_offset())));
        Self { runs }
    }

    /// Every audit, by destination; the reference of each comes first.
    pub(crate) fn runs(&self) -> &[AuditRun<'a>] {
        &self.runs
    }

    /// The audits of `destination`, the reference first.
    pub(crate) fn of(&self, destination: u16) -> &[AuditRun<'a>] {
        let from = self.runs.partition_point(|run| run.destination < destination);
        let to = self.runs.partition_point(|run| run.destination <= destination);
        &self.runs[from..to]
    }

    /// Whether what is in no audit of `destination` is proved not to be stored.
    pub(crate) fn prove_absence(&self, destination: u16) -> bool {
        self.of(destination).first().is_some_and(AuditRun::proves_absence)
    }
}

/// Finds the readings in every audit stream, and what groups were read back there to have committed.
pub(crate) fn read_runs<'a>(context: &Context<'a>, health: &mut Health) -> (Vec<AuditRun<'a>>, Vec<Event>) {
    let (mut runs, mut commits) = (Vec::new(), Vec::new());
    for (worker, role) in context.workers().filter(|(_, worker)| worker.role == Role::Audit) {
        let mut reader = RunReader {
            events: context.stream(worker),
            open: None,
            broken: None,
            runs: &mut runs,
            commits: &mut commits,
            stray: 0,
        };
        let mut watch = Watch::default();
        for (at, event) in reader.events.iter().enumerate() {
            watch.see(event);
            reader.take(at, event, &mut watch);
        }
        reader.close(Some(String::from("broke off before the end of the log")));
        let stray = reader.stray;
        health.note_watch(worker, &role.name, &watch);
        health.pass_over(stray);
        if stray > 0 {
            health.worker_damage(worker, format!("{} recorded {stray} reads outside of any audit", role.name));
        }
    }
    (runs, commits)
}

struct Open {
    from: usize,
    to: usize,
    destination: u16,
    replica: u32,
    start_offset: u64,
    next_offset: u64,
    last_ns: u64,
    depths: Depths,
    /// Messages of transactions that had not ended.
    unended: u64,
}

struct RunReader<'a, 'b> {
    events: &'a [Event],
    open: Option<Open>,
    /// Destination and replica of a reading that broke: what is left of it proves nothing.
    broken: Option<(u16, u32)>,
    runs: &'b mut Vec<AuditRun<'a>>,
    commits: &'b mut Vec<Event>,
    stray: u64,
}

impl RunReader<'_, '_> {
    #[inline]
    fn take(&mut self, at: usize, event: &Event, watch: &mut Watch) {
        match event.kind {
            kind::AUDIT_READ | kind::AUDIT_CONTROL | kind::AUDIT_ABORTED => self.read(at, event),
            kind::AUDIT_OPEN => {
                self.read(at, event);
                self.open.iter_mut().for_each(|open| open.unended += 1);
            }
            kind::AUDIT_START => {
                self.close(Some(String::from("broke off before the end of the log")));
                self.broken = None;
                self.open = Some(Open {
                    from: at + 1,
                    to: at + 1,
                    destination: event.destination,
                    replica: event.detail,
                    start_offset: event.offset,
                    next_offset: event.offset,
                    last_ns: event.time_ns,
                    depths: Depths::default(),
                    unended: 0,
                });
            }
            kind::AUDIT_END => self.end(event),
            kind::OBSERVED_DEPTH => self.depth(at, event),
            kind::OBSERVED_COMMIT => {
                self.commits.push(*event);
                self.interrupt("was interrupted by another event of its worker");
            }
            _ => {
                watch.pass_over(event);
                self.interrupt("was interrupted by another event of its worker");
            }
        }
    }

    #[inline]
    fn read(&mut self, at: usize, event: &Event) {
        let Some(open) = &mut self.open else {
            self.stray += u64::from(self.broken != Some((event.destination, event.detail)));
            return;
        };
        if open.destination == event.destination
            && open.replica == event.detail
            && open.next_offset == event.offset
            && event.offset != u64::MAX
        {
            open.next_offset += 1;
            open.to = at + 1;
            open.last_ns = event.time_ns;
            return;
        }
        let flaw = if open.destination == event.destination && open.replica == event.detail {
            format!("read offset {} where {} was due", event.offset, open.next_offset)
        } else {
            String::from("was mixed with that of another replica or destination")
        };
        self.close(Some(flaw));
    }

    /// A queue is asked for its depth before it is read; in the middle of a reading that is somebody else's event.
    fn depth(&mut self, at: usize, event: &Event) {
        match &mut self.open {
            Some(open) if open.from == open.to => {
                (open.from, open.to) = (at + 1, at + 1);
                if open.destination == event.destination {
                    open.depths.see(event);
                }
            }
            _ => self.interrupt("was interrupted by another event of its worker"),
        }
    }

    fn end(&mut self, event: &Event) {
        let Some(open) = &mut self.open else {
            self.stray += u64::from(self.broken != Some((event.destination, event.detail)));
            return;
        };
        let same = open.destination == event.destination && open.replica == event.detail;
        let flaw = if !same {
            Some(String::from("was mixed with that of another replica or destination"))
        } else if open.next_offset != event.offset {
            Some(format!("read up to offset {}, but the log ends at {}", open.next_offset, event.offset))
        } else {
            None
        };
        open.last_ns = event.time_ns;
        self.close(flaw);
    }

    fn interrupt(&mut self, flaw: &str) {
        if self.open.is_some() {
            self.close(Some(flaw.to_owned()));
        }
    }

    fn close(&mut self, flaw: Option<String>) {
        if let Some(open) = self.open.take() {
            // What is not ended is neither there for readers of committed messages nor gone.
            let unended = || (open.unended > 0).then(|| format!("met {} messages of open transactions", open.unended));
            let flaw = flaw.or_else(unended);
            self.broken = flaw.is_some().then_some((open.destination, open.replica));
            self.runs.push(AuditRun {
                destination: open.destination,
                replica: open.replica,
                start_offset: open.start_offset,
                reads: &self.events[open.from..open.to],
                ended_ns: open.last_ns,
                sentinel: false,
                depths: open.depths,
                flaw,
            });
        }
    }
}
