//! Guards of faults of the network: one that holds, one that comes and goes.

use delivery_cluster::network::{Counters, Cut, Impairment, ImpairmentId};
use delivery_history::manifest::Amount;

use crate::kind::{Evidence, FaultError, FaultGuard, Ground, Resolved, SharedNetwork};

/// Looks (ten a second) for which a flapping cut is on, and off.
const FLAP_LOOKS: u32 = 5;

/// An impairment that holds until it is taken back.
///
/// # Errors
/// When the rules cannot be set.
pub(crate) fn impair(impairment: Impairment, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    Ok(Box::new(Impaired::start(impairment, ground)?))
}

/// A cut that holds until it is taken back.
///
/// # Errors
/// When the rules cannot be set.
pub(crate) fn cut(resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    impair(cut_of(resolved), ground)
}

/// A cut that is on for half a second and off for half a second, again and again.
///
/// # Errors
/// When the rules cannot be set.
pub(crate) fn flap(resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    let cut = Impaired::start(cut_of(resolved), ground)?;
    Ok(Box::new(Flapping { cut, looks: 0, before: Counters::default() }))
}

fn cut_of(resolved: &Resolved) -> Impairment {
    let percent = match resolved.amount {
        Some(Amount::Percent(percent)) => Some(percent),
        _ => None,
    };
    Impairment::Cut(Cut { pairs: resolved.cut.clone(), only_ports: resolved.only_ports.clone(), percent })
}

struct Impaired {
    network: SharedNetwork,
    impairment: Impairment,
    in_force: Option<ImpairmentId>,
}

impl Impaired {
    fn start(impairment: Impairment, ground: &Ground) -> Result<Self, FaultError> {
        let in_force = ground.network.borrow_mut().impair(&impairment)?;
        Ok(Self { network: ground.network.clone(), impairment, in_force: Some(in_force) })
    }

    fn start_again(&mut self) -> Result<(), FaultError> {
        self.in_force = Some(self.network.borrow_mut().impair(&self.impairment)?);
        Ok(())
    }

    /// What it counts while it is in force; nothing else.
    fn counters(&self) -> Result<Counters, FaultError> {
        let Some(id) = self.in_force else { return Ok(Counters::default()) };
        Ok(self.network.borrow_mut().counters(id)?)
    }

    fn seen(&self, counted: Counters) -> Vec<Evidence> {
        match self.impairment {
            Impairment::Cut(_) => {
                vec![Evidence::Dropped(counted.dropped_packets), Evidence::Crossed(counted.crossed_packets)]
            }
            Impairment::Reset(_) => {
                vec![Evidence::Reset(counted.reset_packets), Evidence::Crossed(counted.crossed_packets)]
            }
            Impairment::Bandwidth { .. } => {
                vec![Evidence::HeldBack(counted.held_back), Evidence::Dropped(counted.dropped_packets)]
            }
            Impairment::Delay { .. } => vec![Evidence::Delayed(counted.delayed_packets)],
            Impairment::Hold(_) => vec![
                Evidence::HeldBack(counted.held_back),
                Evidence::Dropped(counted.dropped_packets),
                Evidence::Crossed(counted.crossed_packets),
            ],
        }
    }
}

impl FaultGuard for Impaired {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        Ok(self.seen(self.counters()?))
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        if let Some(id) = self.in_force {
            self.network.borrow_mut().heal(id)?;
            self.in_force = None;
        }
        Ok(())
    }
}

impl Drop for Impaired {
    fn drop(&mut self) {
        // Nothing is left to tell: the network itself ends with the run.
        let _ = self.heal();
    }
}

struct Flapping {
    cut: Impaired,
    looks: u32,
    /// What the cuts that are over came to.
    before: Counters,
}

impl Flapping {
    fn total(&self) -> Result<Counters, FaultError> {
        let now = self.cut.counters()?;
        Ok(Counters {
            dropped_packets: self.before.dropped_packets + now.dropped_packets,
            crossed_packets: self.before.crossed_packets + now.crossed_packets,
            ..Counters::default()
        })
    }
}

impl FaultGuard for Flapping {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let total = self.total()?;
        self.looks += 1;
        if self.looks.is_multiple_of(FLAP_LOOKS) {
            if self.cut.in_force.is_some() {
                self.before = total;
                self.cut.heal()?;
            } else {
                self.cut.start_again()?;
            }
        }
        Ok(self.cut.seen(total))
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.cut.heal()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use delivery_cluster::network::{Network, NetworkError};

    use super::*;

    /// Counts the same for every impairment, and knows which are in force.
    #[derive(Default)]
    pub(crate) struct Switch {
        pub(crate) started: Vec<Impairment>,
        pub(crate) in_force: BTreeSet<ImpairmentId>,
        pub(crate) counters: Counters,
    }

    impl Switch {
        /// A ground with nothing but it.
        pub(crate) fn ground(counters: Counters) -> (Rc<RefCell<Self>>, Ground) {
            let switch = Rc::new(RefCell::new(Self { counters, ..Self::default() }));
            (switch.clone(), Ground { network: switch, processes: None, product: None, hooks: None })
        }
    }

    impl Network for Switch {
        fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
            let id = ImpairmentId(u32::try_from(self.started.len()).unwrap());
            self.started.push(impairment.clone());
            self.in_force.insert(id);
            Ok(id)
        }
        fn heal(&mut self, id: ImpairmentId) -> Result<(), NetworkError> {
            assert!(self.in_force.remove(&id), "healed once");
            Ok(())
        }
        fn counters(&mut self, _id: ImpairmentId) -> Result<Counters, NetworkError> {
            Ok(self.counters)
        }
    }

    #[test]
    fn a_flapping_cut_comes_and_goes_and_its_counts_add_up() {
        let (switch, ground) = Switch::ground(Counters { dropped_packets: 3, ..Counters::default() });
        let mut guard = flap(&Resolved::default(), &ground).unwrap();
        let mut last = 0;
        for _ in 0..25 {
            let evidence = guard.evidence().unwrap();
            let Evidence::Dropped(dropped) = evidence[0] else { panic!("{evidence:?}") };
            assert!(dropped >= last, "what was dropped stays dropped");
            last = dropped;
        }
        assert_eq!((switch.borrow().started.len(), last), (3, 9));
        drop(guard);
        assert!(switch.borrow().in_force.is_empty());
    }

    #[test]
    fn each_impairment_shows_what_it_does_and_heals_once_whether_asked_or_dropped() {
        let counters =
            Counters { dropped_packets: 1, crossed_packets: 2, reset_packets: 3, held_back: 4, delayed_packets: 5 };
        let (switch, ground) = Switch::ground(counters);
        for (impairment, shown) in [
            (Impairment::Cut(Cut::default()), vec![Evidence::Dropped(1), Evidence::Crossed(2)]),
            (Impairment::Reset(Vec::new()), vec![Evidence::Reset(3), Evidence::Crossed(2)]),
            (
                Impairment::Bandwidth { hosts: vec![1], kbit_per_s: 8 },
                vec![Evidence::HeldBack(4), Evidence::Dropped(1)],
            ),
            (Impairment::Delay { hosts: vec![1], delay_ms: 9, jitter_ms: 1 }, vec![Evidence::Delayed(5)]),
            (Impairment::Hold(Vec::new()), vec![Evidence::HeldBack(4), Evidence::Dropped(1), Evidence::Crossed(2)]),
        ] {
            let mut guard = impair(impairment.clone(), &ground).unwrap();
            assert_eq!(guard.evidence().unwrap(), shown);
            guard.heal().unwrap();
            assert!(switch.borrow().in_force.is_empty());
            drop(guard);
            drop(impair(impairment, &ground).unwrap());
            assert!(switch.borrow().in_force.is_empty());
        }
    }
}
