//! The event: 32 bytes, one clock, no pointers.

use bytemuck::{Pod, Zeroable};

/// Offset of an event that has none (an acked send whose client does not say where it landed).
pub const NO_OFFSET: u64 = u64::MAX;
/// Producer session of an event that names no message, or whose payload could not be read.
pub const NO_SESSION: u32 = u32::MAX;
/// Sequence that goes with [`NO_SESSION`].
pub const NO_SEQUENCE: u32 = u32::MAX;
/// Node (or replica, or worker) of an event that names none.
pub const NO_NODE: u32 = u32::MAX;
/// Destination of an event that names none.
pub const NO_DESTINATION: u16 = u16::MAX;

/// Delivered with the broker's redelivered flag set.
pub const FLAG_REDELIVERED: u8 = 1;
/// The payload failed its checksum, or carried another run's identity.
pub const FLAG_CORRUPT: u8 = 2;
/// The payload was not written by this run (no magic, or another run id): session and sequence mean nothing.
pub const FLAG_FOREIGN: u8 = 4;
/// An observation that a node answered about itself, or a position reset that the client announced.
pub const FLAG_SELF: u8 = 8;

/// Detail of an [`EventKind::Revoked`] whose destination was lost, not given back.
pub const REVOKED_LOST: u32 = 1;

/// One thing that happened to one worker at one moment.
///
/// The worker is that of the file (stream) the event stands in. `time_ns` is zero only in
/// an event that was never finished; a reader stops there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Event {
    /// Nanoseconds of CLOCK_MONOTONIC, or of the simulated clock. Never zero in a finished event.
    pub time_ns: u64,
    /// Offset in the destination, or what the kind says.
    pub offset: u64,
    /// Producer session of the message, or what the kind says.
    pub session: u32,
    /// Sequence of the message inside its producer session, from 0 without gaps.
    pub sequence: u32,
    /// What the kind says.
    pub detail: u32,
    /// Index into [`crate::RunManifest::destinations`].
    pub destination: u16,
    /// An [`EventKind`] as a number; a reader meets unknown ones in damaged files.
    pub kind: u8,
    /// `FLAG_*`.
    pub flags: u8,
}

const _: () = assert!(size_of::<Event>() == 32);

impl Event {
    /// An event of `kind` that names no message, offset or destination yet.
    pub const fn new(kind: EventKind) -> Self {
        Self {
            time_ns: 0,
            offset: NO_OFFSET,
            session: NO_SESSION,
            sequence: NO_SEQUENCE,
            detail: NO_NODE,
            destination: NO_DESTINATION,
            kind: kind as u8,
            flags: 0,
        }
    }

    /// Names the message.
    pub const fn message(mut self, session: u32, sequence: u32) -> Self {
        self.session = session;
        self.sequence = sequence;
        self
    }

    /// Names the destination.
    pub const fn destination(mut self, destination: u16) -> Self {
        self.destination = destination;
        self
    }

    /// Sets the offset.
    pub const fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets the detail.
    pub const fn detail(mut self, detail: u32) -> Self {
        self.detail = detail;
        self
    }

    /// Adds flags.
    pub const fn flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    /// Sets the time; recorders do this, importers and tests may.
    pub const fn at(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// The kind, or nothing where the number is none this version knows.
    pub const fn kind(&self) -> Option<EventKind> {
        EventKind::from_number(self.kind)
    }

    /// Whether every bit of `flags` is set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $label:literal;)+) => {
        /// What happened. Numbers are part of the file format and never change their meaning.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $($(#[$doc])* $name = $number,)+ }

        impl EventKind {
            /// Every kind, in the order of its number.
            pub const ALL: &[EventKind] = &[$(EventKind::$name),+];

            /// The kind with this number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }

            /// The name used in exports: lower case, hyphens.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }
        }
    };
}

event_kinds! {
    /// Before the client call. `detail`: the key; `destination`: where it is sent.
    SendInvoked = 1, "send-invoked";
    /// The broker acknowledged. `offset`: where it landed; `detail`: the node that acked.
    SendAcked = 2, "send-acked";
    /// The client took it and the configuration asks for no acknowledgement.
    SendSent = 3, "send-sent";
    /// Certainly not stored. `detail`: an `adapters/broker` reason number.
    SendFailed = 4, "send-failed";
    /// May be stored. `detail`: an `adapters/broker` reason number.
    SendUnknown = 5, "send-unknown";
    /// Handed to the application. `offset`, `destination`; flags redelivered, corrupt, foreign.
    Delivered = 6, "delivered";
    /// The handler started.
    Processing = 7, "processing";
    /// The handler finished.
    Processed = 8, "processed";
    /// A settle (ack, nack, reject, commit) is about to be asked for. `detail`: a settle number.
    SettleInvoked = 9, "settle-invoked";
    /// The settle was confirmed. For commits `offset` is the committed offset.
    SettleOk = 10, "settle-ok";
    /// The settle failed, or its outcome is unknown. `detail`: reason.
    SettleFailed = 11, "settle-failed";
    /// The worker reads `destination` from `offset` from now on.
    Assigned = 12, "assigned";
    /// The worker no longer reads `destination`. `detail`: 1 when it was lost (the group had gone on without the worker,
    /// and others may read it already), else it was given back.
    Revoked = 13, "revoked";
    /// The position moved other than by reading. `offset`: the new one; flag SELF when the client announced it, else
    /// it was inferred from what was read.
    PositionReset = 14, "position-reset";
    /// The subscriber is owed what is sent from now on.
    Subscribed = 15, "subscribed";
    /// The subscriber is owed nothing from now on.
    Unsubscribed = 16, "unsubscribed";
    /// `detail`: transaction number of the session.
    TransactionBegin = 17, "transaction-begin";
    /// Commit asked for.
    TransactionCommit = 18, "transaction-commit";
    /// Abort asked for.
    TransactionAbort = 19, "transaction-abort";
    /// `detail`: transaction number; `offset`: 0 committed, 1 aborted, 2 unknown.
    TransactionOutcome = 20, "transaction-outcome";
    /// First event of every worker.
    WorkerStarted = 21, "worker-started";
    /// Recorded by the runner. `detail`: worker; `offset`: signal or exit status; flag SELF when a fault did it.
    WorkerCrashed = 22, "worker-crashed";
    /// `detail`: index of the fault in the manifest.
    FaultStarted = 23, "fault-started";
    /// Evidence: `detail`: fault; `offset`: packets (or frames) its rules have dropped so far.
    FaultDropped = 24, "fault-dropped";
    /// Evidence: `detail`: fault; `offset`: packets that crossed the full cut so far (0 for a cut that holds).
    FaultCrossed = 25, "fault-crossed";
    /// `detail`: fault.
    FaultHealed = 26, "fault-healed";
    /// `detail`: the phase's number in [`crate::manifest::Phase`].
    PhaseEntered = 27, "phase-entered";
    /// Node `session` says: `destination` is led by `detail`, epoch `offset`.
    ObservedLeader = 28, "observed-leader";
    /// Node `session` says: in-sync replicas of `destination` are the node bits of `detail`.
    ObservedIsr = 29, "observed-isr";
    /// Node `session` says: the controller is `detail`, epoch `offset`.
    ObservedController = 30, "observed-controller";
    /// Node `session` says: live members of the cluster are the node bits of `detail`.
    ObservedMembers = 31, "observed-members";
    /// Node `session` says: group `detail` has `offset` members.
    ObservedGroup = 32, "observed-group";
    /// Node `session` was asked and did not answer. `detail`: reason.
    ObservedSilence = 33, "observed-silence";
    /// The audit read this message. `detail`: the replica (node) it was read from.
    AuditRead = 34, "audit-read";
    /// The audit met a control record or another offset that holds no message. `detail`: replica.
    AuditControl = 35, "audit-control";
    /// The audit of `destination` on replica `detail` ended at `offset` (its log end): complete.
    AuditEnd = 36, "audit-end";
    /// The audit of `destination` on replica `detail` starts at `offset` (its log start).
    AuditStart = 37, "audit-start";
    /// The worker ended as it was told to.
    WorkerFinished = 38, "worker-finished";
    /// The producer session of the worker ended with a fatal error; `session`: the old one. `detail`: reason.
    SessionEnded = 39, "session-ended";
    /// The sentinel of `destination` was processed by this worker: it has drained.
    Drained = 40, "drained";
    /// Node `session` is the coordinator: says that group `detail` is coordinated by node `offset`.
    ObservedCoordinator = 41, "observed-coordinator";
    /// Queue depth: `offset`: ready messages; `detail`: unacked ones; `session`: node asked.
    ObservedDepth = 42, "observed-depth";
    /// A message was made into another: it stands in `destination` at `offset`, and what came of it is this worker's
    /// next send, whose sequence is `detail`.
    Transformed = 43, "transformed";
    /// Evidence: `detail`: fault; `offset`: a [`ProcessState`] of node `session`, or of worker `sequence` where no node
    /// is named.
    ProcessState = 44, "process-state";
    /// Evidence: `detail`: fault; `offset`: 1 once the product has confirmed the change it was asked for.
    ChangeApplied = 45, "change-applied";
    /// Node `session` says: `offset` resource alarms are in force, and publishers are held back.
    ObservedAlarms = 46, "observed-alarms";
    /// Node `session` says: it was partitioned from the node bits of `detail`, and that was not put right.
    ObservedPartitioned = 47, "observed-partitioned";
    /// Node `session` coordinates group `detail`: says that it has committed `offset` (exclusive) in `destination`, or
    /// nothing ([`NO_OFFSET`]).
    ObservedCommit = 50, "observed-commit";
    /// Node `session` leads `destination` and says: up to `offset` every transaction has ended (its last stable offset);
    /// `detail`: offsets between there and what is replicated.
    ObservedStable = 60, "observed-stable";
    /// The audit met a message of a transaction that aborted: readers of committed messages are not given it.
    /// `detail`: replica.
    AuditAborted = 61, "audit-aborted";
    /// The audit met a message of a transaction that had not ended. `detail`: replica.
    AuditOpen = 62, "audit-open";
    /// Evidence: `detail`: fault; `offset`: writes that node `session` had not synced and lost to the cut of its power so
    /// far; `sequence`: their bytes in KiB, rounded up.
    WritesDropped = 70, "writes-dropped";
    /// Evidence: `detail`: fault; `offset`: packets its rules have answered with a reset so far.
    FaultReset = 71, "fault-reset";
    /// Evidence: `detail`: fault; `offset`: times so far that a packet had to wait because the bandwidth was used up.
    FaultHeldBack = 72, "fault-held-back";
    /// Evidence: `detail`: fault; `offset`: packets it has delayed so far.
    FaultDelayed = 73, "fault-delayed";
    /// Evidence: `detail`: fault; `offset`: bytes that are free on the disk of node `session`, which the fault filled.
    DiskFree = 75, "disk-free";
    /// Evidence: `detail`: fault; `offset`: writes and syncs of the disk of node `session` that the fault held up so far.
    OperationsHeld = 76, "operations-held";
    /// Evidence: `detail`: fault; `offset`: how far ahead the clock of node `session` was set, milliseconds (two's complement).
    ClockSet = 77, "clock-set";
    /// Node `session` goes by a clock that is ahead of the observer's by `offset` milliseconds (two's complement).
    ObservedClock = 78, "observed-clock";
    /// Evidence: `detail`: fault; `offset`: what the product answered for `destination`, an outcome's number in
    /// `adapters/broker`: 1 done, 2 not needed, 3 refused, 4 of no meaning there.
    ChangeAnswered = 80, "change-answered";
    /// Evidence: `detail`: fault; `offset`: bytes that node `session` had stored and no longer has.
    DataWiped = 81, "data-wiped";
}

/// What a process was doing when it was looked at. Numbers are part of the file format.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessState {
    /// There is none.
    Gone = 0,
    /// It runs.
    Running = 1,
    /// It was told to stand still.
    Stopped = 2,
}
