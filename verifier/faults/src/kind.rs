//! What a fault is to the rest of the program.

use std::cell::RefCell;
use std::rc::Rc;

use delivery_broker::ConfigError;
use delivery_cluster::network::{Counters, Network, NetworkError};

use crate::netsplit::Netsplit;
use crate::view::ClusterView;

/// Every fault there is. Adding one is a file and a line here.
pub const ALL: &[&dyn FaultKind] = &[&Netsplit];

/// The network of a run, shared between its driver and the guards of faults.
pub type SharedNetwork = Rc<RefCell<dyn Network>>;

/// A variant of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for `verify list faults`.
    pub about: &'static str,
}

/// Whom a fault hits, decided when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Hosts that are hit.
    pub targets: Vec<u32>,
    /// Ordered pairs (from, to) whose traffic is dropped.
    pub cut: Vec<(u32, u32)>,
    /// Every path between the sides is cut.
    pub full_cut: bool,
    /// Sides, the targets' first; hosts on no side reach everybody.
    pub sides: Vec<Vec<u32>>,
}

/// A kind of fault.
pub trait FaultKind: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;

    /// Other names it answers to.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// One line for `verify list faults`.
    fn about(&self) -> &'static str;

    /// Its shapes, the default first.
    fn shapes(&self) -> &'static [Shape];

    /// Whether this shape confines clients to a side, so that every side needs clients of its own.
    fn confines_clients(&self, _shape: &str) -> bool {
        false
    }

    /// Decides whom it hits, from what the cluster looks like now.
    ///
    /// # Errors
    /// When the role it aims at is held by nobody.
    fn resolve(&self, shape: &str, view: &ClusterView) -> Result<Resolved, FaultError>;

    /// Starts it.
    ///
    /// # Errors
    /// When the backend cannot inject it; nothing is then in force.
    fn start(&self, resolved: &Resolved, network: &SharedNetwork) -> Result<Box<dyn FaultGuard>, FaultError>;
}

/// A fault in force. Dropping it heals.
pub trait FaultGuard {
    /// What its own rules have dropped, and what crossed a full cut all the same.
    ///
    /// # Errors
    /// When the rules cannot be read.
    fn evidence(&mut self) -> Result<Counters, FaultError>;

    /// Takes it back and says whether that worked.
    ///
    /// # Errors
    /// When the rules cannot be removed.
    fn heal(&mut self) -> Result<(), FaultError>;
}

/// A fault that cannot be injected.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The role it aims at is held by nobody.
    #[error(
        "cannot start {fault}: {reason}. Wait for a healthy cluster: give the fault a later start (`{fault}@20s`)."
    )]
    NoTarget {
        /// Which fault.
        fault: String,
        /// Who is missing.
        reason: String,
    },
    /// The backend refused.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// The fault with this name or alias.
///
/// # Errors
/// Unknown name, with the nearest valid ones.
pub fn find_fault(name: &str) -> Result<&'static dyn FaultKind, ConfigError> {
    ALL.iter()
        .copied()
        .find(|kind| kind.name() == name || kind.aliases().contains(&name))
        .ok_or_else(|| ConfigError::unknown("fault", name, ALL.iter().map(|kind| kind.name())))
}

/// The shape of `kind` with this name; the default where none is given.
///
/// # Errors
/// Unknown name, with the nearest valid ones.
pub fn find_shape(kind: &dyn FaultKind, name: Option<&str>) -> Result<Shape, ConfigError> {
    let shapes = kind.shapes();
    match name {
        None => Ok(shapes[0]),
        Some(name) => shapes
            .iter()
            .copied()
            .find(|shape| shape.name == name)
            .ok_or_else(|| ConfigError::unknown("shape", name, shapes.iter().map(|shape| shape.name))),
    }
}
