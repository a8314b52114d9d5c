//! What came of all seeds, and how it is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use delivery_checks::Judgement;
use delivery_checks::judgement::Verdict;
use delivery_claims::{ClaimKind, Overall, RunVerdict};

use super::{CliError, MOST_TOLD, exit};
use crate::args::{RunArgs, SeedRange};

/// A seed that did not hold.
pub(super) struct Failing {
    pub(super) seed: u64,
    /// Or inconclusive.
    pub(super) violated: bool,
    pub(super) reason: String,
    pub(super) command: String,
    pub(super) run_dir: Option<String>,
}

/// What the vendor says of a guarantee, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Promised {
    Holds,
    MayBreak,
    Nothing,
}

impl Promised {
    fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::MayBreak => "may break",
            Self::Nothing => "-",
        }
    }
}

/// Everything that is kept of all seeds.
#[derive(Default)]
pub(super) struct Exploration {
    pub(super) failing: Vec<Failing>,
    /// Seeds by verdict: held, violated, inconclusive.
    seeds: [u64; 3],
    /// By lane, guarantee and what is promised: seeds in which it held, was violated, stayed open.
    rows: BTreeMap<(usize, &'static str, Promised), [u64; 3]>,
    lanes: Vec<String>,
}

impl Exploration {
    /// Takes one seed in.
    pub(super) fn count(&mut self, verdict: &RunVerdict, judgement: &Judgement) {
        self.seeds[match verdict.overall {
            Overall::Violated => 1,
            Overall::Inconclusive => 2,
            Overall::Holds | Overall::NotJudged => 0,
        }] += 1;
        self.lanes = judgement.lanes.iter().map(|lane| lane.lane.clone()).collect();
        for (number, lane) in judgement.lanes.iter().enumerate() {
            let claims = verdict.lane(&lane.lane).map_or(&[][..], |lane| &lane.claims);
            for judged in &lane.guarantees {
                let about = claims.iter().filter(|claim| claim.guarantee == Some(judged.name));
                let promised = about.map(|claim| match claim.kind {
                    ClaimKind::Promise => Promised::Holds,
                    _ => Promised::MayBreak,
                });
                let key = (number, judged.name.label(), promised.min().unwrap_or(Promised::Nothing));
                self.rows.entry(key).or_default()[match judged.verdict {
                    Verdict::Holds => 0,
                    Verdict::Violated => 1,
                    Verdict::Inconclusive => 2,
                }] += 1;
            }
        }
    }

    /// Seeds finish in any order; they are told in theirs.
    pub(super) fn sort(&mut self) {
        self.failing.sort_by_key(|failing| failing.seed);
    }

    /// Prints it; returns the exit code.
    pub(super) fn show(&self, args: &RunArgs, seeds: SeedRange, took: Duration) -> Result<i32, CliError> {
        let explored: u64 = self.seeds.iter().sum();
        let (code, why) = self.verdict(explored, seeds);
        let text = if args.output.json { self.document(args, seeds, took) } else { self.text(args, seeds, took) };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).map_err(CliError::Output)?;
        if !args.output.json {
            writeln!(stdout, "exit {code}: {why}").map_err(CliError::Output)?;
        } else if !args.output.quiet {
            eprintln!("exit {code}: {why}");
        }
        Ok(code)
    }

    fn verdict(&self, explored: u64, seeds: SeedRange) -> (i32, String) {
        let [held, violated, open] = self.seeds;
        if violated > 0 {
            (
                exit::VIOLATED,
                format!("{} of {} seeds break a promise or a requirement", thousands(violated), thousands(explored)),
            )
        } else if open > 0 {
            (exit::INCONCLUSIVE, format!("{} of {} seeds are inconclusive", thousands(open), thousands(explored)))
        } else if explored < seeds.count() {
            (exit::STOPPED, format!("stopped by the user after {} seeds", thousands(explored)))
        } else {
            (exit::HOLDS, format!("what is promised holds in all {} seeds", thousands(held)))
        }
    }

    fn text(&self, args: &RunArgs, seeds: SeedRange, took: Duration) -> String {
        let [held, violated, open] = self.seeds.map(thousands);
        let explored: u64 = self.seeds.iter().sum();
        let mut text = format!(
            "{} seeds ({}..{}): {held} hold, {violated} violated, {open} inconclusive.\n\n",
            thousands(explored),
            seeds.first,
            seeds.end
        );
        let load = args.duration.map(|load| format!(" · {:.0} s of load", load.as_secs_f64())).unwrap_or_default();
        let faults = match (&args.schedule, args.faults.as_deref()) {
            (Some(path), _) => format!("faults of {}", path.display()),
            (None, Some("random")) => String::from("faults drawn from each seed"),
            (None, faults) => format!("faults {}", faults.unwrap_or("none")),
        };
        let per_s = explored as f64 / took.as_secs_f64().max(0.001);
        let _ = writeln!(
            text,
            "SIMULATED{load} · {} msg/s · {faults} · took {:.1} s ({per_s:.0} seeds/s)\n",
            args.rate.unwrap_or_default(),
            took.as_secs_f64()
        );
        let width = self.lanes.iter().map(String::len).max().unwrap_or(0).max(4);
        let _ = writeln!(
            text,
            "{:width$}  {:14} {:10} {:>10} {:>10} {:>13}",
            "lane", "guarantee", "promised", "holds", "violated", "inconclusive"
        );
        for ((lane, guarantee, promised), counts) in &self.rows {
            let name = self.lanes.get(*lane).map_or("", String::as_str);
            let [held, violated, open] = counts.map(thousands);
            let _ = writeln!(
                text,
                "{name:width$}  {guarantee:14} {:10} {held:>10} {violated:>10} {open:>13}",
                promised.label()
            );
        }
        self.tell_failing(&mut text);
        text
    }

    fn tell_failing(&self, text: &mut String) {
        // A broken promise is never crowded out by seeds that show nothing.
        let violated = self.failing.iter().filter(|failing| failing.violated);
        let open = self.failing.iter().filter(|failing| !failing.violated);
        for failing in violated.chain(open).take(MOST_TOLD) {
            let _ = writeln!(text, "\nseed {}: {}\n  {}", failing.seed, failing.reason, failing.command);
            if let Some(run_dir) = &failing.run_dir {
                let _ = writeln!(text, "  verify shrink {run_dir}");
            }
        }
        if self.failing.len() > MOST_TOLD {
            let _ = writeln!(text, "\nand {} more", thousands((self.failing.len() - MOST_TOLD) as u64));
        }
        text.push('\n');
    }

    fn document(&self, args: &RunArgs, seeds: SeedRange, took: Duration) -> String {
        let [held, violated, open] = self.seeds;
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|((lane, guarantee, promised), [held, violated, open])| {
                serde_json::json!({
                    "lane": self.lanes.get(*lane), "guarantee": guarantee, "promised": promised.label(),
                    "holds": held, "violated": violated, "inconclusive": open,
                })
            })
            .collect();
        let failing: Vec<serde_json::Value> = self
            .failing
            .iter()
            .map(|failing| {
                serde_json::json!({
                    "seed": failing.seed,
                    "verdict": if failing.violated { "violated" } else { "inconclusive" },
                    "reason": failing.reason, "command": failing.command, "run_dir": failing.run_dir,
                })
            })
            .collect();
        let document = serde_json::json!({
            "simulated": true,
            "seeds": { "first": seeds.first, "end": seeds.end, "holds": held, "violated": violated, "inconclusive": open },
            "rate_per_s": args.rate, "took_ms": took.as_millis() as u64,
            "guarantees": rows, "failing": failing,
        });
        format!("{document:#}\n")
    }
}

/// `10,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
