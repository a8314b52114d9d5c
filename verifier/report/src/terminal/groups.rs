//! What consumer groups lost and were refused, beside the table.

use delivery_checks::judgement::Stats;

use super::page::{Page, Tone};
use crate::Report;
use crate::words::{counted, number};

/// One line a lane whose groups lost destinations or whose commits were not all confirmed.
pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    let lanes = report.lanes().filter_map(|view| Some((&view.lane.name, line(&view.judged?.stats)?)));
    let lines: Vec<String> = lanes.map(|(name, words)| format!("{name}: {words}")).collect();
    if lines.is_empty() {
        return;
    }
    page.paragraph("Groups:", 2, Tone::Plain);
    for line in lines {
        page.paragraph(&format!("  {line}"), 4, Tone::Plain);
    }
}

fn line(stats: &Stats) -> Option<String> {
    let mut parts = Vec::new();
    let lost = stats.rebalances.map_or(0, |all| all.lost);
    if lost > 0 {
        parts.push(format!("{} lost to other members", counted(amount(lost), "destination")));
    }
    let refused: u64 = stats.commits_refused.values().sum();
    if refused > 0 {
        let why: Vec<String> =
            stats.commits_refused.iter().map(|(why, count)| format!("{} {why}", number(*count))).collect();
        parts.push(format!("{} not confirmed ({})", counted(amount(refused), "commit"), why.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn amount(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use delivery_checks::judgement::{Rebalances, Stats};

    use super::line;

    #[test]
    fn only_what_was_lost_or_refused_is_told() {
        let mut stats = Stats { rebalances: Some(Rebalances { assigned: 4, revoked: 2, lost: 0 }), ..Stats::default() };
        assert_eq!(line(&stats), None);
        stats.rebalances = Some(Rebalances { lost: 1, ..Rebalances::default() });
        stats.commits_refused.insert(String::from("unknown to the group"), 2);
        stats.commits_refused.insert(String::from("timed out"), 1_000);
        let told = "1 destination lost to other members; 1,002 commits not confirmed (1,000 timed out, 2 unknown to the group)";
        assert_eq!(line(&stats).as_deref(), Some(told));
    }
}
