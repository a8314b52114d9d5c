//! What a fault is to the rest of the program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use delivery_broker::{Change, ChangeKind, ChangeOutcome, Changed, ConfigError, Observation};
use delivery_cluster::machines::Need;
use delivery_cluster::network::{Network, NetworkError};
use delivery_cluster::processes::{Dropped, ProcessError, Processes, Whose};
use delivery_history::event::ProcessState;
use delivery_history::manifest::{Amount, BiteProof, Fault, HookCall, Role};

use crate::add_partition::AddPartition;
use crate::bandwidth::Bandwidth;
use crate::clock::Clock;
use crate::delay::Delay;
use crate::disk_full::DiskFull;
use crate::hold::Hold;
use crate::hook::SharedHooks;
use crate::kill::Kill;
use crate::leader_transfer::LeaderTransfer;
use crate::leave::Leave;
use crate::limp::Limp;
use crate::loss::Loss;
use crate::netsplit::Netsplit;
use crate::pause::Pause;
use crate::power_loss::PowerLoss;
use crate::reassign::Reassign;
use crate::rebalance_queues::RebalanceQueues;
use crate::reset::Reset;
use crate::restart::Restart;
use crate::slow_disk::SlowDisk;
use crate::stop::Stop;
use crate::unclean_election::UncleanElection;
use crate::view::ClusterView;

/// Every fault there is. Adding one is a file and a line here.
pub const ALL: &[&dyn FaultKind] = &[
    &Netsplit,
    &Loss,
    &Reset,
    &Bandwidth,
    &Delay,
    &Hold,
    &Kill,
    &Stop,
    &Restart,
    &Pause,
    &Limp,
    &PowerLoss,
    &DiskFull,
    &SlowDisk,
    &Clock,
    &AddPartition,
    &LeaderTransfer,
    &UncleanElection,
    &RebalanceQueues,
    &Reassign,
    &Leave,
];

/// The network of a run, shared between its driver and the guards of faults.
pub type SharedNetwork = Rc<RefCell<dyn Network>>;

/// The processes of a run, shared likewise.
pub type SharedProcesses = Rc<RefCell<dyn Processes>>;

/// The product itself, which a fault asks to change something of its own.
pub trait Product {
    /// Asks for one more partition of the topic each of these destinations is to be a part of.
    fn ask_for(&mut self, destinations: &[u16]);

    /// Whether all that these destinations need was confirmed.
    fn has_confirmed(&self, destinations: &[u16]) -> bool;

    /// Asks for a change of every lane's destinations. Gives back the number its answer goes by.
    ///
    /// # Errors
    /// When a process that is a part of it could not be struck.
    fn change(&mut self, change: Change) -> Result<u32, ProcessError>;

    /// What became of the change with this number; empty as long as nothing is known.
    ///
    /// # Errors
    /// When what a node stores could not be taken from it.
    fn changed(&mut self, number: u32) -> Result<Changed, ProcessError>;

    /// Lets a node that left be a member again.
    ///
    /// # Errors
    /// When it could not be started.
    fn bring_back(&mut self, node: u32) -> Result<(), ProcessError>;
}

/// The product of a run, shared likewise.
pub type SharedProduct = Rc<RefCell<dyn Product>>;

/// What faults act on.
#[derive(Clone)]
pub struct Ground {
    /// The links between hosts.
    pub network: SharedNetwork,
    /// Nodes and clients, where the backend runs them as processes.
    pub processes: Option<SharedProcesses>,
    /// The product, where it can be asked to change something of its own.
    pub product: Option<SharedProduct>,
    /// Whoever calls a command of the user's for faults of nodes, where somebody else runs those.
    pub hooks: Option<SharedHooks>,
}

/// What a kind of fault needs of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// The links.
    Network,
    /// Processes of their own.
    Processes,
    /// The product, which does as it is asked.
    Product,
}

/// Something that was seen of a fault in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Packets (or frames) its rules have dropped so far.
    Dropped(u64),
    /// Packets (or frames) that crossed a full cut so far.
    Crossed(u64),
    /// Packets its rules have answered with a reset so far.
    Reset(u64),
    /// Times so far that a packet had to wait because the bandwidth was used up.
    HeldBack(u64),
    /// Packets it has delayed so far.
    Delayed(u64),
    /// What a process it holds down was seen to do.
    Process(Whose, ProcessState),
    /// What a node it holds down lost of what it had not synced.
    Lost(u32, Dropped),
    /// Bytes that are free on the disk of a node, which it filled.
    Free(u32, u64),
    /// Writes and syncs of the disk of a node that it held up so far.
    Held(u32, u64),
    /// How far ahead the clock of a node was set, milliseconds.
    Clock(u32, i64),
    /// Whether the product has confirmed the change it was asked for.
    Applied(bool),
    /// What the product answered for a destination.
    Answered(u16, ChangeOutcome),
    /// How many bytes a node had stored and no longer has.
    Wiped(u32, u64),
}

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
    /// TCP ports the cut is confined to; none cuts everything.
    pub only_ports: Vec<u16>,
    /// How much of it there is; nothing hits whole.
    pub amount: Option<Amount>,
    /// Every path between the sides (on those ports) is cut.
    pub full_cut: bool,
    /// Sides, the targets' first; hosts on no side reach everybody. Of a fault that takes nodes down only those that
    /// are left make a side.
    pub sides: Vec<Vec<u32>>,
    /// It comes and goes.
    pub flaps: bool,
    /// Clients that are hit themselves, by worker number.
    pub clients: Vec<u16>,
    /// Destinations it adds, by index.
    pub adds: Vec<u16>,
    /// The variant, where that decides what is done and not to whom.
    pub shape: String,
    /// Nodes that have to be back before it goes on.
    pub members: Vec<u32>,
    /// Replicas that have to be in sync before it goes on, by destination, as node bits.
    pub in_sync: BTreeMap<u16, u32>,
    /// What must be seen of it for it to have bitten.
    pub bites_by: BiteProof,
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

    /// What it needs of the backend.
    fn acts_on(&self) -> ActsOn;

    /// The role of the clients this shape hits, one of each lane; nothing for shapes that hit nodes.
    fn clients_hit(&self, _shape: &str) -> Option<Role> {
        None
    }

    /// Whether this shape may stay below the product's failure detection: clients that stalled then show that it was felt.
    fn is_gray(&self, _shape: &str) -> bool {
        false
    }

    /// How much of it there is where nobody says, in its unit; nothing for a fault that hits whole.
    fn amount(&self) -> Option<Amount> {
        None
    }

    /// Whether it needs the one queue a link has for itself, so that no two such faults may be on at a time.
    fn takes_the_links_queue(&self) -> bool {
        false
    }

    /// How long this shape takes at least, milliseconds, where that is longer than what any other does.
    fn takes_ms(&self, _shape: &str) -> Option<u64> {
        None
    }

    /// What the nodes' machines must have for it from the start.
    fn needs(&self) -> Option<Need> {
        None
    }

    /// Why this machine cannot give it to a real cluster, found out by trying, and what would help; nothing when it can.
    fn refusal(&self) -> Option<String> {
        self.needs().and_then(Need::refusal)
    }

    /// Whether it adds a destination to every lane whose destinations are parts of something.
    fn adds_destinations(&self) -> bool {
        false
    }

    /// The change this shape asks the product for; nothing for what is no such change.
    fn change(&self, _shape: &str) -> Option<ChangeKind> {
        None
    }

    /// How long it is on where nobody says, milliseconds; nothing for a fault that outlasts failure detection.
    fn length_ms(&self) -> Option<u64> {
        None
    }

    /// Whether it is offered to whoever draws faults by chance: what bites only in company is not.
    fn is_drawn(&self) -> bool {
        true
    }

    /// Whether a client it hits is gone for good, and another takes its place when the fault is taken back.
    fn is_succeeded(&self) -> bool {
        false
    }

    /// Decides whom it hits, from what the cluster looks like now.
    ///
    /// # Errors
    /// When the role it aims at is held by nobody.
    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError>;

    /// Whom it hit in a run that is played again: as resolved there, whoever holds the role now.
    fn resolve_again(&self, recorded: &Fault, _view: &ClusterView) -> Resolved {
        Resolved {
            targets: recorded.targets.clone(),
            cut: recorded.cut.clone(),
            amount: recorded.amount,
            full_cut: recorded.full_cut,
            sides: recorded.sides.clone(),
            clients: recorded.workers.clone(),
            adds: recorded.adds.clone(),
            bites_by: recorded.bites_by,
            ..Resolved::default()
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the backend cannot inject it; nothing is then in force.
    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError>;
}

/// A fault in force. Dropping it heals.
pub trait FaultGuard {
    /// What can be seen of it now: what its own rules have dropped and what crossed all the same, or what the
    /// processes it holds down do.
    ///
    /// # Errors
    /// When the rules cannot be read.
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError>;

    /// Calls of a command of the user's that have ended since this was last asked.
    fn calls(&mut self) -> Vec<HookCall> {
        Vec::new()
    }

    /// Takes in what a node said meanwhile.
    fn see(&mut self, _observation: &Observation) {}

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
    /// A process could not be struck or started again.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The backend runs nodes and clients as no processes of their own.
    #[error(
        "this backend runs no processes that could be killed or paused; choose another fault (`verify list faults`)."
    )]
    NoProcesses,
    /// The nodes run on no machines of their own.
    #[error(
        "this backend's nodes have no disks that could be filled or slowed; choose another fault (`verify list faults`)."
    )]
    NoMachines,
    /// A command of the user's did not take it back.
    #[error(
        "the fault hook did not heal {fault} ({status}). It is called a last time when the run's things are taken away; look whether the fault is off, and see the calls of the fault in run.json for what the hook said."
    )]
    Hook {
        /// Which fault.
        fault: String,
        /// How its last call ended.
        status: String,
    },
    /// The product cannot be asked.
    #[error("this product cannot be asked to change itself; choose another fault (`verify list faults`).")]
    NoProduct,
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
