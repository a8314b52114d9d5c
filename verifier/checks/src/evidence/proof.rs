//! What shows that a fault did what it is named for, throughout its time.

use delivery_history::event::ProcessState;
use delivery_history::manifest::{BiteProof, Fault};
use delivery_history::{Event, EventKind};

use crate::context::Context;
use crate::evidence::change::{is_change, why_not_made};
use crate::evidence::clocks::clock_reasons;
use crate::evidence::machines::{full_looks, full_reasons, restart_reasons, slow_reasons};
use crate::evidence::packets::{counts_packets, packet_reasons};
use crate::evidence::timeline::{FaultWindow, Look};
use crate::judgement::{ProcessLooks, WritesLost};

/// A process that was killed takes the kernel this long to take down, where it is large and the machine busy.
const DYING_NS: u64 = 1_000_000_000;
/// A client that did nothing for this long before a fault was not at work.
const AT_WORK_NS: u64 = 2_000_000_000;

/// Why nothing shows that the fault bit; empty when it did.
pub(crate) fn why_not_bit(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    match (window.started_ns, window.healed_ns) {
        (None, _) => return vec![format!("{label} never started")],
        (Some(_), None) => return vec![format!("{label} was never healed: how long it lasted is not known")],
        (Some(start_ns), Some(healed_ns)) if healed_ns < start_ns => {
            return vec![format!("{label} was healed before it started: the recording is damaged")];
        }
        _ => {}
    }
    let mut reasons = Vec::new();
    if fault.targets.is_empty() && fault.workers.is_empty() {
        reasons.push(format!("{label} hit nobody"));
    }
    match fault.bites_by {
        BiteProof::PacketsDropped
        | BiteProof::PacketsReset
        | BiteProof::PacketsHeldBack
        | BiteProof::PacketsDelayed => reasons.extend(packet_reasons(label, fault, window)),
        BiteProof::ChangeApplied if window.applied_ns.is_none() => {
            reasons.push(format!("{label} was never confirmed by the product while it was on"));
        }
        // What shows it is looked at by itself, with the calls of the command.
        BiteProof::ChangeApplied | BiteProof::HookFelt => {}
        BiteProof::LeaderMoved | BiteProof::UncleanElected | BiteProof::ReplicasMoved | BiteProof::MemberLeft => {
            reasons.extend(why_not_made(label, fault, window));
        }
        BiteProof::DiskFull => {
            let span_ns = window.span_ns();
            let alarm =
                span_ns.and_then(|(from_ns, to_ns)| context.observations.alarm_raised(u64::MAX, from_ns, to_ns));
            reasons.extend(full_reasons(context, label, fault, window, alarm.is_some()));
        }
        BiteProof::ClockShifted => reasons.extend(clock_reasons(context, label, fault, window)),
        BiteProof::DiskSlow => reasons.extend(slow_reasons(context, label, fault, window)),
        BiteProof::ProcessRestarted => reasons.extend(restart_reasons(context, label, fault, window)),
        BiteProof::PowerLost => {
            reasons.extend(process_reasons(context, label, fault, window));
            if writes_lost(window).is_none_or(|lost| lost.writes == 0) {
                reasons.push(format!("{label} took nothing away: every write was synced when the power was cut"));
            }
        }
        BiteProof::ProcessGone | BiteProof::ProcessEnded | BiteProof::ProcessStopped | BiteProof::ProcessLimped => {
            reasons.extend(process_reasons(context, label, fault, window));
        }
    }
    reasons
}

/// Every process it hit must have been seen, and every look that counts must have found it down.
fn process_reasons(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let nodes = fault.targets.iter().map(|node| (context.host_name(*node), looks_at_node(window, *node)));
    let clients = fault.workers.iter().map(|worker| (context.worker_name(*worker), looks_at_worker(window, *worker)));
    let mut reasons = Vec::new();
    for (name, looks) in nodes.chain(clients) {
        let (as_expected, of) = count(fault.bites_by, window, &looks);
        let expected = expected_word(fault.bites_by);
        if of == 0 {
            reasons.push(format!("nobody looked whether {name} was {expected} during {label}"));
        } else if fault.bites_by == BiteProof::ProcessLimped {
            if !limped(window, &looks) {
                reasons.push(format!(
                    "{name} was {expected} at {as_expected} of {of} looks during {label}: it did not limp"
                ));
            }
        } else if as_expected < of {
            reasons.push(format!("{name} was {expected} at {as_expected} of {of} looks during {label}"));
        }
    }
    reasons
}

/// Whether a process stood still at half of the looks and more in every third of the fault's time, and not always.
fn limped(window: &FaultWindow, looks: &[&Look]) -> bool {
    let Some((start_ns, end_ns)) = window.span_ns() else { return false };
    let third_ns = ((end_ns - start_ns) / 3).max(1);
    let mut thirds = [(0_u64, 0_u64); 3];
    for look in looks {
        let third = (look.at_ns.saturating_sub(start_ns) / third_ns).min(2) as usize;
        thirds[third].0 += u64::from(look.state == ProcessState::Stopped as u64);
        thirds[third].1 += 1;
    }
    let went_on = looks.iter().any(|look| look.state == ProcessState::Running as u64);
    went_on && thirds.iter().all(|(stopped, of)| *of > 0 && stopped * 2 >= *of)
}

/// Whether it holds processes down, or what they run on.
pub(crate) const fn is_of_processes(proof: BiteProof) -> bool {
    !counts_packets(proof) && !matches!(proof, BiteProof::ChangeApplied | BiteProof::HookFelt) && !is_change(proof)
}

/// All looks at what a fault holds down together; nothing for a fault that holds nothing down.
pub(crate) fn looks(fault: &Fault, window: &FaultWindow) -> Option<ProcessLooks> {
    match fault.bites_by {
        proof if !is_of_processes(proof) => return None,
        BiteProof::DiskSlow | BiteProof::ClockShifted | BiteProof::ProcessRestarted => return None,
        BiteProof::DiskFull => {
            let (as_expected, of) = full_looks(window);
            return Some(ProcessLooks { expected: String::from("full"), as_expected, of });
        }
        _ => {}
    }
    let all: Vec<&Look> = window.looks.iter().collect();
    let (as_expected, of) = count(fault.bites_by, window, &all);
    Some(ProcessLooks { expected: expected_word(fault.bites_by).to_owned(), as_expected, of })
}

/// What the nodes lost of what they had not synced, all together; nothing where nobody counted.
pub(crate) fn writes_lost(window: &FaultWindow) -> Option<WritesLost> {
    let lost = window.writes_lost.values();
    let sum = lost.fold(WritesLost::default(), |sum, (writes, kib)| WritesLost {
        writes: sum.writes + writes,
        kib: sum.kib + kib,
    });
    (!window.writes_lost.is_empty()).then_some(sum)
}

fn looks_at_node(window: &FaultWindow, node: u32) -> Vec<&Look> {
    window.looks.iter().filter(|look| look.node == Some(node)).collect()
}

fn looks_at_worker(window: &FaultWindow, worker: u16) -> Vec<&Look> {
    window.looks.iter().filter(|look| look.worker == Some(worker)).collect()
}

/// Looks that found what was expected, of those that count: who is asked to end may take its time over it, and dying takes
/// a moment, too.
fn count(proof: BiteProof, window: &FaultWindow, looks: &[&Look]) -> (u64, u64) {
    let from_ns = match (proof, window.span_ns()) {
        (BiteProof::ProcessEnded, Some((start_ns, end_ns))) => end_ns - (end_ns - start_ns) / 3,
        (_, Some((start_ns, end_ns))) => start_ns + DYING_NS.min((end_ns - start_ns) / 3),
        _ => 0,
    };
    let expected = match proof {
        BiteProof::ProcessStopped | BiteProof::ProcessLimped => ProcessState::Stopped,
        _ => ProcessState::Gone,
    };
    let counted = || looks.iter().filter(|look| look.at_ns >= from_ns);
    let as_expected = counted().filter(|look| look.state == expected as u64).count();
    (as_expected as u64, counted().count() as u64)
}

const fn expected_word(proof: BiteProof) -> &'static str {
    match proof {
        BiteProof::ProcessStopped | BiteProof::ProcessLimped => "stopped",
        _ => "gone",
    }
}

/// Whether a client was doing its work when the fault hit it: a process that idles loses nothing when it dies.
pub(crate) fn was_at_work(context: &Context<'_>, worker: u16, start_ns: u64) -> bool {
    let stream = context.stream(worker);
    let before = &stream[..stream.partition_point(|event| event.time_ns < start_ns)];
    let works = |event: &Event| {
        let at_work = [EventKind::SendInvoked, EventKind::Delivered, EventKind::Processing, EventKind::Processed];
        event.kind().is_some_and(|kind| at_work.contains(&kind))
    };
    let last = before.iter().rev().find(|event| works(event));
    last.is_some_and(|last| {
        last.kind() == Some(EventKind::Processing) || last.time_ns.saturating_add(AT_WORK_NS) >= start_ns
    })
}
