//! CSV: one row a lane, appended to a file that many runs share.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use delivery_checks::judgement::{FindingKind, Guarantee};
use delivery_claims::Standing;

use crate::document::took_ms;
use crate::{Exporter, LaneView, Report, ReportError};

/// Kinds of findings that have a column, in the order of the columns.
const FINDINGS: &[FindingKind] = FindingKind::ALL;

/// Measured latencies, by name in the statistics.
const LATENCIES: &[&str] =
    &["send-before", "send-during", "send-after", "end-to-end-before", "end-to-end-during", "end-to-end-after"];

/// Rows with a header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn export(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
        let failed = |cause| ReportError::Write { format: self.name(), cause };
        out.write_all(&rows(report, true).map_err(failed)?).map_err(failed)
    }
}

/// Appends one row a lane to `path`; a new or empty file gets a header first. The rows go out in one write, so that runs
/// which share a file do not tear each other's rows.
///
/// # Errors
/// When the file cannot be used, or has other columns: nothing is then appended.
pub fn append_csv(path: &Path, report: &Report<'_>) -> Result<(), ReportError> {
    let failed = |cause| ReportError::CsvFile { path: path.to_owned(), cause };
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
    let is_new = file.metadata().map_err(failed)?.len() == 0;
    let mut bytes = Vec::new();
    if !is_new {
        check_header(path, &mut file)?;
        if !ends_its_last_line(&mut file).map_err(failed)? {
            bytes.push(b'\n');
        }
    }
    bytes.extend(rows(report, is_new).map_err(failed)?);
    file.write_all(&bytes).map_err(failed)
}

fn check_header(path: &Path, file: &mut File) -> Result<(), ReportError> {
    let failed = |cause| ReportError::CsvFile { path: path.to_owned(), cause };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    // A header of ours is a few kilobytes: more than this of some other file need not be read.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file.take(1 << 16));
    let found = reader.headers().map_err(|error| failed(error.into()))?;
    let wanted = columns();
    let difference =
        (0..found.len().max(wanted.len())).find(|index| found.get(*index) != wanted.get(*index).map(String::as_str));
    let Some(index) = difference else { return Ok(()) };
    let name = |column: Option<&str>| column.map_or_else(|| String::from("nothing"), |name| format!("`{name}`"));
    let difference = format!(
        "column {} is {}, not {}",
        index + 1,
        name(found.get(index)),
        name(wanted.get(index).map(String::as_str))
    );
    Err(ReportError::CsvHeader { path: path.to_owned(), difference })
}

fn ends_its_last_line(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn rows(report: &Report<'_>, with_header: bool) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if with_header {
        writer.write_record(columns())?;
    }
    for lane in report.lanes() {
        writer.write_record(cells(report, lane).into_iter().map(|(_, value)| value))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Column names. A column's place never changes; new ones come last.
fn columns() -> Vec<String> {
    let mut names: Vec<String> = RUN_COLUMNS.iter().chain(LANE_COLUMNS).map(|name| (*name).to_owned()).collect();
    names.extend(FINDINGS.iter().map(|kind| column_name(kind.label())));
    names.extend(Guarantee::ALL.iter().map(|guarantee| column_name(guarantee.label())));
    for name in LATENCIES {
        names.extend(["p50", "p99", "max"].map(|part| format!("{}_{part}_ms", column_name(name))));
    }
    names
}

const RUN_COLUMNS: &[&str] = &[
    "run_id",
    "started_at",
    "tool_version",
    "system",
    "broker_version",
    "client",
    "backend",
    "simulated",
    "timings",
    "tuned",
    "seed",
    "faults",
    "load_ms",
    "took_ms",
    "run_verdict",
];
const LANE_COLUMNS: &[&str] = &[
    "lane",
    "settings",
    "standing",
    "acknowledged",
    "asked_rate_per_s",
    "rate_per_s",
    "sent",
    "acked",
    "sent_unacknowledged",
    "failed",
    "unknown",
    "delivered",
    "processed",
    "stored",
    "exposed",
    "windows",
    "bound",
    "available_during_fault",
    "longest_stall_ms",
    "label_claimed",
    "label_observed",
];

fn column_name(label: &str) -> String {
    label.replace('-', "_")
}

fn cells(report: &Report<'_>, view: LaneView<'_>) -> Vec<(&'static str, String)> {
    let mut values = run_values(report);
    values.extend(lane_values(report, view));
    let names = RUN_COLUMNS.iter().chain(LANE_COLUMNS).copied();
    let mut cells: Vec<(&str, String)> = names.zip(values).collect();
    for kind in FINDINGS {
        cells.push((kind.label(), view.judged.map_or_else(String::new, |judged| judged.count(*kind).to_string())));
    }
    for guarantee in Guarantee::ALL {
        cells.push((guarantee.label(), guarantee_value(view, *guarantee)));
    }
    for name in LATENCIES {
        let measured =
            view.judged.and_then(|judged| judged.stats.latency_ms.get(*name)).filter(|found| found.count > 0);
        for value in [measured.map(|found| found.p50), measured.map(|found| found.p99), measured.map(|found| found.max)]
        {
            cells.push((name, optional(value)));
        }
    }
    cells
}

fn run_values(report: &Report<'_>) -> Vec<String> {
    let manifest = report.manifest;
    let faults = manifest.faults.iter().map(|fault| {
        let shape = if fault.shape.is_empty() { String::new() } else { format!(":{}", fault.shape) };
        format!("{}{shape}@{}ms+{}ms", fault.fault, fault.start_ms, fault.duration_ms)
    });
    vec![
        manifest.run_id.clone(),
        manifest.started_at.clone(),
        manifest.tool_version.clone(),
        manifest.system.clone(),
        manifest.broker_version.clone(),
        manifest.client.clone(),
        manifest.backend.clone(),
        manifest.simulated.to_string(),
        manifest.timings.clone(),
        manifest.tuned.join(" "),
        manifest.seed.to_string(),
        faults.collect::<Vec<_>>().join(","),
        manifest.load_ms.to_string(),
        optional(took_ms(&manifest.status)),
        report.verdict.overall.label().to_owned(),
    ]
}

fn lane_values(report: &Report<'_>, view: LaneView<'_>) -> Vec<String> {
    let LaneView { lane, judged, verdict } = view;
    let stats = judged.map(|judged| judged.stats.clone()).unwrap_or_default();
    vec![
        lane.name.clone(),
        lane.settings.clone(),
        verdict.map_or("", |verdict| standing_name(verdict.standing)).to_owned(),
        lane.acknowledged.to_string(),
        report.manifest.rate_per_s.to_string(),
        stats.rate_per_s.to_string(),
        stats.sent.to_string(),
        stats.acked.to_string(),
        stats.sent_unacknowledged.to_string(),
        stats.failed.to_string(),
        stats.unknown.to_string(),
        stats.delivered.to_string(),
        stats.processed.to_string(),
        stats.stored.to_string(),
        stats.exposed.to_string(),
        stats.windows.to_string(),
        optional(stats.bound),
        optional(judged.and_then(|judged| judged.available_during_fault)),
        judged.map_or(0, |judged| judged.longest_stall_ms).to_string(),
        verdict.and_then(|verdict| verdict.claimed_label.clone()).unwrap_or_default(),
        judged.map(|judged| judged.label.observed.clone()).unwrap_or_default(),
    ]
}

fn guarantee_value(view: LaneView<'_>, guarantee: Guarantee) -> String {
    use delivery_checks::judgement::Verdict;
    let found = view.judged.and_then(|judged| judged.verdict(guarantee)).map(|found| found.verdict);
    match found {
        None => "",
        Some(Verdict::Holds) => "holds",
        Some(Verdict::Inconclusive) => "inconclusive",
        Some(Verdict::Violated) => "violated",
    }
    .to_owned()
}

const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Broken => "broken",
        Standing::Unshown => "unshown",
        Standing::Documented => "documented",
        Standing::Held => "held",
    }
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
