//! `verify mutants`: whether the checks catch what is broken and leave alone what is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::{
    ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row as Line, Table, TableStyle, Width,
};
use delivery_checks::judgement::{FindingKind, Guarantee};
use delivery_checks::{Options, Verdict};
use delivery_mutants::compare::words;
use delivery_mutants::{Outcome, Totals, rows, run};
use serde_json::{Value, json};

use crate::args::MutantsArgs;
use crate::exit::{self, CliError};
use crate::systems;

/// Columns of the table, and its width in characters.
const TITLES: [&str; 5] = ["row", "what is broken", "expected", "found", "agreed"];
const WIDTHS: [u16; 4] = [25, 28, 26, 11];
const MAX_COLUMNS: u16 = 100;
/// Open guarantees that are named one by one; more are told by those that are not.
const MAX_NAMED: usize = 4;

/// Runs the whole table; returns the exit code.
///
/// # Errors
/// A simulated bus that does not run, or standard output.
pub fn mutants(args: &MutantsArgs) -> Result<i32, CliError> {
    let outcomes = outcomes(&Options::default())?;
    let totals = Totals::of(&outcomes);
    let (code, line) = match totals.all_agreed() {
        true => (exit::HOLDS, format!("exit {}: every row agrees", exit::HOLDS)),
        false => {
            let wrong = outcomes.iter().filter(|outcome| !outcome.agreed()).count();
            (exit::VIOLATED, format!("exit {}: {wrong} rows do not agree", exit::VIOLATED))
        }
    };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{:#}", document(&outcomes, &totals)).map_err(CliError::Output)?;
        eprintln!("{line}");
    } else {
        writeln!(stdout, "{}{line}", text(&outcomes, &totals)).map_err(CliError::Output)?;
    }
    stdout.flush().map_err(CliError::Output)?;
    Ok(code)
}

/// What comes of every row, judged with these options.
///
/// # Errors
/// A simulated bus that does not run.
pub fn outcomes(options: &Options) -> Result<Vec<Outcome>, CliError> {
    let rows = rows(systems::ALL)?;
    rows.iter().map(|row| run(row, options).map_err(|error| CliError::CouldNotRun(error.to_string()))).collect()
}

/// The table, the rows that do not agree, and the totals.
pub fn text(outcomes: &[Outcome], totals: &Totals) -> String {
    let mut table = Table::new();
    table.load_style(
        TableStyle::new()
            .header_lines(ContentLineStyle::none())
            .header_separator(LineStyle::none().fill('-'))
            .content_lines(ContentLineStyle::none()),
    );
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(MAX_COLUMNS);
    table.set_header(Line::from(TITLES));
    for outcome in outcomes {
        table.add_row(Line::from(cells(outcome)));
    }
    for (column, width) in table.column_iter_mut().zip(WIDTHS) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    let mut text = String::new();
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.agreed()) {
        let wrong = |what: &str, words: &[String]| match words {
            [] => String::new(),
            words => format!("\n  {what}: {}", words.join(", ")),
        };
        let (missed, alarms) = (wrong("missed", &outcome.missed), wrong("false alarm", &outcome.false_alarms));
        let _ = writeln!(text, "{} does not agree:{missed}{alarms}", outcome.row.name);
    }
    text.push_str(&totals_words(totals));
    text
}

fn totals_words(totals: &Totals) -> String {
    format!(
        "caught {} of {} that are broken, left open {} of {} that prove nothing,\n\
         left alone {} of {} that are correct; missed in {} rows, false alarms in {}\n",
        totals.caught,
        totals.broken,
        totals.left_open,
        totals.doubtful,
        totals.left_alone,
        totals.correct,
        totals.missed,
        totals.false_alarms
    )
}

fn cells(outcome: &Outcome) -> [String; 5] {
    let row = &outcome.row;
    let found: BTreeMap<Guarantee, Verdict> =
        outcome.found.not_held.iter().map(|(guarantee, (verdict, _))| (*guarantee, *verdict)).collect();
    let expected = summary(&row.expected.findings, &row.expected.not_held);
    let found = if outcome.agreed() { String::from("the same") } else { summary(&outcome.found.findings, &found) };
    let agreed = if outcome.agreed() { "yes" } else { "NO" };
    [row.name.clone(), row.broken.clone(), expected, found, agreed.to_owned()]
}

/// Findings, then the guarantees that do not hold.
fn summary(findings: &[(FindingKind, u64)], not_held: &BTreeMap<Guarantee, Verdict>) -> String {
    let found: Vec<String> = findings.iter().map(|(kind, count)| format!("{} {count}", kind.label())).collect();
    let with = |verdict: Verdict| -> Vec<&'static str> {
        not_held.iter().filter(|(_, one)| **one == verdict).map(|(guarantee, _)| guarantee.label()).collect()
    };
    let mut lines = vec![if found.is_empty() { String::from("no finding") } else { found.join(", ") }];
    let violated = with(Verdict::Violated);
    if !violated.is_empty() {
        lines.push(format!("violated: {}", violated.join(", ")));
    }
    let open = with(Verdict::Inconclusive);
    if open.len() > MAX_NAMED {
        let applies = Guarantee::ALL.iter().filter(|guarantee| **guarantee != Guarantee::Atomicity);
        let other: Vec<&str> =
            applies.filter(|guarantee| !not_held.contains_key(guarantee)).map(|one| one.label()).collect();
        let but = if other.is_empty() { String::new() } else { format!(" but {}", other.join(", ")) };
        lines.push(format!("open: all{but}"));
    } else if !open.is_empty() {
        lines.push(format!("open: {}", open.join(", ")));
    }
    if not_held.is_empty() {
        lines.push(String::from("all holds"));
    }
    lines.join("\n")
}

/// The same as one JSON document.
pub fn document(outcomes: &[Outcome], totals: &Totals) -> Value {
    let rows: Vec<Value> = outcomes.iter().map(row_document).collect();
    json!({
        "agreed": totals.all_agreed(),
        "totals": {
            "rows": outcomes.len(),
            "broken": totals.broken,
            "caught": totals.caught,
            "doubtful": totals.doubtful,
            "left_open": totals.left_open,
            "correct": totals.correct,
            "left_alone": totals.left_alone,
            "missed": totals.missed,
            "false_alarms": totals.false_alarms,
        },
        "rows": rows,
    })
}

fn row_document(outcome: &Outcome) -> Value {
    let row = &outcome.row;
    let findings = |findings: &[(FindingKind, u64)]| -> Vec<Value> {
        findings.iter().map(|(kind, count)| json!({"kind": kind.label(), "count": count})).collect()
    };
    let expected: Vec<Value> = row
        .expected
        .not_held
        .iter()
        .map(|(guarantee, verdict)| json!({"name": guarantee.label(), "verdict": words(*verdict)}))
        .collect();
    let found: Vec<Value> = outcome.found.not_held.iter().map(|(guarantee, (verdict, reason))| {
        json!({"name": guarantee.label(), "verdict": words(*verdict), "reason": reason})
    }).collect();
    json!({
        "row": row.name,
        "broken": row.broken,
        "nature": row.nature.label(),
        "expected": {
            "findings": findings(&row.expected.findings),
            "guarantees": expected,
            "reason": row.expected.reason,
        },
        "found": {"findings": findings(&outcome.found.findings), "guarantees": found},
        "agreed": outcome.agreed(),
        "missed": outcome.missed,
        "false_alarms": outcome.false_alarms,
    })
}
