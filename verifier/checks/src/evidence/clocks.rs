//! What shows that a node went by a clock that a fault had set.

use delivery_history::manifest::Fault;

use crate::context::Context;
use crate::evidence::timeline::FaultWindow;

/// A clock that stands still does so at a whole second, and an answer takes its way: so far off may what is read back be.
const OFF_MS: u64 = 1_500;
/// A clock that ends less than this far off was not wrong enough to tell.
const LEAST_MS: u64 = 2_000;

/// What was read back of one node's clock: when, how far it had gone off since before the fault, how far it was set off.
type Reading = (u64, i64, i64);

/// Why nothing shows that the clocks went wrong as they were set.
pub(crate) fn clock_reasons(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    fault.targets.iter().filter_map(|node| why_not(context, label, *node, window)).collect()
}

fn why_not(context: &Context<'_>, label: &str, node: u32, window: &FaultWindow) -> Option<String> {
    let name = context.host_name(node);
    let (start_ns, end_ns) = window.span_ns()?;
    let readings = readings(context, node, window);
    let third_ns = ((end_ns - start_ns) / 3).max(1);
    let in_third = |third: u64| {
        readings.iter().filter(move |(at_ns, ..)| (at_ns.saturating_sub(start_ns) / third_ns).min(2) == third)
    };
    if (0..3).any(|third| in_third(third).next().is_none()) {
        return Some(format!("the clock of {name} was not read back throughout {label}"));
    }
    let off = readings.iter().find(|(_, read, set)| read.abs_diff(*set) > OFF_MS);
    if let Some((_, read, set)) = off {
        return Some(format!("the clock of {name} was {read} ms off and had been set {set} ms off during {label}"));
    }
    let last = readings.last().map_or(0, |(_, read, _)| read.unsigned_abs());
    (last < LEAST_MS)
        .then(|| format!("the clock of {name} had gone {last} ms off by the end of {label}: too little to tell"))
}

/// `n2 went by a clock that was 3600.0 s ahead`, for each node.
pub(crate) fn clock_words(context: &Context<'_>, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let words = |node: &u32| {
        let (_, read_ms, _) = *readings(context, *node, window).last()?;
        let (by_s, where_to) = (read_ms.unsigned_abs() as f64 / 1e3, if read_ms < 0 { "behind" } else { "ahead" });
        Some(format!("{} went by a clock that was {by_s:.1} s {where_to} in the end", context.host_name(*node)))
    };
    fault.targets.iter().filter_map(words).collect()
}

fn readings(context: &Context<'_>, node: u32, window: &FaultWindow) -> Vec<Reading> {
    let Some((start_ns, end_ns)) = window.span_ns() else { return Vec::new() };
    let before = context.observations.clocks(node, 0, start_ns).last().map_or(0, |(_, ahead_ms)| ahead_ms);
    let set_at = |at_ns: u64| {
        let set = window.clock_set.iter().filter(|(set_ns, of, _)| *of == node && *set_ns <= at_ns);
        set.last().map(|(.., ahead_ms)| *ahead_ms)
    };
    let read = context.observations.clocks(node, start_ns, end_ns);
    read.filter_map(|(at_ns, ahead_ms)| Some((at_ns, ahead_ms - before, set_at(at_ns)?))).collect()
}
