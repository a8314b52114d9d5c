//! One line that says what ran: product, client, fault, timings, time taken.

use delivery_history::WorkerMachine;
use delivery_history::manifest::{Fault, RunManifest, RunStatus};
use delivery_history::plain::manifest::FILE_BACKEND;

use super::page::{Page, Tone};
use crate::Report;
use crate::words::{counted, duration};

pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    page.paragraph(&what_ran(report), 2, Tone::Plain);
}

/// Product, client, fault, timings, time taken.
pub(crate) fn what_ran(report: &Report<'_>) -> String {
    let manifest = report.manifest;
    if manifest.backend == FILE_BACKEND {
        return what_was_recorded(report);
    }
    let mut parts = Vec::new();
    if manifest.simulated {
        parts.push(String::from("SIMULATED"));
    }
    parts.push(format!("{} {}", manifest.system, manifest.broker_version));
    parts.push(manifest.client.clone());
    parts.push(format!("{} ({})", counted(manifest.nodes.len(), "node"), manifest.backend));
    parts.extend(machines(manifest));
    parts.push(faults(report));
    parts.push(timings(report));
    parts.push(match &manifest.status {
        RunStatus::Running => String::from("did not finish"),
        RunStatus::Finished { took_ms } => format!("took {}", duration(*took_ms)),
        RunStatus::CutShort { took_ms, .. } => format!("CUT SHORT after {}", duration(*took_ms)),
    });
    parts.join(" \u{b7} ")
}

/// Of a history that others recorded only the file is known.
fn what_was_recorded(report: &Report<'_>) -> String {
    let manifest = report.manifest;
    let mut parts = vec![format!("{} ({} format)", manifest.run_id, manifest.system)];
    parts.push(String::from("recorded by others"));
    parts.push(if manifest.faults.is_empty() { String::from("no fault declared") } else { faults(report) });
    if let RunStatus::Finished { took_ms } = manifest.status {
        parts.push(format!("covers {}", duration(took_ms)));
    }
    parts.join(" \u{b7} ")
}

fn faults(report: &Report<'_>) -> String {
    if report.manifest.faults.is_empty() {
        return String::from("no fault");
    }
    let planned: Vec<(String, u64)> = report.manifest.faults.iter().enumerate().map(planned_as(report)).collect();
    let series = planned.chunk_by(|one, next| one.0 == next.0).map(|series| match series {
        [(name, length_ms)] => format!("{name} for {}", duration(*length_ms)),
        [(name, first_ms), ..] => format!("{} times {name} for about {}", series.len(), duration(*first_ms)),
        [] => String::new(),
    });
    series.collect::<Vec<_>>().join(", ")
}

/// Name and length of a fault: as it was, or as planned where it never ended.
fn planned_as(report: &Report<'_>) -> impl Fn((usize, &Fault)) -> (String, u64) {
    |(index, fault)| {
        let name =
            if fault.shape.is_empty() { fault.fault.clone() } else { format!("{}:{}", fault.fault, fault.shape) };
        let lasted_ms = report.judgement.faults.get(index).map_or(0, |judged| judged.lasted_ms);
        (name, if lasted_ms > 0 { lasted_ms } else { fault.duration_ms })
    }
}

/// Where clients were, if not on the runner's machine, and how well their clocks agree with its own.
fn machines(manifest: &RunManifest) -> Option<String> {
    let worst_ns = manifest.machines.iter().map(WorkerMachine::error_ns).max()?;
    let machines = counted(manifest.machines.len(), "machine");
    Some(match worst_ns {
        u64::MAX => format!("clients on {machines} whose clocks were not compared to the end"),
        known => format!("clients on {machines}, clocks to within {:.1} ms", known as f64 / 1e6),
    })
}

fn timings(report: &Report<'_>) -> String {
    let manifest = report.manifest;
    if manifest.tuned.is_empty() {
        return format!("{} timings", manifest.timings);
    }
    format!("{} timings ({})", manifest.timings, manifest.tuned.join(", "))
}
