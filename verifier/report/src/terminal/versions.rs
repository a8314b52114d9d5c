//! One table of the same lanes on several versions of a product.

use comfy_table::{CellAlignment, ContentArrangement, Row, Table};
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};

use super::lanes::{mark_of, style, tone};
use super::page::{Page, Tone};
use super::{MAX_COLUMNS, Style};
use crate::words::{duration, number, share};
use crate::{Document, LaneEntry};

const TITLES: [&str; 9] = ["", "version", "lane", "acked", "lost", "unknown", "twice", "order", "label"];
/// Columns of numbers.
const NUMBERS: [usize; 4] = [3, 4, 5, 6];

/// The table, a row for each lane of each run, with a line of what ran above it.
pub fn versions_table(documents: &[Document], style: Style) -> String {
    let mut page = Page::new(style);
    if let Some(first) = documents.first() {
        let took_ms: u64 = documents.iter().filter_map(|document| document.run.took_ms).sum();
        let faults: Vec<&str> = first.faults.iter().map(|fault| fault.fault.as_str()).collect();
        let faults = if faults.is_empty() { String::from("no fault") } else { faults.join(", ") };
        let title = format!(
            "{} on {} versions \u{b7} {} \u{b7} {faults} \u{b7} took {}",
            first.run.system,
            documents.len(),
            first.run.client,
            duration(took_ms)
        );
        page.paragraph(&title, 2, Tone::Plain);
    }
    page.gap();
    write_rows(documents, &mut page);
    page.gap();
    for document in documents {
        let reasons = document.reasons.join("; ");
        let text = format!("{}: {}. Run {}.", document.run.broker_version, reasons, document.run.id);
        page.paragraph(&text, 2, Tone::Plain);
    }
    page.finish()
}

fn write_rows(documents: &[Document], page: &mut Page) {
    let mut table = Table::new();
    table.load_style(style(page.unicode()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(MAX_COLUMNS as u16);
    table.set_header(Row::from(TITLES));
    for index in NUMBERS {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut tones = Vec::new();
    for document in documents {
        for lane in &document.lanes {
            tones.push(tone(lane.standing.unwrap_or(delivery_claims::Standing::Unshown)));
            table.add_row(Row::from(cells(document, lane, page)));
        }
    }
    let mut tones = tones.into_iter();
    let mut tone = Tone::Plain;
    for line in table.lines() {
        if super::lanes::is_first_line(&line) {
            tone = tones.next().unwrap_or(Tone::Plain);
        }
        page.line(&line, tone);
    }
}

fn cells(document: &Document, lane: &LaneEntry, page: &Page) -> Vec<String> {
    let standing = lane.standing.unwrap_or(delivery_claims::Standing::Unshown);
    let count =
        |kind: FindingKind| lane.findings.iter().find(|found| found.kind == kind).map_or(0, |found| found.count);
    let verdict =
        |guarantee: Guarantee| lane.guarantees.iter().find(|found| found.name == guarantee).map(|found| found.verdict);
    let shown = |seen: u64, text: String, guarantee: Guarantee, none: &str| match verdict(guarantee) {
        _ if seen > 0 => text,
        Some(Verdict::Holds) => none.to_owned(),
        Some(Verdict::Inconclusive) => String::from("?"),
        Some(Verdict::Violated) => String::from("broken"),
        None => String::from("-"),
    };
    let (base, acked) = match lane.acknowledged {
        true => (lane.stats.acked, number(lane.stats.acked)),
        false => (lane.stats.sent_unacknowledged, format!("{} sent", number(lane.stats.sent_unacknowledged))),
    };
    let lost = count(FindingKind::Lost);
    let lost_text = share(lost, base).map_or_else(|| number(lost), |share| format!("{} ({share})", number(lost)));
    let twice = count(FindingKind::StoredTwice) + count(FindingKind::ProcessedTwice);
    let late = count(FindingKind::Reordered);
    vec![
        mark_of(standing, page.unicode()).to_string(),
        page.clean(&document.run.broker_version),
        page.clean(&lane.lane),
        acked,
        shown(lost, lost_text, Guarantee::Durability, "0"),
        number(lane.stats.unknown),
        shown(twice, number(twice), Guarantee::AtMostOnce, "0"),
        shown(late, format!("{} late", number(late)), Guarantee::Ordering, "kept"),
        page.clean(if lane.label.observed.is_empty() { "not shown" } else { &lane.label.observed }),
    ]
}
