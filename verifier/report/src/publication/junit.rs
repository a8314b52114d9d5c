//! JUnit XML: violated is a failure, inconclusive an error, not run is skipped.

use super::results::{Outcome, ResultRow, Results};
use crate::html::Markup;

pub(super) fn junit(results: &Results) -> String {
    let mut xml = Markup::new();
    xml.declaration("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let rows = &results.results;
    let totals = counts(rows, results.not_run.len());
    xml.element(
        "testsuites",
        &[
            ("name", "verify"),
            ("tests", &totals[0]),
            ("failures", &totals[1]),
            ("errors", &totals[2]),
            ("skipped", &totals[3]),
        ],
        |xml| {
            for suite in rows.chunk_by(|one, next| suite_name(one) == suite_name(next)) {
                let totals = counts(suite, 0);
                let name = suite_name(&suite[0]);
                xml.element(
                    "testsuite",
                    &[
                        ("name", &name),
                        ("tests", &totals[0]),
                        ("failures", &totals[1]),
                        ("errors", &totals[2]),
                        ("skipped", "0"),
                        ("timestamp", &suite[0].run.started_at),
                    ],
                    |xml| {
                        suite.iter().for_each(|row| write_case(row, &name, xml));
                    },
                );
            }
            if !results.not_run.is_empty() {
                let count = results.not_run.len().to_string();
                xml.element(
                    "testsuite",
                    &[("name", "not run"), ("tests", &count), ("failures", "0"), ("errors", "0"), ("skipped", &count)],
                    |xml| {
                        for cell in &results.not_run {
                            let name = format!("{} {}", cell.row, cell.cell);
                            xml.element("testcase", &[("classname", &cell.matrix), ("name", &name)], |xml| {
                                xml.empty("skipped", &[("message", &cell.reason)]);
                            });
                            xml.line_break();
                        }
                    },
                );
            }
        },
    );
    xml.line_break();
    xml.finish()
}

/// Tests, failures, errors, skipped.
fn counts(rows: &[ResultRow], not_run: usize) -> [String; 4] {
    let count = |outcome: Outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    [rows.len() + not_run, count(Outcome::Violated), count(Outcome::Inconclusive), not_run]
        .map(|count| count.to_string())
}

fn suite_name(row: &ResultRow) -> String {
    format!("{} {} under {}", row.system, row.version, if row.faults.is_empty() { "no fault" } else { &row.faults })
}

fn write_case(row: &ResultRow, suite: &str, xml: &mut Markup) {
    let settings = if row.settings.is_empty() { String::new() } else { format!(" ({})", row.settings) };
    let timings = if row.timings == "vendor" { String::new() } else { format!(", {} timings", row.timings) };
    let name = format!("{}{settings}{timings}", row.lane);
    let run = format!("run {}", row.run.id);
    xml.element("testcase", &[("classname", suite), ("name", &name)], |xml| match row.outcome {
        Outcome::Violated => xml.leaf("failure", &[("message", &row.meaning), ("type", "violated")], &run),
        Outcome::Inconclusive => xml.leaf("error", &[("message", &row.meaning), ("type", "inconclusive")], &run),
        Outcome::AsAdvertised | Outcome::Holds => xml.leaf("system-out", &[], &format!("{} ({run})", row.meaning)),
    });
    xml.line_break();
}
