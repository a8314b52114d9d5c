//! `restart`: nodes are asked to end and started again at once, one after the other, as when they are upgraded

use std::collections::{BTreeMap, VecDeque};

use delivery_broker::Observation;
use delivery_cluster::processes::{Blow, Whose};
use delivery_history::event::ProcessState;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses};
use crate::process::{CONTROLLER, COORDINATOR, FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// Every node in its turn.
const ROLLING: Shape = Shape {
    name: "rolling",
    about: "every node in its turn, the next once every member and every in-sync replica is back (within the fault's time)",
};
/// Time for a cluster of three on a small machine, milliseconds.
const ROLLING_MS: u64 = 60_000;
/// Looks (ten a second) after which who was asked to end is killed.
const END_LOOKS: u32 = 200;

/// `restart`.
pub struct Restart;

impl FaultKind for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn about(&self) -> &'static str {
        "nodes are asked to end (SIGTERM) and started again as soon as they have, one after the other"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[ROLLING, LEADER, FOLLOWER, CONTROLLER, COORDINATOR]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn takes_ms(&self, shape: &str) -> Option<u64> {
        (shape == ROLLING.name).then_some(ROLLING_MS)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let rolls = planned.shape == ROLLING.name;
        // Not all at once, but all of them.
        let shape = String::from(if rolls { "all" } else { planned.shape.as_str() });
        let resolved = resolve(&Fault { shape, ..planned.clone() }, view, BiteProof::ProcessRestarted)?;
        Ok(Resolved { sides: Vec::new(), members: view.nodes.clone(), in_sync: view.last_in_sync.clone(), ..resolved })
    }

    fn resolve_again(&self, recorded: &Fault, view: &ClusterView) -> Resolved {
        Resolved {
            targets: recorded.targets.clone(),
            bites_by: recorded.bites_by,
            members: view.nodes.clone(),
            in_sync: view.last_in_sync.clone(),
            ..Resolved::default()
        }
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let whole = Whole { members: resolved.members.clone(), in_sync: resolved.in_sync.clone(), ..Whole::default() };
        let targets = resolved.targets.clone();
        let mut guard = RestartGuard { processes, left: targets.clone().into(), targets, turn: Turn::None, whole };
        guard.next()?;
        Ok(Box::new(guard))
    }
}

/// How far the restart of one node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    None,
    /// It was asked to end so many looks ago.
    Ending(u32, u32),
    /// It was started again.
    Returning,
}

struct RestartGuard {
    processes: SharedProcesses,
    targets: Vec<u32>,
    /// Whose turn is still to come.
    left: VecDeque<u32>,
    turn: Turn,
    whole: Whole,
}

impl RestartGuard {
    fn next(&mut self) -> Result<(), FaultError> {
        self.turn = Turn::None;
        if let Some(node) = self.left.pop_front() {
            self.processes.borrow_mut().strike(Whose::Node(node), Blow::Terminate)?;
            self.turn = Turn::Ending(node, 0);
        }
        Ok(())
    }

    fn start_again(&mut self, node: u32) -> Result<(), FaultError> {
        self.processes.borrow_mut().start_again(Whose::Node(node))?;
        // Only what is said from now on shows that it is back.
        self.whole.forget();
        self.turn = Turn::Returning;
        Ok(())
    }

    fn go_on(&mut self, states: &[(u32, ProcessState)]) -> Result<(), FaultError> {
        match self.turn {
            Turn::None => Ok(()),
            Turn::Ending(node, looks) => {
                let ended = states.contains(&(node, ProcessState::Gone));
                if ended || looks >= END_LOOKS {
                    return self.start_again(node);
                }
                self.turn = Turn::Ending(node, looks + 1);
                Ok(())
            }
            Turn::Returning if self.whole.is_whole() => self.next(),
            Turn::Returning => Ok(()),
        }
    }
}

impl FaultGuard for RestartGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let states: Vec<(u32, ProcessState)> = {
            let mut processes = self.processes.borrow_mut();
            self.targets.iter().map(|node| (*node, processes.state(Whose::Node(*node)))).collect()
        };
        self.go_on(&states)?;
        Ok(states.into_iter().map(|(node, state)| Evidence::Process(Whose::Node(node), state)).collect())
    }

    fn see(&mut self, observation: &Observation) {
        self.whole.see(observation);
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.left.clear();
        match self.turn {
            Turn::Ending(node, _) => self.start_again(node),
            Turn::None | Turn::Returning => Ok(()),
        }
    }
}

/// Whether the cluster is whole, by what its nodes said since a node was started again.
#[derive(Debug, Default)]
struct Whole {
    members: Vec<u32>,
    /// What was in sync before, by destination, as node bits.
    in_sync: BTreeMap<u16, u32>,
    /// Members, by who told of them.
    told_members: BTreeMap<u32, u32>,
    /// In-sync sets, by destination and who told of them.
    told_in_sync: BTreeMap<(u16, u32), u32>,
}

impl Whole {
    fn forget(&mut self) {
        self.told_members.clear();
        self.told_in_sync.clear();
    }

    fn see(&mut self, observation: &Observation) {
        match *observation {
            Observation::Members { node, members_bits } => drop(self.told_members.insert(node, members_bits)),
            Observation::Isr { node, destination, isr_bits } => {
                self.told_in_sync.insert((destination, node), isr_bits);
            }
            _ => {}
        }
    }

    fn is_whole(&self) -> bool {
        let all = self.members.iter().fold(0, |bits, node| bits | 1_u32 << node);
        let sees_all = |node: &u32| self.told_members.get(node).is_some_and(|bits| bits & all == all);
        let is_in_sync = |(destination, wanted): (&u16, &u32)| {
            let mut told = self.told_in_sync.range((*destination, 0)..=(*destination, u32::MAX)).peekable();
            told.peek().is_some() && told.all(|(_, bits)| bits & wanted == *wanted)
        };
        self.members.iter().all(sees_all) && self.in_sync.iter().all(is_in_sync)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use delivery_cluster::network::Counters;

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::process::tests::Crew;

    fn ground(crew: &Rc<RefCell<Crew>>) -> Ground {
        Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 }
    }

    /// Three nodes with one queue that is in sync on all of them, of which every node is to be restarted.
    fn rolling() -> Resolved {
        let members = vec![1, 2, 3];
        Resolved { targets: members.clone(), members, in_sync: BTreeMap::from([(0, 0b1110)]), ..Resolved::default() }
    }

    fn tell(guard: &mut dyn FaultGuard, in_sync: u32) {
        for node in 1..=3 {
            guard.see(&Observation::Members { node, members_bits: 0b1110 });
            guard.see(&Observation::Isr { node, destination: 0, isr_bits: in_sync });
        }
    }

    #[test]
    fn the_next_node_ends_only_once_everything_is_back_that_was_there() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let mut guard = Restart.start(&rolling(), &ground(&crew)).unwrap();
        let done = || crew.borrow().done.clone();
        tell(guard.as_mut(), 0b1110);
        guard.evidence().unwrap();
        assert_eq!(done(), ["Terminate Node(1)", "Start Node(1)"]);
        guard.evidence().unwrap();
        assert_eq!(done().len(), 2, "what was said before it came back does not count");
        tell(guard.as_mut(), 0b1100);
        guard.evidence().unwrap();
        assert_eq!(done().len(), 2, "its replica is not in sync");
        tell(guard.as_mut(), 0b1110);
        guard.see(&Observation::Members { node: 3, members_bits: 0b1100 });
        guard.evidence().unwrap();
        assert_eq!(done().len(), 2, "n3 does not see it");
        for _ in 0..3 {
            tell(guard.as_mut(), 0b1110);
            guard.evidence().unwrap();
            guard.evidence().unwrap();
        }
        let turn = |node: u32| [format!("Terminate Node({node})"), format!("Start Node({node})")];
        assert_eq!(done(), [turn(1), turn(2), turn(3)].concat());
        guard.heal().unwrap();
        assert_eq!(done().len(), 6);
    }

    #[test]
    fn who_has_ended_when_the_time_is_over_is_started_again_and_nobody_else_ends() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let mut guard = Restart.start(&rolling(), &ground(&crew)).unwrap();
        guard.heal().unwrap();
        tell(guard.as_mut(), 0b1110);
        guard.evidence().unwrap();
        assert_eq!(crew.borrow().done, ["Terminate Node(1)", "Start Node(1)"]);
    }

    #[test]
    fn all_nodes_have_their_turn_or_the_one_that_holds_the_role() {
        let mut view = ClusterView::new(vec![1, 2, 3], Vec::new(), false);
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 1 });
        view.see(&Observation::Isr { node: 1, destination: 0, isr_bits: 0b1110 });
        let planned = |shape: &str| {
            let request = crate::request::FaultRequest::parse(&format!("restart:{shape}")).unwrap();
            let defaults = crate::schedule::Defaults {
                baseline_ms: 1,
                after_heal_ms: 1,
                detection_ms: 11_000,
                session_timeout_ms: 1,
            };
            crate::schedule::plan_load(&[request], None, defaults).unwrap().faults.remove(0)
        };
        let resolved = Restart.resolve(&planned("rolling"), &view).unwrap();
        assert_eq!((resolved.targets, resolved.in_sync), (vec![1, 2, 3], BTreeMap::from([(0, 0b1110)])));
        assert_eq!(Restart.resolve(&planned("leader"), &view).unwrap().targets, [2]);
        assert_eq!((planned("rolling").duration_ms, planned("leader").duration_ms), (60_000, 15_000));
    }
}
