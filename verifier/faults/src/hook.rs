//! Faults that a command of the user's injects, on a cluster that somebody else runs. What such a command says proves
//! nothing: only what nodes and clients show does.

use std::cell::RefCell;
use std::rc::Rc;

use delivery_history::manifest::{BiteProof, Fault, HookCall, HookStep};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Resolved};

/// Whoever calls the command, and takes every fault back that it started, on every way out.
pub trait Hooks {
    /// Calls the command with `start`; the number by which the fault goes from now on.
    fn start(&mut self, fault: &Fault, resolved: &Resolved) -> u32;

    /// Calls it with `heal`.
    fn heal(&mut self, fault: u32);

    /// Calls that have ended since this was last asked.
    fn ended(&mut self, fault: u32) -> Vec<HookCall>;

    /// Waits until the call that is on has ended; calls have a time limit.
    fn wait(&mut self, fault: u32);
}

/// The hooks of a run, shared between its driver and the guards of faults.
pub type SharedHooks = Rc<RefCell<dyn Hooks>>;

/// Whether this shape of a fault is one that a command injects: nodes are hit, and not by asking the product.
pub fn is_hooked(kind: &dyn FaultKind, shape: &str) -> bool {
    kind.acts_on() != ActsOn::Product && kind.clients_hit(shape).is_none()
}

/// Why no command can be asked for this shape of a fault; nothing where it can.
pub fn why_not_hooked(kind: &dyn FaultKind, shape: &str) -> Option<&'static str> {
    match (kind.name(), shape) {
        (_, "client") => Some("all clients of an external run are on one machine, which no hook can divide"),
        _ if kind.confines_clients(shape) => {
            Some("all clients of an external run are on one machine, which no hook can divide")
        }
        ("clock", _) => Some("nobody outside can read a node's clock back"),
        ("restart", _) => Some("a hook starts and heals, and says nothing in between; take kill or stop"),
        ("netsplit", "ring") => Some("it hits every node, and none is left to tell of it"),
        _ => None,
    }
}

/// Calls the command, and says so in `resolved`: nobody counts packets, nobody looks at processes.
pub fn start(fault: &Fault, resolved: &mut Resolved, hooks: &SharedHooks) -> Box<dyn FaultGuard> {
    let number = hooks.borrow_mut().start(fault, resolved);
    (resolved.bites_by, resolved.full_cut) = (BiteProof::HookFelt, false);
    (resolved.cut, resolved.sides) = (Vec::new(), Vec::new());
    let label = format!("{}:{}", fault.fault, fault.shape);
    Box::new(HookGuard { hooks: hooks.clone(), number, label, untold: Vec::new(), state: State::Starting })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Started,
    Healing,
    Healed,
    /// The command did not take it back.
    Stuck,
}

struct HookGuard {
    hooks: SharedHooks,
    number: u32,
    label: String,
    /// Calls nobody has written down yet.
    untold: Vec<HookCall>,
    state: State,
}

impl HookGuard {
    /// Takes in what has ended. A start that failed may have begun something all the same: it is taken back at once.
    fn listen(&mut self) {
        let ended = self.hooks.borrow_mut().ended(self.number);
        for call in ended {
            self.state = match (call.step, call.succeeded) {
                (HookStep::Start, true) => State::Started,
                (HookStep::Start, false) => {
                    self.hooks.borrow_mut().heal(self.number);
                    State::Healing
                }
                (HookStep::Heal, true) => State::Healed,
                (HookStep::Heal, false) => State::Stuck,
            };
            self.untold.push(call);
        }
    }

    fn await_end(&mut self) {
        while matches!(self.state, State::Starting | State::Healing) {
            self.hooks.borrow_mut().wait(self.number);
            self.listen();
        }
    }
}

impl FaultGuard for HookGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        self.listen();
        Ok(Vec::new())
    }

    fn calls(&mut self) -> Vec<HookCall> {
        std::mem::take(&mut self.untold)
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.await_end();
        // A second attempt where the first failed: what holds back a cluster of somebody else's must go.
        for _ in 0..2 {
            if self.state == State::Healed {
                return Ok(());
            }
            self.hooks.borrow_mut().heal(self.number);
            self.state = State::Healing;
            self.await_end();
        }
        match self.state {
            State::Healed => Ok(()),
            _ => {
                let last = self.untold.last().map_or_else(String::new, |call| call.status.clone());
                Err(FaultError::Hook { fault: self.label.clone(), status: last })
            }
        }
    }
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        if !matches!(self.state, State::Healed | State::Stuck) {
            let _ = self.heal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::find_fault;

    /// Ends each call at once, as it is told to.
    struct Told {
        succeeds: Vec<bool>,
        said: Vec<String>,
        ended: Vec<HookCall>,
    }

    impl Told {
        fn call(&mut self, step: HookStep) {
            let succeeded = self.succeeds.remove(0);
            self.said.push(format!("{step:?}"));
            self.ended.push(HookCall {
                step,
                began_ns: 1,
                ended_ns: 2,
                succeeded,
                status: String::from("exit 0"),
                output: String::new(),
            });
        }
    }

    impl Hooks for Told {
        fn start(&mut self, _fault: &Fault, _resolved: &Resolved) -> u32 {
            self.call(HookStep::Start);
            4
        }
        fn heal(&mut self, fault: u32) {
            assert_eq!(fault, 4);
            self.call(HookStep::Heal);
        }
        fn ended(&mut self, _fault: u32) -> Vec<HookCall> {
            std::mem::take(&mut self.ended)
        }
        fn wait(&mut self, _fault: u32) {}
    }

    fn fault() -> Fault {
        let defaults =
            crate::schedule::Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let requests = crate::FaultRequest::parse_list("netsplit").unwrap();
        crate::plan_load(&requests, None, defaults).unwrap().faults.remove(0)
    }

    fn said(succeeds: &[bool], go: impl FnOnce(Box<dyn FaultGuard>)) -> Vec<String> {
        let told = Rc::new(RefCell::new(Told { succeeds: succeeds.to_vec(), said: Vec::new(), ended: Vec::new() }));
        let hooks: SharedHooks = told.clone();
        let mut resolved = Resolved { targets: vec![1], cut: vec![(1, 2)], full_cut: true, ..Resolved::default() };
        go(start(&fault(), &mut resolved, &hooks));
        assert_eq!((resolved.bites_by, resolved.full_cut, resolved.cut.len()), (BiteProof::HookFelt, false, 0));
        told.borrow().said.clone()
    }

    #[test]
    fn what_was_started_is_healed_once_whether_asked_or_dropped() {
        let asked = said(&[true, true], |mut guard| {
            guard.evidence().unwrap();
            guard.heal().unwrap();
            assert_eq!(guard.calls().len(), 2);
        });
        assert_eq!(asked, ["Start", "Heal"]);
        assert_eq!(said(&[true, true], drop), ["Start", "Heal"]);
    }

    #[test]
    fn a_start_that_failed_is_healed_at_once_and_not_again() {
        let asked = said(&[false, true], |mut guard| {
            guard.evidence().unwrap();
            guard.evidence().unwrap();
            guard.heal().unwrap();
        });
        assert_eq!(asked, ["Start", "Heal"]);
    }

    #[test]
    fn a_heal_that_fails_twice_is_an_error() {
        let asked = said(&[true, false, false], |mut guard| {
            assert!(guard.heal().unwrap_err().to_string().contains("netsplit:leader"));
        });
        assert_eq!(asked, ["Start", "Heal", "Heal"]);
        assert_eq!(said(&[true, false, true], |mut guard| guard.heal().unwrap()), ["Start", "Heal", "Heal"]);
    }

    #[test]
    fn commands_are_asked_only_for_faults_of_nodes() {
        let hooked = |name: &str, shape: &str| is_hooked(find_fault(name).unwrap(), shape);
        assert!(hooked("netsplit", "leader") && hooked("kill", "leader") && hooked("disk-full", "leader"));
        assert!(!hooked("kill", "consumer") && !hooked("leader-transfer", "leader"));
        let why = |name: &str, shape: &str| why_not_hooked(find_fault(name).unwrap(), shape);
        assert!(why("netsplit", "leader").is_none() && why("pause", "leader").is_none());
        assert!(why("netsplit", "leader-clients").is_some() && why("netsplit", "client").is_some());
    }
}
