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

/// One row a lane, under a header where that is wanted.
fn rows(report: &Report<'_>, with_header: bool) -> std::io::Result<Vec<u8>> {
    lines(report.lanes().map(|lane| cells(report, lane)), with_header)
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>, with_header: bool) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if with_header {
        writer.write_record(columns())?;
    }
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Column names. A column's place never changes; new ones come last.
fn columns() -> Vec<String> {
    columns_described().into_iter().map(|(name, _)| name).collect()
}

/// Every column with what stands in it, in their order.
pub(crate) fn columns_described() -> Vec<(String, String)> {
    let fixed = |(name, about): &Column| ((*name).to_owned(), (*about).to_owned());
    let mut columns: Vec<(String, String)> = RUN_COLUMNS.iter().chain(LANE_COLUMNS).map(fixed).collect();
    columns.extend(FINDINGS.iter().map(|kind| {
        let about = format!("Messages found `{}` (`docs/guarantees.md` defines it).", kind.label());
        (column_name(kind.label()), about)
    }));
    columns.extend(Guarantee::ALL.iter().map(|guarantee| {
        let about =
            format!("`holds`, `violated` or `inconclusive`: {}. Empty where it does not apply.", guarantee.about());
        (column_name(guarantee.label()), about)
    }));
    for name in LATENCIES {
        columns.extend(LATENCY_PARTS.iter().map(|(part, words)| {
            let (what, when) = name.rsplit_once('-').unwrap_or((name, "all"));
            let about = format!("{words} {what} latency of messages sent {when} the faults, milliseconds.");
            (format!("{}_{part}_ms", column_name(name)), about)
        }));
    }
    columns.extend(LAST_COLUMNS.iter().map(fixed));
    columns
}

/// What is told of a latency.
const LATENCY_PARTS: [Column; 3] = [("p50", "Median"), ("p99", "99th percentile of the"), ("max", "Largest")];

/// Name of a column, and what stands in it.
type Column = (&'static str, &'static str);

const RUN_COLUMNS: &[Column] = &[
    ("run_id", "Identity of the run: the name of its directory."),
    ("started_at", "Wall-clock start of the run, RFC 3339."),
    ("tool_version", "Version of `verify`."),
    ("system", "`kafka`, `rabbitmq` or `pubsub`."),
    ("broker_version", "Version of the product, as the running product said where it can."),
    ("client", "Client library and version."),
    ("backend", "Where the cluster ran: `local`, `simulated`."),
    ("simulated", "`true` where no real broker took part."),
    ("timings", "`vendor` or `short`."),
    ("tuned", "Timings that differ from the vendor's."),
    ("seed", "Seed of everything drawn."),
    ("faults", "The schedule: fault, shape, start after the load began, planned length."),
    ("load_ms", "Planned length of the load, milliseconds."),
    ("took_ms", "Wall-clock length of the run, milliseconds; empty where it did not end."),
    ("run_verdict", "`holds`, `violated`, `inconclusive` or `not-judged`, over all lanes of the run."),
];
const LANE_COLUMNS: &[Column] = &[
    ("lane", "Name of the lane: one configuration inside of the run."),
    ("settings", "Its settings, short."),
    ("standing", "`held`, `documented` (violated as the vendor documents), `broken` or `unshown`."),
    (
        "acknowledged",
        "`false` where the configuration asks for no acknowledgement: losses count over `sent_unacknowledged`.",
    ),
    ("asked_rate_per_s", "Messages a second the lane was asked for."),
    ("rate_per_s", "Messages a second it sent."),
    ("sent", "Sends invoked."),
    ("acked", "Sends acked."),
    ("sent_unacknowledged", "Sends the client took, with no ack asked for."),
    ("failed", "Sends that were certainly not stored."),
    ("unknown", "Sends that may be stored."),
    ("delivered", "Deliveries."),
    ("processed", "Handlers that finished."),
    ("stored", "Distinct messages the audit read."),
    ("exposed", "Acked messages that were exposed to a fault window that bit."),
    ("windows", "Fault windows that bit."),
    ("bound", "Largest share of losing windows that no loss in these windows leaves possible, at 95 %."),
    ("available_during_fault", "Share of the fault's time with sends acked, 0 to 1."),
    ("longest_stall_ms", "Longest time without an ack, milliseconds."),
    ("label_claimed", "Label the vendor claims: `CP`, `AP`, `CA`; empty where it claims none."),
    ("label_observed", "Label that was observed."),
];

/// Columns that came later.
const LAST_COLUMNS: &[Column] = &[
    (
        "tool_commit",
        "Commit `verify` was built from, with `-dirty` behind it where its sources differed; empty where unknown.",
    ),
    ("machine", "Cores, memory and kernel of the machine."),
];

fn column_name(label: &str) -> String {
    label.replace('-', "_")
}

fn cells(report: &Report<'_>, view: LaneView<'_>) -> Vec<String> {
    let mut cells = run_values(report);
    cells.extend(lane_values(report, view));
    for kind in FINDINGS {
        cells.push(view.judged.map_or_else(String::new, |judged| judged.count(*kind).to_string()));
    }
    for guarantee in Guarantee::ALL {
        cells.push(guarantee_value(view, *guarantee));
    }
    for name in LATENCIES {
        let measured =
            view.judged.and_then(|judged| judged.stats.latency_ms.get(*name)).filter(|found| found.count > 0);
        let values =
            [measured.map(|found| found.p50), measured.map(|found| found.p99), measured.map(|found| found.max)];
        cells.extend(values.map(optional));
    }
    cells.extend([report.manifest.tool_commit.clone(), report.manifest.machine.clone()]);
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

/// A row as it stands in a file, with what others need to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) run_id: String,
    pub(crate) started_at: String,
    pub(crate) system: String,
    pub(crate) lane: String,
    /// Messages were proved lost.
    pub(crate) lost: bool,
    cells: Vec<String>,
}

/// The rows of a run.
pub(crate) fn rows_of(report: &Report<'_>) -> Vec<Row> {
    let columns = columns();
    report.lanes().map(|lane| Row::of(&columns, cells(report, lane))).collect()
}

/// A file of these rows, with its header.
pub(crate) fn file_of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> std::io::Result<Vec<u8>> {
    lines(rows.into_iter().map(|row| row.cells.clone()), true)
}

/// The rows of a file that this version or an earlier one wrote; what had no column then is empty.
pub(crate) fn read_rows(file: &[u8]) -> Result<Vec<Row>, String> {
    let mut reader = csv::Reader::from_reader(file);
    let found = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns = columns();
    if let Some(unknown) = found.iter().find(|name| !columns.iter().any(|column| column == name)) {
        return Err(format!("this version has no column `{unknown}`"));
    }
    if let Some(missing) = KNOWN_BY.iter().find(|name| !found.iter().any(|column| column == **name)) {
        return Err(format!("it has no column `{missing}`"));
    }
    let places: Vec<Option<usize>> =
        columns.iter().map(|column| found.iter().position(|name| name == column)).collect();
    let row = |record: csv::StringRecord| {
        let cell = |place: &Option<usize>| place.and_then(|place| record.get(place)).unwrap_or_default().to_owned();
        Row::of(&columns, places.iter().map(cell).collect())
    };
    reader.records().map(|record| record.map(row).map_err(|error| error.to_string())).collect()
}

/// What a row is known by.
const KNOWN_BY: [&str; 5] = ["run_id", "started_at", "system", "lane", "lost"];

impl Row {
    fn of(columns: &[String], cells: Vec<String>) -> Self {
        let value = |name: &str| {
            let place = columns.iter().position(|column| column == name);
            place.and_then(|place| cells.get(place)).cloned().unwrap_or_default()
        };
        let [run_id, started_at, system, lane, lost] = KNOWN_BY.map(value);
        Self { run_id, started_at, system, lane, lost: !matches!(lost.as_str(), "" | "0"), cells }
    }
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
