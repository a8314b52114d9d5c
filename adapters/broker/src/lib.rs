//! What a broker adapter offers and what it is given.
//!
//! An adapter implements [`System`] and, for a broker that runs as processes, [`RealSystem`]
//! with its clients. It records nothing and judges nothing: workloads call these traits and
//! write the history.

pub mod access;
pub mod change;
pub mod client;
pub mod commit;
pub mod config;
pub mod external;
pub mod image;
pub mod leash;
pub mod leftovers;
pub mod node;
pub mod observe;
pub mod payload;
pub mod reason;
pub mod rootfs;
pub mod simulated;
pub mod system;
pub mod transactional;

pub use access::{Access, Secret};
pub use change::{Change, ChangeAnswer, ChangeKind, ChangeOutcome, Changed};
pub use client::{
    ClientError, ClientSpec, Consumer, ConsumerEvent, Delivery, DestinationRef, NodeAddress, Producer, SendOutcome,
    SendReport, Settle,
};
pub use commit::CommitMode;
pub use config::{ConfigError, ConfigFile, LanePlan, LaneRequest, Preset, Scope, Setting, Timings, TransactionPlan};
pub use external::{AccessRequest, Belongings, Contact, ExternalError, ExternalSystem, Survey};
pub use image::ImageLayout;
pub use node::{ClusterPlan, HostPlan, NodeCommand, NodeFile, NodeSpec};
pub use observe::{
    Admin, AuditItem, Auditor, CommittedOffsets, DrainItem, LaneTopic, Observation, Observer, Prepared, Recovery,
};
pub use payload::{Decoded, MessageId, decode, encode};
pub use reason::Reason;
pub use rootfs::{RootfsRecipe, rootfs_dir};
pub use simulated::{DelayCounts, Lateness, LinkLedger, SimulatedLane, SimulatedNode, SimulatedPlan, SimulatedSystem};
pub use system::{
    InstallError, InstallProblem, InstallRequest, Installation, RealSystem, RuntimeProbe, System, SystemInfo,
};
pub use transactional::{Remedy, TransactionError, Transactor};
