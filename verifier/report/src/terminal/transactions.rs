//! How transactions ended, and who was given what aborted, beside the table.

use delivery_checks::judgement::{FindingKind, TransactionCounts};

use super::page::{Page, Tone};
use crate::Report;
use crate::words::number;

/// One line a lane that works in transactions.
pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    let lanes = report.lanes().filter_map(|view| {
        let judged = view.judged?;
        let (own, beside) = (judged.count(FindingKind::AbortedRead), judged.count(FindingKind::DirtyRead));
        Some((&view.lane.name, line(judged.stats.transactions?, own, beside)))
    });
    let lines: Vec<String> = lanes.map(|(name, words)| format!("{name}: {words}")).collect();
    if lines.is_empty() {
        return;
    }
    page.paragraph("Transactions:", 2, Tone::Plain);
    for line in lines {
        page.paragraph(&format!("  {line}"), 4, Tone::Plain);
    }
}

/// `own`, `beside`: messages of aborted transactions given to the lane's own readers, and to those that read beside.
fn line(ends: TransactionCounts, own: u64, beside: u64) -> String {
    let mut words = format!("{} committed, {} aborted", number(ends.committed), number(ends.aborted));
    if ends.unknown > 0 {
        words.push_str(&format!(", {} nobody knows of", number(ends.unknown)));
    }
    words.push_str(&format!("; aborted messages given to its readers: {}", number(own)));
    if beside > 0 {
        words.push_str(&format!(", to the one beside that asks for uncommitted ones, too: {}", number(beside)));
    }
    words
}

#[cfg(test)]
mod tests {
    use delivery_checks::judgement::TransactionCounts;

    use super::line;

    #[test]
    fn who_was_given_what_aborted_is_told() {
        let told = line(TransactionCounts { committed: 1_200, aborted: 130, unknown: 0 }, 0, 0);
        assert_eq!(told, "1,200 committed, 130 aborted; aborted messages given to its readers: 0");
        let told = line(TransactionCounts { committed: 3, aborted: 2, unknown: 1 }, 0, 9);
        let expected = "3 committed, 2 aborted, 1 nobody knows of; aborted messages given to its readers: 0, to the one \
                        beside that asks for uncommitted ones, too: 9";
        assert_eq!(told, expected);
    }
}
