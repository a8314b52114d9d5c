//! A row a lane.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, Table, TableStyle,
};
use delivery_checks::judgement::{FindingKind, Guarantee, LaneJudgement, Verdict};
use delivery_claims::Standing;

use super::MAX_COLUMNS;
use super::headline::{loss_base, lost_count};
use super::page::{Page, Tone};
use crate::words::{number, share};
use crate::{LaneView, Report};

const TITLES: [&str; 9] = ["", "lane", "settings", "acked", "lost", "unknown", "twice", "order", "label"];
/// Columns of numbers.
const NUMBERS: [usize; 4] = [3, 4, 5, 6];
/// Numbers wider than this together may be broken over lines.
const MAX_NUMBER_COLUMNS: u32 = 50;
/// Where nothing was judged, or nothing applies.
const NOT_APPLICABLE: &str = "-";
/// Not shown.
const UNSHOWN: &str = "?";

pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    let views: Vec<LaneView<'_>> = report.lanes().collect();
    let mut table = Table::new();
    table.load_style(style(page.unicode()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(MAX_COLUMNS as u16);
    table.set_header(Row::from(TITLES));
    for view in &views {
        table.add_row(Row::from(cells(view, page)));
    }
    set_number_columns(&mut table);
    let mut tones = views.iter().map(|view| tone(standing(view)));
    let mut tone = Tone::Plain;
    for line in table.lines() {
        // The mark stands in the first line of a row only; that is where the next lane begins.
        if is_first_line(&line) {
            tone = tones.next().unwrap_or(Tone::Plain);
        }
        page.line(&line, tone);
    }
    write_legend(&views, page);
}

/// Numbers stand to the right, and whole while they are of a size that leaves room for the rest.
fn set_number_columns(table: &mut Table) {
    let widths = table.column_max_content_widths();
    let sum: u32 = NUMBERS.iter().filter_map(|index| widths.get(*index)).map(|width| u32::from(*width)).sum();
    for index in NUMBERS {
        let Some(column) = table.column_mut(index) else { continue };
        column.set_cell_alignment(CellAlignment::Right);
        if sum <= MAX_NUMBER_COLUMNS {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

fn style(unicode: bool) -> TableStyle {
    let rule = if unicode { '\u{2500}' } else { '-' };
    TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill(rule))
        .content_lines(ContentLineStyle::none())
}

fn is_first_line(line: &str) -> bool {
    line.chars().nth(1).is_some_and(|c| MARKS.iter().any(|(_, unicode, ascii, _)| c == *unicode || c == *ascii))
}

/// Standing, its mark, its mark in ASCII, and what the legend says of it.
const MARKS: [(Standing, char, char, &str); 4] = [
    (Standing::Broken, '\u{2717}', 'X', "broken: promised, required or undocumented"),
    (Standing::Unshown, '?', '?', "not shown"),
    (Standing::Documented, '!', '!', "documented by the vendor"),
    (Standing::Held, '\u{2713}', '+', "held"),
];

fn standing(view: &LaneView<'_>) -> Standing {
    view.verdict.map_or(Standing::Unshown, |verdict| verdict.standing)
}

fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::Broken => Tone::Broken,
        Standing::Unshown => Tone::Unshown,
        Standing::Documented => Tone::Documented,
        Standing::Held => Tone::Held,
    }
}

fn write_legend(views: &[LaneView<'_>], page: &mut Page) {
    let used = MARKS.iter().filter(|(mark, ..)| views.iter().any(|view| standing(view) == *mark));
    let parts: Vec<String> = used
        .map(|(_, unicode, ascii, meaning)| format!("{} {meaning}", if page.unicode() { unicode } else { ascii }))
        .collect();
    page.paragraph(&format!(" {}", parts.join("   ")), 1, Tone::Plain);
}

fn cells(view: &LaneView<'_>, page: &Page) -> Vec<String> {
    let (_, unicode, ascii, _) = MARKS.iter().find(|(mark, ..)| *mark == standing(view)).copied().unwrap_or(MARKS[1]);
    let mark = if page.unicode() { unicode } else { ascii };
    let mut cells = vec![mark.to_string(), page.clean(&view.lane.name), page.clean(&view.lane.settings)];
    match view.judged {
        Some(judged) => cells.extend([
            acked(view, judged),
            lost(view, judged),
            number(judged.stats.unknown),
            twice(judged),
            order(judged),
            page.clean(&label(judged)),
        ]),
        None => cells.extend(std::iter::repeat_n(String::from(NOT_APPLICABLE), TITLES.len() - 3)),
    }
    cells
}

fn acked(view: &LaneView<'_>, judged: &LaneJudgement) -> String {
    if view.lane.acknowledged {
        number(judged.stats.acked)
    } else {
        format!("{} sent", number(judged.stats.sent_unacknowledged))
    }
}

/// None lost is a claim too: it is printed only where durability was shown to hold.
fn lost(view: &LaneView<'_>, judged: &LaneJudgement) -> String {
    let lost = lost_count(view);
    if lost > 0 {
        let share = share(lost, loss_base(view)).map_or_else(String::new, |share| format!(" ({share})"));
        return format!("{}{share}", number(lost));
    }
    match judged.verdict(Guarantee::Durability).map(|found| found.verdict) {
        Some(Verdict::Holds) => String::from("0"),
        Some(_) => String::from(UNSHOWN),
        None => String::from(NOT_APPLICABLE),
    }
}

fn twice(judged: &LaneJudgement) -> String {
    let (processed, stored) = (judged.count(FindingKind::ProcessedTwice), judged.count(FindingKind::StoredTwice));
    if stored > 0 {
        return format!("{} ({} stored)", number(processed), number(stored));
    }
    match judged.verdict(Guarantee::AtMostOnce).map(|found| found.verdict) {
        _ if processed > 0 => number(processed),
        Some(Verdict::Holds) => String::from("0"),
        Some(_) => String::from(UNSHOWN),
        None => String::from(NOT_APPLICABLE),
    }
}

fn order(judged: &LaneJudgement) -> String {
    let reordered = judged.count(FindingKind::Reordered);
    match judged.verdict(Guarantee::Ordering).map(|found| found.verdict) {
        _ if reordered > 0 => format!("{} late", number(reordered)),
        Some(Verdict::Holds) => String::from("kept"),
        Some(Verdict::Inconclusive) => String::from(UNSHOWN),
        Some(Verdict::Violated) => String::from("broken"),
        None => String::from(NOT_APPLICABLE),
    }
}

fn label(judged: &LaneJudgement) -> String {
    if judged.label.observed.is_empty() { String::from("not shown") } else { judged.label.observed.clone() }
}
