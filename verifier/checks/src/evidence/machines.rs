//! What shows that a fault of the machine bit: disks that were full or slow, nodes that were restarted.

use delivery_history::event::ProcessState;
use delivery_history::manifest::Fault;

use crate::context::Context;
use crate::evidence::timeline::{FaultWindow, Look};

/// A disk with less than this free is full, bytes: nothing is stored in less than a page.
const PAGE_BYTES: u64 = 4_096;
/// Of ten looks in each third of the fault's time, so many must find the disk full: what the node itself gives up is there
/// until the next look.
const FULL_OF_TEN: u64 = 9;

/// Looks at the disks a fault filled that found them full, and all of them.
pub(crate) fn full_looks(window: &FaultWindow) -> (u64, u64) {
    let full = window.disk_free.iter().filter(|(_, _, bytes)| *bytes < PAGE_BYTES).count();
    (full as u64, window.disk_free.len() as u64)
}

/// Why nothing shows that the disks were full, and that it mattered; `alarmed`: some node raised an alarm meanwhile.
pub(crate) fn full_reasons(
    context: &Context<'_>,
    label: &str,
    fault: &Fault,
    window: &FaultWindow,
    alarmed: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for node in &fault.targets {
        let name = context.host_name(*node);
        let of_node = window.disk_free.iter().filter(|(_, of, _)| of == node);
        let looks: Vec<(u64, bool)> = of_node.map(|(at_ns, _, bytes)| (*at_ns, *bytes < PAGE_BYTES)).collect();
        let thirds = by_third(window, &looks);
        let full = looks.iter().filter(|(_, full)| *full).count();
        if looks.is_empty() {
            reasons.push(format!("nobody looked whether the disk of {name} was full during {label}"));
        } else if thirds.iter().any(|(full, of)| *of == 0 || full * 10 < of * FULL_OF_TEN) {
            reasons.push(format!(
                "the disk of {name} was full at {full} of {} looks during {label}: not throughout",
                looks.len()
            ));
        }
        let ended = window.looks.iter().any(|look| look.node == Some(*node) && is(look, ProcessState::Gone));
        if !ended && !alarmed {
            reasons.push(format!(
                "{name} neither ended nor raised an alarm during {label}: nothing shows that it wanted the space"
            ));
        }
    }
    reasons
}

/// How many of them were true, of how many, in each third of the fault's time.
fn by_third(window: &FaultWindow, looks: &[(u64, bool)]) -> [(u64, u64); 3] {
    let mut thirds = [(0, 0); 3];
    let Some((start_ns, end_ns)) = window.span_ns() else { return thirds };
    let third_ns = ((end_ns - start_ns) / 3).max(1);
    for (at_ns, is_so) in looks {
        let third = (at_ns.saturating_sub(start_ns) / third_ns).min(2) as usize;
        thirds[third].0 += u64::from(*is_so);
        thirds[third].1 += 1;
    }
    thirds
}

/// Operations that were held up on one node, or on all, in each third of the fault's time.
pub(crate) fn held_by_third(window: &FaultWindow, node: Option<u32>) -> [u64; 3] {
    let mut sum = [0; 3];
    for (of, samples) in &window.held {
        if node.is_none_or(|node| node == *of) {
            let thirds = window.growth_by_third(samples);
            sum.iter_mut().zip(thirds).for_each(|(sum, third)| *sum += third);
        }
    }
    sum
}

/// Why nothing shows that the disks were slow.
pub(crate) fn slow_reasons(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let mut reasons = Vec::new();
    for node in &fault.targets {
        let name = context.host_name(*node);
        let [first, second, last] = held_by_third(window, Some(*node));
        if [first, second, last] == [0; 3] {
            reasons.push(format!("{label} held up no write or sync of {name}: there was nothing to bite"));
        } else if [first, second, last].contains(&0) {
            reasons.push(format!(
                "{label} did not hold up {name} throughout: {first}, {second} and {last} writes and syncs in the thirds of its time"
            ));
        }
    }
    reasons
}

/// Why nothing shows that every node was restarted, one after the other.
pub(crate) fn restart_reasons(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut spans: Vec<(u64, u64, String)> = Vec::new();
    for node in &fault.targets {
        let name = context.host_name(*node);
        let looks: Vec<&Look> = window.looks.iter().filter(|look| look.node == Some(*node)).collect();
        match gone_span_ns(&looks) {
            None => reasons.push(format!("{name} was never seen gone during {label}: its turn did not come in time")),
            Some((from_ns, to_ns)) => {
                if !came_back(&looks, to_ns) {
                    reasons.push(format!("{name} was not seen to come back during {label}"));
                }
                spans.push((from_ns, to_ns, name));
            }
        }
    }
    spans.sort();
    for pair in spans.windows(2) {
        if pair[1].0 <= pair[0].1 {
            reasons.push(format!(
                "{} and {} were gone at once during {label}: not one after the other",
                pair[0].2, pair[1].2
            ));
        }
    }
    reasons
}

/// Nodes that were gone and came back.
pub(crate) fn restarted(fault: &Fault, window: &FaultWindow) -> u64 {
    let came_back = |node: &&u32| {
        let looks: Vec<&Look> = window.looks.iter().filter(|look| look.node == Some(**node)).collect();
        gone_span_ns(&looks).is_some_and(|(_, to_ns)| came_back(&looks, to_ns))
    };
    fault.targets.iter().filter(came_back).count() as u64
}

fn came_back(looks: &[&Look], gone_until_ns: u64) -> bool {
    looks.iter().any(|look| look.at_ns > gone_until_ns && is(look, ProcessState::Running))
}

/// `n1 had ended after 2.9 s`, for each node that was restarted.
pub(crate) fn restart_words(context: &Context<'_>, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let words = |node: &u32| {
        let looks: Vec<&Look> = window.looks.iter().filter(|look| look.node == Some(*node)).collect();
        let (from_ns, _) = gone_span_ns(&looks)?;
        let after_s = from_ns.saturating_sub(window.started_ns?) as f64 / 1e9;
        Some(format!("{} had ended after {after_s:.1} s", context.host_name(*node)))
    };
    fault.targets.iter().filter_map(words).collect()
}

/// `n1 ended after 0.4 s`, for each node that ended when its disk was full.
pub(crate) fn ended_words(context: &Context<'_>, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let words = |node: &u32| {
        let mut looks = window.looks.iter().filter(|look| look.node == Some(*node));
        let gone = looks.find(|look| is(look, ProcessState::Gone))?;
        let after_s = gone.at_ns.saturating_sub(window.started_ns?) as f64 / 1e9;
        Some(format!("{} had ended by itself after {after_s:.1} s", context.host_name(*node)))
    };
    fault.targets.iter().filter_map(words).collect()
}

/// First and last look that found it gone.
fn gone_span_ns(looks: &[&Look]) -> Option<(u64, u64)> {
    let gone = || looks.iter().filter(|look| is(look, ProcessState::Gone)).map(|look| look.at_ns);
    gone().min().zip(gone().max())
}

fn is(look: &Look, state: ProcessState) -> bool {
    look.state == state as u64
}
