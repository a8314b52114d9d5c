//! `clock`: a node's clock goes wrong

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use delivery_cluster::machines::Need;
use delivery_cluster::machines::Setting;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses};
use crate::process::{LEADER, resolve};
use crate::view::ClusterView;

/// How far it jumps, milliseconds: beyond every time-out and interval that anybody sets.
const JUMP_MS: i64 = 3_600_000;
/// What it gains in a second when it drifts, milliseconds.
const DRIFT_MS_PER_S: i64 = 200;

const JUMP: Shape = Shape { name: "jump", about: "the clock of the node that leads the lanes goes an hour ahead" };
const BACK: Shape = Shape { name: "back", about: "it goes back an hour" };
const DRIFT: Shape = Shape { name: "drift", about: "it gains 200 ms in every second" };
const STOP: Shape = Shape { name: "stop", about: "it stands still" };

/// `clock`.
pub struct Clock;

impl FaultKind for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn about(&self) -> &'static str {
        "the leader's clock of the day goes wrong (libfaketime), and right again at the end of the fault's time"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[JUMP, BACK, DRIFT, STOP]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn needs(&self) -> Option<Need> {
        Some(Need::Clock)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let of_leader = Fault { shape: LEADER.name.to_owned(), ..planned.clone() };
        // It is there, so there are no sides.
        let resolved = Resolved { sides: Vec::new(), ..resolve(&of_leader, view, BiteProof::ClockShifted)? };
        Ok(Resolved { shape: planned.shape.clone(), ..resolved })
    }

    fn resolve_again(&self, recorded: &Fault, _view: &ClusterView) -> Resolved {
        Resolved {
            targets: recorded.targets.clone(),
            shape: recorded.shape.clone(),
            bites_by: recorded.bites_by,
            ..Resolved::default()
        }
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let wrong = Wrong::of(&resolved.shape);
        let mut guard = ClockGuard { processes, nodes: resolved.targets.clone(), wrong, began: Instant::now() };
        guard.set(guard.wrong.setting(Duration::ZERO))?;
        Ok(Box::new(guard))
    }
}

/// How it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    By(i64),
    Gains(i64),
    Stands(u64),
}

impl Wrong {
    fn of(shape: &str) -> Self {
        match shape {
            shape if shape == BACK.name => Self::By(-JUMP_MS),
            shape if shape == DRIFT.name => Self::Gains(DRIFT_MS_PER_S),
            shape if shape == STOP.name => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                Self::Stands(now.map_or(0, |now| now.as_secs()))
            }
            _ => Self::By(JUMP_MS),
        }
    }

    /// What the clock is set to after so long.
    fn setting(self, after: Duration) -> Setting {
        match self {
            Self::By(ms) => Setting::Ahead(ms),
            Self::Gains(_) => Setting::Ahead(self.ahead_ms(after)),
            Self::Stands(second) => Setting::StandsAt(second),
        }
    }

    /// How far ahead it is then, milliseconds.
    fn ahead_ms(self, after: Duration) -> i64 {
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        match self {
            Self::By(ms) => ms,
            Self::Gains(ms_per_s) => after_ms.saturating_mul(ms_per_s) / 1_000,
            Self::Stands(_) => -after_ms,
        }
    }
}

struct ClockGuard {
    processes: SharedProcesses,
    nodes: Vec<u32>,
    wrong: Wrong,
    began: Instant,
}

impl ClockGuard {
    fn set(&mut self, setting: Setting) -> Result<(), FaultError> {
        let mut processes = self.processes.borrow_mut();
        let machines = processes.machines().ok_or(FaultError::NoMachines)?;
        Ok(self.nodes.iter().try_for_each(|node| machines.set_clock(*node, setting))?)
    }
}

impl FaultGuard for ClockGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let after = self.began.elapsed();
        self.set(self.wrong.setting(after))?;
        let ahead_ms = self.wrong.ahead_ms(after);
        Ok(self.nodes.iter().map(|node| Evidence::Clock(*node, ahead_ms)).collect())
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.set(Setting::Ahead(0))?;
        self.nodes.clear();
        Ok(())
    }
}

impl Drop for ClockGuard {
    fn drop(&mut self) {
        // Nothing is left to tell: the clocks themselves end with their nodes.
        let _ = self.heal();
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

    #[test]
    fn each_shape_goes_wrong_in_its_own_way() {
        let after = Duration::from_secs(10);
        let ahead = |shape: &str| Wrong::of(shape).ahead_ms(after);
        assert_eq!(
            [ahead("jump"), ahead("back"), ahead("drift"), ahead("stop")],
            [3_600_000, -3_600_000, 2_000, -10_000]
        );
        assert_eq!(Wrong::of("drift").setting(after), Setting::Ahead(2_000));
        let Setting::StandsAt(second) = Wrong::of("stop").setting(after) else { panic!("it goes on") };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((now - 5..=now).contains(&second));
    }

    #[test]
    fn a_clock_goes_right_again_however_the_fault_ends() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let ground = Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 };
        let resolved = Resolved { targets: vec![2], shape: String::from("back"), ..Resolved::default() };
        let mut guard = Clock.start(&resolved, &ground).unwrap();
        assert_eq!(guard.evidence().unwrap(), [Evidence::Clock(2, -3_600_000)]);
        drop(guard);
        let done = crew.borrow().done.clone();
        assert_eq!(done, ["Clock 2 Ahead(-3600000)", "Clock 2 Ahead(-3600000)", "Clock 2 Ahead(0)"]);
    }
}
