//! Faults of processes: whom each shape hits, and the guard that looks at them and takes the fault back.

use delivery_cluster::processes::{Blow, Dropped, Whose};
use delivery_history::manifest::{BiteProof, Fault, Role};

use crate::kind::{Evidence, FaultError, FaultGuard, Ground, Resolved, Shape, SharedProcesses};
use crate::view::ClusterView;

/// The node that leads the lanes.
pub(crate) const LEADER: Shape = Shape { name: "leader", about: "the node that leads the lanes" };
/// A node that holds a replica and leads nothing.
pub(crate) const FOLLOWER: Shape = Shape {
    name: "follower",
    about: "one node that does not lead the lanes, and is not their controller if it can be",
};
/// Every node but the leader.
pub(crate) const FOLLOWERS: Shape =
    Shape { name: "followers", about: "every node that does not lead the lanes, all at once" };
/// More than half of the nodes.
pub(crate) const MAJORITY: Shape =
    Shape { name: "majority", about: "the node that leads the lanes and as many others as make more than half" };
/// Every node.
pub(crate) const ALL: Shape = Shape { name: "all", about: "every node at once" };
/// The active controller.
pub(crate) const CONTROLLER: Shape = Shape { name: "controller", about: "the active controller (Kafka)" };
/// Who coordinates the groups.
pub(crate) const COORDINATOR: Shape =
    Shape { name: "coordinator", about: "the node that coordinates most of the lanes' groups (Kafka)" };
/// One producer a lane.
pub(crate) const PRODUCER: Shape = Shape { name: "producer", about: "one producer of every lane, each in its turn" };
/// One consumer a lane.
pub(crate) const CONSUMER: Shape = Shape {
    name: "consumer",
    about: "one consumer of every lane, each in its turn: `*3` rolls through a group of three",
};

/// The role of the clients a shape hits; nothing for those that hit nodes.
pub(crate) fn clients_hit(shape: &str) -> Option<Role> {
    match shape {
        "producer" => Some(Role::Producer),
        "consumer" => Some(Role::Consumer),
        _ => None,
    }
}

/// Whom a process fault hits: nodes by the role they hold now, clients as they were planned.
///
/// # Errors
/// When nobody holds the role.
pub(crate) fn resolve(planned: &Fault, view: &ClusterView, bites_by: BiteProof) -> Result<Resolved, FaultError> {
    let nobody = |reason: &str| FaultError::NoTarget {
        fault: format!("{}:{}", planned.fault, planned.shape),
        reason: reason.to_owned(),
    };
    if clients_hit(&planned.shape).is_some() {
        if planned.workers.is_empty() {
            return Err(nobody("no lane has such a client"));
        }
        return Ok(Resolved { clients: planned.workers.clone(), bites_by, ..Resolved::default() });
    }
    let leader = || view.lane_leader().ok_or_else(|| nobody("no node was seen to lead the lanes"));
    let targets = match planned.shape.as_str() {
        "all" => view.nodes.clone(),
        "controller" => vec![view.controller().ok_or_else(|| nobody("no node was seen to be the controller"))?],
        "coordinator" => {
            vec![view.coordinator().ok_or_else(|| nobody("no node was seen to coordinate the lanes' groups"))?]
        }
        "follower" => vec![view.follower().ok_or_else(|| nobody("no node was seen to follow a leader"))?],
        "followers" => {
            let leader = leader()?;
            view.nodes.iter().copied().filter(|node| *node != leader).collect()
        }
        "majority" => {
            let leader = leader()?;
            let others = view.nodes.iter().copied().filter(|node| *node != leader);
            std::iter::once(leader).chain(others).take(view.nodes.len() / 2 + 1).collect()
        }
        _ => vec![leader()?],
    };
    let left: Vec<u32> = view.nodes.iter().copied().filter(|node| !targets.contains(node)).collect();
    // Whether those that are left take writes is what the label can say of it.
    let sides = if left.is_empty() { Vec::new() } else { vec![left] };
    Ok(Resolved { targets, sides, bites_by, ..Resolved::default() })
}

/// How a blow is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenBack {
    /// What ended is started again.
    ByStart,
    /// What stands still goes on.
    ByContinue,
}

/// Strikes everybody.
///
/// # Errors
/// When one of them does not run, or this backend has no processes.
pub(crate) fn strike(
    resolved: &Resolved,
    ground: &Ground,
    blow: Blow,
    taken_back: TakenBack,
) -> Result<Box<dyn FaultGuard>, FaultError> {
    let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
    let nodes = resolved.targets.iter().map(|node| Whose::Node(*node));
    let struck: Vec<Whose> = nodes.chain(resolved.clients.iter().map(|worker| Whose::Client(*worker))).collect();
    let mut guard = StruckGuard { processes, struck: Vec::with_capacity(struck.len()), lost: Vec::new(), taken_back };
    for whose in struck {
        let mut processes = guard.processes.borrow_mut();
        let lost_before = processes.dropped(whose).filter(|_| blow == Blow::PowerLoss);
        processes.strike(whose, blow)?;
        guard.struck.push(whose);
        if let (Whose::Node(node), Some(before)) = (whose, lost_before) {
            guard.lost.push((node, before));
        }
    }
    Ok(Box::new(guard))
}

struct StruckGuard {
    processes: SharedProcesses,
    /// Whom it still holds down.
    struck: Vec<Whose>,
    /// Nodes that lost what they had not synced, with what they had lost before.
    lost: Vec<(u32, Dropped)>,
    taken_back: TakenBack,
}

impl FaultGuard for StruckGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let mut processes = self.processes.borrow_mut();
        let states = self.struck.iter().map(|whose| Evidence::Process(*whose, processes.state(*whose)));
        let mut seen: Vec<Evidence> = states.collect();
        for (node, before) in &self.lost {
            let now = processes.dropped(Whose::Node(*node)).unwrap_or_default();
            let lost = Dropped { writes: now.writes - before.writes, bytes: now.bytes - before.bytes };
            seen.push(Evidence::Lost(*node, lost));
        }
        Ok(seen)
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        let mut processes = self.processes.borrow_mut();
        for whose in std::mem::take(&mut self.struck) {
            match self.taken_back {
                TakenBack::ByStart => processes.start_again(whose)?,
                TakenBack::ByContinue => processes.strike(whose, Blow::Continue)?,
            }
        }
        Ok(())
    }
}

impl Drop for StruckGuard {
    fn drop(&mut self) {
        // What stands still must not do so for ever. What was killed stays down: a run that ends here starts nothing.
        if self.taken_back == TakenBack::ByContinue {
            let _ = self.heal();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use delivery_broker::Observation;
    use delivery_cluster::machines::Machines;
    use delivery_cluster::machines::Setting;
    use delivery_cluster::network::Counters;
    use delivery_cluster::processes::{ProcessError, Processes};
    use delivery_history::event::ProcessState;

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::kind::{FaultKind, find_fault};
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};

    /// Writes down what is done to it; everybody runs until struck.
    #[derive(Default)]
    pub(crate) struct Crew {
        pub(crate) done: Vec<String>,
        down: Vec<(Whose, ProcessState)>,
        lost: Dropped,
        pub(crate) free_bytes: u64,
        held: u64,
    }

    impl Processes for Crew {
        fn strike(&mut self, whose: Whose, blow: Blow) -> Result<(), ProcessError> {
            self.done.push(format!("{blow:?} {whose:?}"));
            self.down.retain(|(other, _)| *other != whose);
            if blow == Blow::PowerLoss {
                self.lost.writes += 7;
                self.lost.bytes += 4_097;
            }
            match blow {
                Blow::Kill | Blow::Terminate | Blow::PowerLoss => self.down.push((whose, ProcessState::Gone)),
                Blow::Stop => self.down.push((whose, ProcessState::Stopped)),
                Blow::Continue => {}
            }
            Ok(())
        }
        fn start_again(&mut self, whose: Whose) -> Result<(), ProcessError> {
            self.done.push(format!("Start {whose:?}"));
            self.down.retain(|(other, _)| *other != whose);
            Ok(())
        }
        fn machines(&mut self) -> Option<&mut dyn Machines> {
            Some(self)
        }
        fn dropped(&mut self, _whose: Whose) -> Option<Dropped> {
            Some(self.lost)
        }
        fn state(&mut self, whose: Whose) -> ProcessState {
            let down = self.down.iter().find(|(other, _)| *other == whose);
            down.map_or(ProcessState::Running, |(_, state)| *state)
        }
    }

    impl Machines for Crew {
        fn fill_disk(&mut self, node: u32) -> Result<(), ProcessError> {
            self.done.push(format!("Fill {node}"));
            self.free_bytes = 0;
            Ok(())
        }
        fn free_disk(&mut self, node: u32) {
            self.done.push(format!("Free {node}"));
        }
        fn free_bytes(&mut self, _node: u32) -> Option<u64> {
            Some(self.free_bytes)
        }
        fn slow_disk(&mut self, node: u32, by_ms: u32, jitter_ms: u32) -> Result<(), ProcessError> {
            self.done.push(format!("Slow {node} by {by_ms}~{jitter_ms}"));
            Ok(())
        }
        fn set_clock(&mut self, node: u32, setting: Setting) -> Result<(), ProcessError> {
            self.done.push(format!("Clock {node} {setting:?}"));
            Ok(())
        }
        fn held_up(&mut self, _node: u32) -> Option<u64> {
            self.held += 3;
            Some(self.held)
        }
    }

    fn view() -> ClusterView {
        let mut view = ClusterView::new(vec![1, 2, 3], vec![101, 102], false);
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 3 });
        view.see(&Observation::Controller { node: 1, controller: Some(1), epoch: 5 });
        view.see(&Observation::Coordinator { node: 1, group: 0, coordinator: Some(3) });
        view
    }

    fn planned(text: &str) -> Fault {
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        plan_load(&FaultRequest::parse_list(text).unwrap(), None, defaults).unwrap().faults.remove(0)
    }

    fn resolved(text: &str) -> Resolved {
        let planned = planned(text);
        find_fault(&planned.fault).unwrap().resolve(&planned, &view()).unwrap()
    }

    #[test]
    fn each_shape_hits_who_holds_the_role_now() {
        let hit = |shape: &str| resolved(&format!("kill:{shape}")).targets;
        assert_eq!(hit("leader"), [2]);
        assert_eq!(hit("follower"), [3], "n1 is the controller");
        assert_eq!(hit("followers"), [1, 3]);
        assert_eq!(hit("majority"), [2, 1]);
        assert_eq!(hit("all"), [1, 2, 3]);
        assert_eq!(hit("controller"), [1]);
        assert_eq!(hit("coordinator"), [3]);
        assert_eq!(resolved("kill:leader").sides, [vec![1, 3]]);
        assert!(resolved("kill:all").sides.is_empty());
    }

    #[test]
    fn clients_are_hit_as_planned() {
        let mut planned = planned("kill:consumer");
        let kind = find_fault("kill").unwrap();
        assert!(kind.resolve(&planned, &view()).is_err(), "a lane without consumers has nobody to hit");
        planned.workers = vec![7, 9];
        let resolved = kind.resolve(&planned, &view()).unwrap();
        assert_eq!((resolved.clients, resolved.targets.len()), (vec![7, 9], 0));
    }

    fn goes_through(text: &str, heal: bool) -> (Vec<Evidence>, Vec<String>) {
        let lost = Dropped { writes: 3, bytes: 30 };
        let crew = Rc::new(RefCell::new(Crew { lost, ..Crew::default() }));
        let ground = Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 };
        let mut guard = find_fault(&planned(text).fault).unwrap().start(&resolved(text), &ground).unwrap();
        let evidence = guard.evidence().unwrap();
        if heal {
            guard.heal().unwrap();
        }
        drop(guard);
        let done = crew.borrow().done.clone();
        (evidence, done)
    }

    #[test]
    fn what_was_killed_is_started_once_and_only_when_asked() {
        let (evidence, done) = goes_through("kill:leader", true);
        assert_eq!(evidence, [Evidence::Process(Whose::Node(2), ProcessState::Gone)]);
        assert_eq!(done, ["Kill Node(2)", "Start Node(2)"]);
        assert_eq!(goes_through("kill:leader", false).1, ["Kill Node(2)"]);
        assert_eq!(goes_through("stop:leader", true).1, ["Terminate Node(2)", "Start Node(2)"]);
    }

    #[test]
    fn a_node_without_power_tells_what_this_cut_took() {
        let (evidence, done) = goes_through("power-loss:leader", true);
        let lost = Dropped { writes: 7, bytes: 4_097 };
        let gone = Evidence::Process(Whose::Node(2), ProcessState::Gone);
        assert_eq!(evidence, [gone, Evidence::Lost(2, lost)]);
        assert_eq!(done, ["PowerLoss Node(2)", "Start Node(2)"]);
    }

    #[test]
    fn what_stands_still_goes_on_whether_asked_or_dropped() {
        let (evidence, done) = goes_through("pause:leader", true);
        assert_eq!(evidence, [Evidence::Process(Whose::Node(2), ProcessState::Stopped)]);
        assert_eq!(done, ["Stop Node(2)", "Continue Node(2)"]);
        assert_eq!(goes_through("pause:leader", false).1, ["Stop Node(2)", "Continue Node(2)"]);
    }

    #[test]
    fn a_backend_without_processes_is_an_error() {
        let ground = Switch::ground(Counters::default()).1;
        assert!(matches!(crate::kill::Kill.start(&resolved("kill:leader"), &ground), Err(FaultError::NoProcesses)));
    }
}
