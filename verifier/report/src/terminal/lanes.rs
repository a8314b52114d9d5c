//! A row a lane.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, Table, TableStyle, Width,
};
use delivery_checks::jepsen::Anomaly;
use delivery_checks::judgement::{FindingKind, Guarantee, LaneJudgement, Verdict};
use delivery_claims::Standing;
use unicode_width::UnicodeWidthStr;

use super::MAX_COLUMNS;
use super::headline::{loss_base, lost_count};
use super::page::{Page, Tone};
use crate::words::{number, share};
use crate::{LaneView, Report};

const TITLES: [&str; 9] = ["", "lane", "settings", "acked", "lost", "unknown", "twice", "order", "label"];
/// Columns of numbers.
const NUMBERS: [usize; 4] = [3, 4, 5, 6];
/// Where not even the words have room: numbers wider than this together may be broken over lines.
const MAX_NUMBER_COLUMNS: usize = 50;
/// Blanks around a cell.
const PADDING: usize = 2;
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
    let rows: Vec<Vec<String>> = views.iter().map(|view| cells(view, page)).collect();
    for row in &rows {
        table.add_row(Row::from(row.clone()));
    }
    set_column_widths(&mut table, &rows);
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

/// Numbers stand to the right. No word is broken where all words have room side by side, and no
/// number is parted from its share where that leaves room for the words of the rest.
fn set_column_widths(table: &mut Table, rows: &[Vec<String>]) {
    let is_number = |index: usize| NUMBERS.contains(&index);
    let whole = |index: usize| rows.iter().map(|row| row[index].width()).max().unwrap_or(0);
    let parted = |index: usize| {
        let parts = rows
            .iter()
            .flat_map(|row| if is_number(index) { row[index].split(" (").collect() } else { words(&row[index]) });
        // The parenthesis that parting a number from its share took away.
        parts.map(|part| part.width() + usize::from(is_number(index) && part.ends_with(')'))).max().unwrap_or(0)
    };
    let title = |index: usize| TITLES[index].width();
    let widths = |narrow: bool| -> Vec<usize> {
        let width = |index: usize| if is_number(index) && !narrow { whole(index) } else { parted(index) };
        (0..TITLES.len()).map(|index| width(index).max(title(index)) + PADDING).collect()
    };
    let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= MAX_COLUMNS;
    let chosen = [widths(false), widths(true)].into_iter().find(fits);
    let numbers: usize = NUMBERS.iter().map(|index| whole(*index).max(title(*index))).sum();
    for index in 0..TITLES.len() {
        let Some(column) = table.column_mut(index) else { continue };
        if is_number(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        match chosen.as_ref().map(|widths| u16::try_from(widths[index])) {
            Some(Ok(width)) => drop(column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)))),
            _ if is_number(index) && numbers <= MAX_NUMBER_COLUMNS => {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            _ => {}
        }
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

pub(super) fn style(unicode: bool) -> TableStyle {
    let rule = if unicode { '\u{2500}' } else { '-' };
    TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill(rule))
        .content_lines(ContentLineStyle::none())
}

pub(super) fn is_first_line(line: &str) -> bool {
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

pub(super) fn tone(standing: Standing) -> Tone {
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

/// What stands before a lane.
pub(super) fn mark_of(standing: Standing, in_unicode: bool) -> char {
    let (_, unicode, ascii, _) = MARKS.iter().find(|(mark, ..)| *mark == standing).copied().unwrap_or(MARKS[1]);
    if in_unicode { unicode } else { ascii }
}

fn cells(view: &LaneView<'_>, page: &Page) -> Vec<String> {
    let mark = mark_of(standing(view), page.unicode());
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
    let stored = judged.count(FindingKind::StoredTwice) + judged.count(FindingKind::Jepsen(Anomaly::Duplicate));
    let processed = judged.count(FindingKind::ProcessedTwice);
    if stored > 0 {
        return format!("{} ({} stored)", number(processed), number(stored));
    }
    match judged.verdict(Guarantee::AtMostOnce).map(|found| found.verdict) {
        _ if processed > 0 => number(processed),
        Some(Verdict::Holds) => String::from("0"),
        Some(Verdict::Violated) => String::from("yes"),
        Some(Verdict::Inconclusive) => String::from(UNSHOWN),
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
