//! The phases of a run as one synchronous state machine: `step(now, inputs) -> actions`.
//!
//! It neither waits nor reads a clock nor touches a process; whoever drives it does. The real
//! clock and the simulation drive the same machine.

use delivery_history::manifest::{Phase, Role};

/// Between two looks at a fault's counters, milliseconds.
const EVIDENCE_INTERVAL_MS: u64 = 100;
/// Between two questions whether the cluster is whole, milliseconds.
const RECOVERY_INTERVAL_MS: u64 = 500;

/// How long each wait may last, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Every node is ready.
    pub start_ms: u64,
    /// Destinations exist, fully in sync.
    pub prepare_ms: u64,
    /// Every consumer has its position, every producer is there.
    pub clients_ms: u64,
    /// Every member and the full in-sync set are back.
    pub recover_ms: u64,
    /// Every send has its outcome; what has none then is purged.
    pub flush_ms: u64,
    /// Every destination has its sentinel.
    pub sentinels_ms: u64,
    /// Every group has read past the sentinels.
    pub drain_ms: u64,
    /// Everything stored is read.
    pub audit_ms: u64,
    /// Every transaction has ended once nobody sends any more; nothing where there are none.
    pub transactions_ms: Option<u64>,
}

/// When a fault is on, milliseconds after the load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// Its start.
    pub start_ms: u64,
    /// Its length.
    pub duration_ms: u64,
}

/// What the machine works off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachinePlan {
    /// Length of the load, milliseconds.
    pub load_ms: u64,
    /// Faults in the order of their start; they may overlap.
    pub faults: Vec<FaultWindow>,
    /// Limits of every wait.
    pub limits: Limits,
}

/// What the driver tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Every node is ready.
    ClusterReady,
    /// Destinations are there.
    Prepared,
    /// Consumers have their positions, producers are connected.
    ClientsReady,
    /// Answer to [`Action::AskRecovered`]: nothing when whole, else what is missing.
    Recovered {
        /// What is still missing.
        waiting_for: Option<String>,
    },
    /// Every send has its outcome.
    Flushed,
    /// Every destination has its sentinel.
    SentinelsWritten,
    /// Every group that still has a member has read past the sentinels.
    Drained,
    /// The audit ended.
    Audited,
    /// A worker ended without being told to.
    WorkerDied {
        /// What it did.
        role: Role,
        /// Who, and how it ended.
        what: String,
    },
    /// A node ended by itself, did not come up, or a fault could not be injected.
    Trouble(String),
    /// The history cannot be written.
    HistoryLost(String),
    /// Ctrl-C.
    Interrupt,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A phase begins.
    EnterPhase(Phase),
    /// Start the nodes.
    StartCluster,
    /// Make the destinations.
    Prepare,
    /// Start consumers and producers.
    StartClients,
    /// Producers send from now on.
    StartLoad,
    /// Inject fault `i` of the schedule.
    StartFault(usize),
    /// Read the counters of fault `i`.
    SampleEvidence(usize),
    /// Take fault `i` back.
    HealFault(usize),
    /// Producers send nothing new.
    StopLoad,
    /// Ask whether the cluster is whole.
    AskRecovered,
    /// Wait for outcomes, then purge.
    Flush,
    /// Write the sentinels.
    WriteSentinels,
    /// Wait for every group to have read past them.
    WatchDrain,
    /// Read everything that is stored.
    StartAudit,
    /// The run is over.
    Finish(RunEnd),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every phase ended.
    Finished,
    /// A limit ran out or something died by itself: what was recorded can be judged.
    CutShort(String),
    /// It never got as far as a load, or its history is gone: nothing to judge.
    CouldNotRun(String),
    /// The second Ctrl-C.
    Stopped,
}

/// What the machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Starting,
    Preparing,
    Connecting,
    Loading,
    Recovering,
    Flushing,
    Sentinels,
    Draining,
    Auditing,
    Over,
}

/// The state of a run.
#[derive(Debug)]
pub struct RunMachine {
    plan: MachinePlan,
    stage: Stage,
    stage_began_ns: u64,
    load_began_ns: u64,
    next_fault: usize,
    on: Vec<usize>,
    next_sample_ns: u64,
    next_question_ns: u64,
    question_open: bool,
    waiting_for: String,
    interrupts: u32,
}

impl RunMachine {
    /// A run that has not begun.
    pub fn new(plan: MachinePlan) -> Self {
        Self {
            plan,
            stage: Stage::Idle,
            stage_began_ns: 0,
            load_began_ns: 0,
            next_fault: 0,
            on: Vec::new(),
            next_sample_ns: 0,
            next_question_ns: 0,
            question_open: false,
            waiting_for: String::from("an answer of the cluster"),
            interrupts: 0,
        }
    }

    /// Takes in what happened, and says what to do now.
    pub fn step(&mut self, now_ns: u64, inputs: &[Input]) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.stage == Stage::Idle {
            actions.extend([Action::EnterPhase(Phase::Start), Action::StartCluster]);
            self.enter(Stage::Starting, now_ns);
        }
        for input in inputs {
            self.take(now_ns, input, &mut actions);
        }
        match self.stage {
            Stage::Loading => self.step_load(now_ns, &mut actions),
            Stage::Recovering => self.step_recovery(now_ns, &mut actions),
            _ => {}
        }
        self.check_limit(now_ns, &mut actions);
        actions
    }

    fn enter(&mut self, stage: Stage, now_ns: u64) {
        self.stage = stage;
        self.stage_began_ns = now_ns;
    }

    fn take(&mut self, now_ns: u64, input: &Input, actions: &mut Vec<Action>) {
        match (input, self.stage) {
            (_, Stage::Over) => {}
            (Input::ClusterReady, Stage::Starting) => self.go(Stage::Preparing, now_ns, Action::Prepare, actions),
            (Input::Prepared, Stage::Preparing) => self.go(Stage::Connecting, now_ns, Action::StartClients, actions),
            (Input::ClientsReady, Stage::Connecting) => {
                self.load_began_ns = now_ns;
                actions.push(Action::EnterPhase(Phase::Baseline));
                self.go(Stage::Loading, now_ns, Action::StartLoad, actions);
            }
            (Input::Recovered { waiting_for }, Stage::Recovering) => self.recovered(now_ns, waiting_for, actions),
            (Input::Flushed, Stage::Flushing) => self.go(Stage::Sentinels, now_ns, Action::WriteSentinels, actions),
            (Input::SentinelsWritten, Stage::Sentinels) => {
                self.go(Stage::Draining, now_ns, Action::WatchDrain, actions);
            }
            (Input::Drained, Stage::Draining) => {
                actions.push(Action::EnterPhase(Phase::Audit));
                self.go(Stage::Auditing, now_ns, Action::StartAudit, actions);
            }
            (Input::Audited, Stage::Auditing) => self.finish(RunEnd::Finished, actions),
            (Input::WorkerDied { role, what }, _) => self.worker_died(*role, what, actions),
            (Input::Trouble(what), _) => self.give_up(what.clone(), actions),
            (Input::HistoryLost(what), _) => self.finish(RunEnd::CouldNotRun(what.clone()), actions),
            (Input::Interrupt, _) => self.interrupt(now_ns, actions),
            // A late answer to a question of a stage that is over.
            _ => {}
        }
    }

    fn go(&mut self, stage: Stage, now_ns: u64, action: Action, actions: &mut Vec<Action>) {
        self.enter(stage, now_ns);
        actions.push(action);
    }

    fn step_load(&mut self, now_ns: u64, actions: &mut Vec<Action>) {
        let elapsed_ms = now_ns.saturating_sub(self.load_began_ns) / 1_000_000;
        let (over, on): (Vec<usize>, Vec<usize>) = self.on.iter().partition(|fault| {
            let window = self.plan.faults[**fault];
            elapsed_ms >= window.start_ms + window.duration_ms
        });
        let was_on = !self.on.is_empty();
        self.on = on;
        over.into_iter().for_each(|fault| heal(fault, actions));
        if was_on && self.on.is_empty() {
            actions.push(Action::EnterPhase(Phase::Heal));
        }
        if now_ns >= self.next_sample_ns {
            actions.extend(self.on.iter().map(|fault| Action::SampleEvidence(*fault)));
            self.next_sample_ns = now_ns + EVIDENCE_INTERVAL_MS * 1_000_000;
        }
        while self.plan.faults.get(self.next_fault).is_some_and(|window| elapsed_ms >= window.start_ms) {
            if self.on.is_empty() {
                actions.push(Action::EnterPhase(Phase::Fault));
                self.next_sample_ns = now_ns + EVIDENCE_INTERVAL_MS * 1_000_000;
            }
            actions.push(Action::StartFault(self.next_fault));
            self.on.push(self.next_fault);
            self.next_fault += 1;
        }
        if elapsed_ms >= self.plan.load_ms {
            self.stop_load(now_ns, actions);
        }
    }

    fn stop_load(&mut self, now_ns: u64, actions: &mut Vec<Action>) {
        std::mem::take(&mut self.on).into_iter().for_each(|fault| heal(fault, actions));
        actions.extend([Action::StopLoad, Action::EnterPhase(Phase::Recover)]);
        self.enter(Stage::Recovering, now_ns);
        self.next_question_ns = now_ns;
    }

    fn step_recovery(&mut self, now_ns: u64, actions: &mut Vec<Action>) {
        if !self.question_open && now_ns >= self.next_question_ns {
            self.question_open = true;
            actions.push(Action::AskRecovered);
        }
    }

    fn recovered(&mut self, now_ns: u64, waiting_for: &Option<String>, actions: &mut Vec<Action>) {
        self.question_open = false;
        self.next_question_ns = now_ns + RECOVERY_INTERVAL_MS * 1_000_000;
        match waiting_for {
            Some(missing) => self.waiting_for.clone_from(missing),
            None => {
                actions.push(Action::EnterPhase(Phase::Drain));
                self.go(Stage::Flushing, now_ns, Action::Flush, actions);
            }
        }
    }

    fn worker_died(&mut self, role: Role, what: &str, actions: &mut Vec<Action>) {
        match role {
            // A crashed client is what a run may meet; its messages are unknown or undelivered.
            Role::Producer | Role::Consumer if self.stage >= Stage::Loading => {}
            _ => self.give_up(what.to_owned(), actions),
        }
    }

    fn interrupt(&mut self, now_ns: u64, actions: &mut Vec<Action>) {
        self.interrupts += 1;
        if self.interrupts > 1 {
            self.finish(RunEnd::Stopped, actions);
        } else if self.stage == Stage::Loading {
            self.stop_load(now_ns, actions);
        } else if self.stage < Stage::Loading {
            self.finish(RunEnd::Stopped, actions);
        }
    }

    fn give_up(&mut self, reason: String, actions: &mut Vec<Action>) {
        let end = if self.stage < Stage::Loading { RunEnd::CouldNotRun(reason) } else { RunEnd::CutShort(reason) };
        self.finish(end, actions);
    }

    fn finish(&mut self, end: RunEnd, actions: &mut Vec<Action>) {
        if self.stage == Stage::Over {
            return;
        }
        actions.extend(std::mem::take(&mut self.on).into_iter().map(Action::HealFault));
        self.stage = Stage::Over;
        actions.push(Action::Finish(end));
    }

    fn check_limit(&mut self, now_ns: u64, actions: &mut Vec<Action>) {
        let Some((limit_ms, what)) = self.limit() else { return };
        if now_ns.saturating_sub(self.stage_began_ns) / 1_000_000 >= limit_ms {
            let reason = format!("{what} within {} s", limit_ms / 1_000);
            let reason = match self.stage {
                Stage::Recovering => format!("{reason}: still waiting for {}", self.waiting_for),
                _ => reason,
            };
            self.give_up(reason, actions);
        }
    }

    fn limit(&self) -> Option<(u64, &'static str)> {
        let limits = &self.plan.limits;
        match self.stage {
            Stage::Starting => Some((limits.start_ms, "not started: the nodes were not ready")),
            Stage::Preparing => Some((limits.prepare_ms, "not started: the destinations were not ready")),
            Stage::Connecting => Some((limits.clients_ms, "not started: not every consumer had its position")),
            Stage::Recovering => Some((limits.recover_ms, "not recovered")),
            // The flush purges by itself at its limit; the rest is slack for workers to answer.
            Stage::Flushing => Some((limits.flush_ms * 2, "not drained: producers did not flush")),
            Stage::Sentinels => Some((limits.sentinels_ms, "not recovered: not every destination took its sentinel")),
            Stage::Draining => Some((limits.drain_ms, "not drained: not every group read past the sentinels")),
            Stage::Auditing => Some((limits.audit_ms, "not audited: not everything stored could be read")),
            Stage::Idle | Stage::Loading | Stage::Over => None,
        }
    }
}

fn heal(fault: usize, actions: &mut Vec<Action>) {
    actions.extend([Action::SampleEvidence(fault), Action::HealFault(fault)]);
}

impl PartialOrd for Stage {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        start_ms: 10_000,
        prepare_ms: 10_000,
        clients_ms: 10_000,
        recover_ms: 10_000,
        flush_ms: 5_000,
        sentinels_ms: 10_000,
        drain_ms: 10_000,
        audit_ms: 10_000,
        transactions_ms: None,
    };
    const MS: u64 = 1_000_000;

    fn machine() -> RunMachine {
        let faults = vec![FaultWindow { start_ms: 1_000, duration_ms: 500 }];
        RunMachine::new(MachinePlan { load_ms: 2_000, faults, limits: LIMITS })
    }

    /// A machine that has just begun its load, at time 0.
    fn loading() -> RunMachine {
        let mut machine = machine();
        machine.step(0, &[]);
        let actions = machine.step(0, &[Input::ClusterReady, Input::Prepared, Input::ClientsReady]);
        assert_eq!(actions.last(), Some(&Action::StartLoad));
        machine
    }

    /// Steps every 50 ms until `until_ms`; the actions with their times.
    fn run_until(machine: &mut RunMachine, from_ms: u64, until_ms: u64) -> Vec<(u64, Action)> {
        let mut taken = Vec::new();
        for now_ms in (from_ms..=until_ms).step_by(50) {
            taken.extend(machine.step(now_ms * MS, &[]).into_iter().map(|action| (now_ms, action)));
        }
        taken
    }

    #[test]
    fn a_run_goes_through_every_phase_in_order() {
        let mut machine = loading();
        let mut actions = run_until(&mut machine, 0, 2_050);
        for input in [
            Input::Recovered { waiting_for: None },
            Input::Flushed,
            Input::SentinelsWritten,
            Input::Drained,
            Input::Audited,
        ] {
            actions.extend(machine.step(2_100 * MS, &[input]).into_iter().map(|action| (2_100, action)));
        }
        let without_samples: Vec<_> =
            actions.iter().filter(|(_, action)| !matches!(action, Action::SampleEvidence(_))).cloned().collect();
        assert_eq!(
            without_samples,
            [
                (1_000, Action::EnterPhase(Phase::Fault)),
                (1_000, Action::StartFault(0)),
                (1_500, Action::HealFault(0)),
                (1_500, Action::EnterPhase(Phase::Heal)),
                (2_000, Action::StopLoad),
                (2_000, Action::EnterPhase(Phase::Recover)),
                (2_050, Action::AskRecovered),
                (2_100, Action::EnterPhase(Phase::Drain)),
                (2_100, Action::Flush),
                (2_100, Action::WriteSentinels),
                (2_100, Action::WatchDrain),
                (2_100, Action::EnterPhase(Phase::Audit)),
                (2_100, Action::StartAudit),
                (2_100, Action::Finish(RunEnd::Finished)),
            ]
        );
        let samples = actions.iter().filter(|(_, action)| matches!(action, Action::SampleEvidence(0))).count();
        assert_eq!(samples, 5, "four while the fault is on, one before it is taken back");
    }

    #[test]
    fn faults_that_overlap_are_one_phase() {
        let faults = vec![
            FaultWindow { start_ms: 100, duration_ms: 500 },
            FaultWindow { start_ms: 300, duration_ms: 600 },
            FaultWindow { start_ms: 1_000, duration_ms: 100 },
        ];
        let mut machine = RunMachine::new(MachinePlan { load_ms: 1_500, faults, limits: LIMITS });
        machine.step(0, &[]);
        machine.step(0, &[Input::ClusterReady, Input::Prepared, Input::ClientsReady]);
        let mut actions = run_until(&mut machine, 0, 1_200);
        actions.retain(|(_, action)| !matches!(action, Action::SampleEvidence(_)));
        assert_eq!(
            actions,
            [
                (100, Action::EnterPhase(Phase::Fault)),
                (100, Action::StartFault(0)),
                (300, Action::StartFault(1)),
                (600, Action::HealFault(0)),
                (900, Action::HealFault(1)),
                (900, Action::EnterPhase(Phase::Heal)),
                (1_000, Action::EnterPhase(Phase::Fault)),
                (1_000, Action::StartFault(2)),
                (1_100, Action::HealFault(2)),
                (1_100, Action::EnterPhase(Phase::Heal)),
            ]
        );
    }

    #[test]
    fn no_recovery_is_said_in_words() {
        let mut machine = loading();
        run_until(&mut machine, 0, 2_000);
        machine.step(2_100 * MS, &[Input::Recovered { waiting_for: Some(String::from("n2 in the ISR")) }]);
        let end = machine.step(12_100 * MS, &[]);
        let reason = String::from("not recovered within 10 s: still waiting for n2 in the ISR");
        assert!(end.contains(&Action::Finish(RunEnd::CutShort(reason))), "{end:?}");
    }

    #[test]
    fn the_first_interrupt_heals_and_drains_and_the_second_stops() {
        let mut machine = loading();
        run_until(&mut machine, 0, 1_200);
        let first = machine.step(1_250 * MS, &[Input::Interrupt]);
        assert_eq!(first[1..4], [Action::HealFault(0), Action::StopLoad, Action::EnterPhase(Phase::Recover)]);
        let second = machine.step(1_300 * MS, &[Input::Interrupt]);
        assert_eq!(second, [Action::Finish(RunEnd::Stopped)]);
        assert_eq!(machine.step(1_400 * MS, &[Input::Interrupt]), []);
    }

    #[test]
    fn a_crashed_client_is_met_and_a_crashed_auditor_ends_the_run() {
        let died = |role| Input::WorkerDied { role, what: String::from("it died") };
        let mut machine = loading();
        assert_eq!(machine.step(MS, &[died(Role::Consumer), died(Role::Producer)]), []);
        let end = machine.step(MS, &[died(Role::Observer)]);
        assert_eq!(end, [Action::Finish(RunEnd::CutShort(String::from("it died")))]);
    }

    #[test]
    fn trouble_before_the_load_leaves_nothing_to_judge() {
        let mut machine = machine();
        machine.step(0, &[]);
        let end = machine.step(0, &[Input::Trouble(String::from("n1 died"))]);
        assert_eq!(end, [Action::Finish(RunEnd::CouldNotRun(String::from("n1 died")))]);
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::ClusterReady),
            Just(Input::Prepared),
            Just(Input::ClientsReady),
            Just(Input::Recovered { waiting_for: None }),
            Just(Input::Recovered { waiting_for: Some(String::from("n1")) }),
            Just(Input::Flushed),
            Just(Input::SentinelsWritten),
            Just(Input::Drained),
            Just(Input::Audited),
            Just(Input::WorkerDied { role: Role::Consumer, what: String::new() }),
            Just(Input::Trouble(String::new())),
            Just(Input::Interrupt),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: every fault that started is taken back before the end,
        /// the end comes once, and it always comes.
        #[test]
        fn every_run_heals_and_ends(inputs in proptest::collection::vec((any_input(), 0u64..400), 0..60)) {
            let faults = vec![
                FaultWindow { start_ms: 1_000, duration_ms: 500 },
                FaultWindow { start_ms: 1_200, duration_ms: 600 },
            ];
            let mut machine = RunMachine::new(MachinePlan { load_ms: 2_000, faults, limits: LIMITS });
            let mut actions = machine.step(0, &[]);
            let mut now_ms = 0;
            for (input, pause_ms) in inputs {
                now_ms += pause_ms;
                actions.extend(machine.step(now_ms * MS, &[input]));
            }
            for _ in 0..200 {
                now_ms += 500;
                actions.extend(machine.step(now_ms * MS, &[]));
            }
            let mut on = BTreeSet::new();
            let mut ends = 0;
            for action in &actions {
                match action {
                    Action::StartFault(fault) => prop_assert!(on.insert(*fault)),
                    Action::HealFault(fault) => prop_assert!(on.remove(fault)),
                    Action::Finish(_) => { prop_assert!(on.is_empty()); ends += 1; }
                    _ => {}
                }
            }
            prop_assert_eq!(ends, 1);
        }
    }
}
