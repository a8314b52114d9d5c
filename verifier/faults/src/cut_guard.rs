//! Guards of faults that drop packets: one that holds, one that comes and goes.

use delivery_cluster::network::{Counters, Cut};

use crate::kind::{Evidence, FaultError, FaultGuard, Ground, Resolved, SharedNetwork};

/// Looks (ten a second) for which a flapping cut is on, and off.
const FLAP_LOOKS: u32 = 5;

/// A cut that holds until it is taken back.
///
/// # Errors
/// When the rules cannot be set.
pub(crate) fn cut(resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    Ok(Box::new(start(resolved, ground)?))
}

/// A cut that is on for half a second and off for half a second, again and again.
///
/// # Errors
/// When the rules cannot be set.
pub(crate) fn flap(resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    Ok(Box::new(FlapGuard { cut: start(resolved, ground)?, looks: 0, before: Counters::default() }))
}

fn start(resolved: &Resolved, ground: &Ground) -> Result<CutGuard, FaultError> {
    let cut = Cut { pairs: resolved.cut.clone(), only_ports: resolved.only_ports.clone(), percent: resolved.percent };
    ground.network.borrow_mut().cut(&cut)?;
    Ok(CutGuard { network: ground.network.clone(), cut, in_force: true })
}

struct CutGuard {
    network: SharedNetwork,
    cut: Cut,
    in_force: bool,
}

impl CutGuard {
    fn counters(&self) -> Result<Counters, FaultError> {
        Ok(self.network.borrow_mut().counters()?)
    }
}

fn seen(counted: Counters) -> Vec<Evidence> {
    vec![Evidence::Dropped(counted.dropped_packets), Evidence::Crossed(counted.crossed_packets)]
}

impl FaultGuard for CutGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        Ok(seen(self.counters()?))
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        if self.in_force {
            self.network.borrow_mut().heal()?;
            self.in_force = false;
        }
        Ok(())
    }
}

impl Drop for CutGuard {
    fn drop(&mut self) {
        // Nothing is left to tell: the network itself ends with the run.
        let _ = self.heal();
    }
}

struct FlapGuard {
    cut: CutGuard,
    looks: u32,
    /// What the cuts that are over came to.
    before: Counters,
}

impl FlapGuard {
    fn total(&self) -> Result<Counters, FaultError> {
        if !self.cut.in_force {
            return Ok(self.before);
        }
        let now = self.cut.counters()?;
        Ok(Counters {
            dropped_packets: self.before.dropped_packets + now.dropped_packets,
            crossed_packets: self.before.crossed_packets + now.crossed_packets,
        })
    }
}

impl FaultGuard for FlapGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let total = self.total()?;
        self.looks += 1;
        if self.looks.is_multiple_of(FLAP_LOOKS) {
            if self.cut.in_force {
                self.before = total;
                self.cut.heal()?;
            } else {
                self.cut.network.borrow_mut().cut(&self.cut.cut)?;
                self.cut.in_force = true;
            }
        }
        Ok(seen(total))
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.cut.heal()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use delivery_cluster::network::{Network, NetworkError};

    use super::*;

    /// Every cut drops three packets.
    #[derive(Default)]
    struct Switch {
        cuts: u32,
        on: bool,
    }

    impl Network for Switch {
        fn cut(&mut self, _cut: &Cut) -> Result<(), NetworkError> {
            self.cuts += 1;
            self.on = true;
            Ok(())
        }
        fn heal(&mut self) -> Result<(), NetworkError> {
            self.on = false;
            Ok(())
        }
        fn counters(&mut self) -> Result<Counters, NetworkError> {
            Ok(Counters { dropped_packets: 3, crossed_packets: 0 })
        }
    }

    #[test]
    fn a_flapping_cut_comes_and_goes_and_its_counts_add_up() {
        let switch = Rc::new(RefCell::new(Switch::default()));
        let ground = Ground { network: switch.clone(), processes: None, product: None };
        let mut guard = flap(&Resolved::default(), &ground).unwrap();
        let mut last = 0;
        for _ in 0..25 {
            let evidence = guard.evidence().unwrap();
            let Evidence::Dropped(dropped) = evidence[0] else { panic!("{evidence:?}") };
            assert!(dropped >= last, "what was dropped stays dropped");
            last = dropped;
        }
        assert_eq!((switch.borrow().cuts, last), (3, 9));
        drop(guard);
        assert!(!switch.borrow().on);
    }
}
