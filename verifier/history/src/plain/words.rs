//! Words for the numbers events carry. Reasons and settles are numbered by the broker traits, which know nothing of
//! this format; a test holds the two against each other.

use crate::event::EventKind;
use crate::manifest::Phase;

/// Reasons a send or a settle did not succeed: number and word.
pub const REASONS: &[(u32, &str)] = &[
    (1, "queue-full"),
    (2, "too-large"),
    (3, "not-authorised"),
    (4, "returned"),
    (5, "rejected"),
    (6, "not-connected"),
    (20, "timed-out"),
    (21, "transport"),
    (22, "not-leader"),
    (23, "nack"),
    (24, "purged"),
    (25, "fatal"),
    (26, "not-enough-replicas"),
    (27, "fenced"),
    (28, "other"),
    (29, "cancelled"),
    (30, "not-found"),
    (40, "unknown-member"),
    (41, "illegal-generation"),
    (42, "fenced-instance"),
    (43, "stale-epoch"),
    (44, "rebalancing"),
    (45, "assignment-lost"),
    (46, "poll-exceeded"),
    (60, "producer-fenced"),
    (61, "aborted"),
];

/// Settles: number and word.
pub const SETTLES: &[(u32, &str)] =
    &[(1, "ack"), (2, "nack-requeue"), (3, "reject"), (4, "commit"), (5, "reject-requeue"), (6, "nack-drop")];

/// What an event's `detail` says, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The message's key.
    Key,
    /// A node or replica.
    Node,
    /// A set of nodes, a bit each.
    Nodes,
    /// One of [`REASONS`].
    Reason,
    /// One of [`SETTLES`].
    Settle,
    /// A transaction's number.
    Transaction,
    /// A worker.
    Worker,
    /// A fault.
    Fault,
    /// A phase.
    Phase,
    /// A bare number.
    Number,
}

/// What the `detail` of this kind says.
pub(super) const fn detail_of(kind: EventKind) -> Detail {
    match kind {
        EventKind::SendInvoked => Detail::Key,
        EventKind::SendAcked
        | EventKind::AuditRead
        | EventKind::AuditControl
        | EventKind::AuditAborted
        | EventKind::AuditOpen
        | EventKind::AuditEnd
        | EventKind::AuditStart
        | EventKind::ObservedLeader
        | EventKind::ObservedController => Detail::Node,
        EventKind::SendFailed
        | EventKind::SendUnknown
        | EventKind::SettleFailed
        | EventKind::SessionEnded
        | EventKind::ObservedSilence => Detail::Reason,
        EventKind::SettleInvoked | EventKind::SettleOk => Detail::Settle,
        EventKind::TransactionBegin
        | EventKind::TransactionCommit
        | EventKind::TransactionAbort
        | EventKind::TransactionOutcome => Detail::Transaction,
        EventKind::WorkerCrashed => Detail::Worker,
        EventKind::FaultStarted
        | EventKind::FaultDropped
        | EventKind::FaultCrossed
        | EventKind::FaultHealed
        | EventKind::ProcessState
        | EventKind::ChangeApplied
        | EventKind::FaultReset
        | EventKind::FaultHeldBack
        | EventKind::FaultDelayed
        | EventKind::ChangeAnswered
        | EventKind::DataWiped
        | EventKind::WritesDropped
        | EventKind::DiskFree
        | EventKind::OperationsHeld
        | EventKind::ClockSet => Detail::Fault,
        EventKind::PhaseEntered => Detail::Phase,
        EventKind::ObservedIsr | EventKind::ObservedMembers | EventKind::ObservedPartitioned => Detail::Nodes,
        _ => Detail::Number,
    }
}

/// Whether the event's `session` is the node that was asked, and no producer session.
pub(super) const fn is_observation(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::ProcessState
            | EventKind::WritesDropped
            | EventKind::DataWiped
            | EventKind::DiskFree
            | EventKind::OperationsHeld
            | EventKind::ClockSet
            | EventKind::ObservedClock
            | EventKind::ObservedAlarms
            | EventKind::ObservedPartitioned
            | EventKind::ObservedLeader
            | EventKind::ObservedIsr
            | EventKind::ObservedController
            | EventKind::ObservedMembers
            | EventKind::ObservedGroup
            | EventKind::ObservedSilence
            | EventKind::ObservedCoordinator
            | EventKind::ObservedDepth
            | EventKind::ObservedStable
            | EventKind::ObservedCommit
    )
}

/// The word for a number.
pub(super) fn word(table: &'static [(u32, &'static str)], number: u32) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == number).map(|(_, word)| *word)
}

/// The number for a word.
pub(super) fn number(table: &[(u32, &str)], word: &str) -> Option<u32> {
    table.iter().find(|(_, known)| *known == word).map(|(number, _)| *number)
}

/// The phase of that name.
pub(super) fn phase(name: &str) -> Option<Phase> {
    Phase::ALL.into_iter().find(|phase| phase.label() == name)
}

/// The kind of that name.
pub(super) fn kind(label: &str) -> Option<EventKind> {
    EventKind::ALL.iter().copied().find(|kind| kind.label() == label)
}
