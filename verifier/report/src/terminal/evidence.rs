//! What the faults really did, who took writes meanwhile, and how much that shows.

use delivery_checks::judgement::{FaultJudgement, Recovery, SideWrites};
use delivery_history::plain::manifest::FILE_BACKEND;

use super::page::{Page, Tone};
use crate::words::{counted, duration, number, percent};
use crate::{LaneView, Report};

/// Observations printed for one fault; the rest is in the document.
const MAX_OBSERVATIONS: usize = 3;

/// One paragraph a fault; those of a series that went as they should share one.
pub(super) fn write_faults(report: &Report<'_>, page: &mut Page) {
    for faults in
        report.judgement.faults.chunk_by(|one, next| is_plain(one) && is_plain(next) && one.fault == next.fault)
    {
        match faults {
            [fault] => page.paragraph(&fault_line(fault), 2, Tone::Plain),
            _ => page.paragraph(&series_line(faults), 2, Tone::Plain),
        }
    }
}

/// A fault of clients that bit and healed: there is no more to say of it than of the next.
fn is_plain(fault: &FaultJudgement) -> bool {
    let as_it_should = fault.bit && fault.noticed && fault.healed && fault.reasons.is_empty();
    as_it_should && fault.looks.is_some() && fault.evidence.is_empty()
}

fn series_line(faults: &[FaultJudgement]) -> String {
    let lasted = || faults.iter().map(|fault| fault.lasted_ms);
    let (shortest, longest) = (lasted().min().unwrap_or(0), lasted().max().unwrap_or(0));
    let looks = || faults.iter().filter_map(|fault| fault.looks.as_ref());
    let (seen, of) = looks().fold((0, 0), |sum, looks| (sum.0 + looks.as_expected, sum.1 + looks.of));
    let expected = looks().next().map_or("down", |looks| looks.expected.as_str());
    let ends = [faults.first(), faults.last()].into_iter().flatten().map(|fault| fault.targets.join(", "));
    format!(
        "{} {} times for {} to {}, from {}: {expected} at {} of {} looks.",
        faults[0].fault,
        faults.len(),
        duration(shortest),
        duration(longest),
        ends.collect::<Vec<_>>().join(" to "),
        number(seen),
        number(of)
    )
}

/// What one fault really did, in a sentence.
pub(crate) fn fault_line(fault: &FaultJudgement) -> String {
    let targets = if fault.targets.is_empty() { String::from("nobody") } else { fault.targets.join(", ") };
    let mut parts = vec![proof_text(fault)];
    parts.extend(fault.evidence.iter().take(MAX_OBSERVATIONS).cloned());
    if fault.evidence.len() > MAX_OBSERVATIONS {
        parts.push(format!("{} more observations", fault.evidence.len() - MAX_OBSERVATIONS));
    }
    for (was, said) in [(fault.bit, "DID NOT BITE"), (fault.noticed, "NOT NOTICED"), (fault.healed, "NOT HEALED")] {
        if !was {
            parts.push(said.to_owned());
        }
    }
    parts.extend(fault.reasons.iter().cloned());
    let lasted =
        if fault.lasted_ms > 0 { duration(fault.lasted_ms) } else { String::from("no time that was recorded") };
    format!("{} on {targets} for {lasted}: {}.", fault.fault, parts.join("; "))
}

/// What its own rules counted, what the product said, or what its processes were seen to do.
fn proof_text(fault: &FaultJudgement) -> String {
    if let Some(looks) = &fault.looks {
        let seen = format!("{} at {} of {} looks", looks.expected, number(looks.as_expected), number(looks.of));
        return match fault.writes_lost {
            Some(lost) => {
                format!("{seen}; {} unsynced writes ({} KiB) gone", number(lost.writes), number(lost.kib))
            }
            None => seen,
        };
    }
    if let Some(told) = fault.confirmed {
        let said = format!("confirmed by the product for {} of {} destinations", number(told.done), number(told.of));
        return match told.wiped_kib {
            Some(kib) => format!("{said}; {} KiB that it stored gone", number(kib)),
            None => said,
        };
    }
    if let Some(restarted) = fault.restarted {
        return format!("{restarted} of {} gone and back", counted(fault.targets.len(), "node"));
    }
    if let Some(readings) = fault.clock_readings {
        return format!("its clock was read back {} times", number(readings));
    }
    if let Some(calls) = &fault.hook {
        return if calls.is_empty() { String::from("no call of the fault hook was recorded") } else { calls.clone() };
    }
    if let Some(held) = fault.operations_held {
        let ([first, second, third], all) = (held.map(number), number(held.iter().sum()));
        return format!("{all} writes and syncs held up ({first} / {second} / {third} by third)");
    }
    if let Some(hit) = &fault.packets_hit {
        let others = [(fault.packets_dropped, "dropped"), (fault.packets_crossed, "crossed")];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        let mut parts = vec![packets(hit.count, &hit.how, hit.by_third)];
        parts.extend(others.map(|(count, done)| format!("{} {done}", number(count))));
        return parts.join(", ");
    }
    let dropped = packets(fault.packets_dropped, "dropped", fault.dropped_by_third);
    format!("{dropped}, {} crossed", number(fault.packets_crossed))
}

fn packets(count: u64, done: &str, by_third: [u64; 3]) -> String {
    let [first, second, third] = by_third.map(number);
    format!("{} packets {done} ({first} / {second} / {third} by third)", number(count))
}

/// Writes accepted during the cut, by side.
pub(super) fn write_sides(report: &Report<'_>, page: &mut Page) {
    let with_sides: Vec<LaneView<'_>> =
        report.lanes().filter(|view| view.judged.is_some_and(|judged| !judged.label.sides.is_empty())).collect();
    if with_sides.is_empty() {
        return;
    }
    page.paragraph("Writes accepted during the cut (from detection to heal in brackets):", 2, Tone::Plain);
    for view in with_sides {
        if !view.lane.acknowledged {
            let text = format!("  {}: no acknowledgement is asked for, so nobody says who accepted", view.lane.name);
            page.paragraph(&text, 4, Tone::Plain);
            continue;
        }
        let sides: Vec<String> =
            view.judged.map_or(Vec::new(), |judged| judged.label.sides.iter().map(side_text).collect());
        page.paragraph(&format!("  {}: {}", view.lane.name, sides.join("; ")), 4, Tone::Plain);
    }
}

fn side_text(side: &SideWrites) -> String {
    let tried = if side.attempts > 0 { format!(" of {} tried there", number(side.attempts)) } else { String::new() };
    format!("{} {} ({}{tried})", side.side, number(side.acks_during_fault), number(side.acks))
}

/// Measured, not judged: the share of the fault's time with sends acked, the longest stall, and how long sends took.
pub(super) fn write_availability(report: &Report<'_>, page: &mut Page) {
    let lines: Vec<String> = report.lanes().filter_map(|view| availability_text(&view)).collect();
    if lines.is_empty() {
        return;
    }
    page.paragraph("Availability (send latency as p50 / p99 / max in ms):", 2, Tone::Plain);
    for line in lines {
        page.paragraph(&format!("  {line}"), 4, Tone::Plain);
    }
}

fn availability_text(view: &LaneView<'_>) -> Option<String> {
    let judged = view.judged?;
    let mut parts = Vec::new();
    if let Some(share) = judged.available_during_fault {
        parts.push(format!("acks in {} of the fault's time", percent(share)));
        parts.push(format!("longest stall {}", duration(judged.longest_stall_ms)));
    }
    parts.extend(sides_text(&judged.label.sides));
    parts.extend(comeback_text(&judged.recovery));
    for part in ["before", "during", "after"] {
        let measured = judged.stats.latency_ms.get(&format!("send-{part}")).filter(|found| found.count > 0);
        if let Some(found) = measured {
            parts.push(format!("{part} {:.1} / {:.1} / {:.1}", found.p50, found.p99, found.max));
        }
    }
    (!parts.is_empty()).then(|| format!("{}: {}", view.lane.name, parts.join("; ")))
}

/// `leader side (n2) 0.0 %, majority side (n1, n3) 66.7 %`.
fn sides_text(sides: &[SideWrites]) -> Option<String> {
    let measured = sides.iter().filter_map(|side| Some(format!("{} {}", side.side, percent(side.available?))));
    let measured: Vec<String> = measured.collect();
    (!measured.is_empty()).then(|| measured.join(", "))
}

/// The longest it took to come back after any heal.
fn comeback_text(recovery: &[Recovery]) -> Option<String> {
    let longest = |of: fn(&Recovery) -> Option<u64>| {
        let all: Option<Vec<u64>> = recovery.iter().map(of).collect();
        all.and_then(|all| all.into_iter().max())
    };
    let first_ack = longest(|one| one.first_ack_ms).map(|time_ms| format!("first ack {}", duration(time_ms)));
    let caught_up = longest(|one| one.caught_up_ms).map(|time_ms| format!("caught up {}", duration(time_ms)));
    let told: Vec<String> = [first_ack, caught_up].into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("after the heal: {}", told.join(", ")))
}

/// How strong the evidence is: windows that bit, sends exposed to them, and what no loss in them bounds.
pub(super) fn write_strength(report: &Report<'_>, page: &mut Page) {
    if report.manifest.backend == FILE_BACKEND && report.manifest.faults.is_empty() {
        page.titled("Strength of the evidence", "no fault is declared, so nothing is shown about any.");
        return;
    }
    if report.manifest.faults.is_empty() {
        page.titled("Strength of the evidence", "no fault was injected, so nothing is shown about any.");
        return;
    }
    let mut groups: Vec<(u64, Vec<LaneView<'_>>)> = Vec::new();
    for view in report.lanes() {
        let Some(judged) = view.judged else { continue };
        match groups.iter_mut().find(|(windows, _)| *windows == judged.stats.windows) {
            Some((_, lanes)) => lanes.push(view),
            None => groups.push((judged.stats.windows, vec![view])),
        }
    }
    for (windows, lanes) in groups {
        page.titled("Strength of the evidence", &strength_text(windows, &lanes));
    }
}

fn strength_text(windows: u64, lanes: &[LaneView<'_>]) -> String {
    let exposed = |view: &LaneView<'_>| {
        let count = view.judged.map_or(0, |judged| judged.stats.exposed);
        format!("{} {}", view.lane.name, number(count))
    };
    let exposed = lanes.iter().map(exposed).collect::<Vec<_>>().join(", ");
    if windows == 0 {
        return format!("no fault window that bit; sends exposed: {exposed}.");
    }
    let shown = counted(usize::try_from(windows).unwrap_or(usize::MAX), "fault window");
    let start = format!("{shown} that bit; sends exposed: {exposed}.");
    let bounds = lanes.iter().filter_map(|view| Some((view, view.judged?.stats.bound?)));
    let (without_loss, bounds): (Vec<&str>, Vec<f64>) =
        bounds.map(|(view, bound)| (view.lane.name.as_str(), bound)).unzip();
    match bounds.first() {
        Some(bound) => format!(
            "{start} No loss in {}: at most {} of such windows lose messages (95 % confidence).",
            without_loss.join(", "),
            percent(*bound)
        ),
        None => start,
    }
}
