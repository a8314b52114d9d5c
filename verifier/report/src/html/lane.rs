//! One lane: its picture, what was found with the messages that show it, what it was held against.

use std::collections::BTreeMap;

use delivery_checks::Picture;
use delivery_checks::judgement::{Finding, FindingKind, Guarantee, LaneJudgement, Percentiles, Verdict, Witness};
use delivery_claims::{ClaimJudgement, ClaimKind, ClaimOutcome};

use super::anchors::{finding_anchor, lane_anchor};
use super::markup::Markup;
use super::plot::{self, Plot};
use super::run::{Headings, head, step};
use super::shell;
use crate::publication::{Outcome, meaning};
use crate::terminal::{loss_base, lost_count};
use crate::words::{duration, number, percent, share};
use crate::{LaneView, Report};

pub(super) fn write(
    report: &Report<'_>,
    picture: Option<&Picture>,
    index: usize,
    view: &LaneView<'_>,
    headings: Headings,
    markup: &mut Markup,
) {
    let run_id = &report.manifest.run_id;
    let anchor = lane_anchor(run_id, index);
    let heading = format!("{anchor}-heading");
    markup.element("section", &[("id", &anchor), ("class", "lane"), ("aria-labelledby", &heading)], |markup| {
        markup.element(headings[1], &[("id", &heading)], |markup| {
            markup.text(&view.lane.name);
            markup.text(" ");
            shell::badge(Outcome::of(view.verdict), markup);
        });
        markup.leaf("p", &[("class", "settings")], &view.lane.settings);
        markup.leaf("p", &[], &meaning(report, view));
        write_picture(run_id, picture, index, view, &anchor, markup);
        if let Some(judged) = view.judged {
            write_findings(run_id, index, judged, headings[2], markup);
            write_counts(judged, headings[2], markup);
            write_guarantees(judged, headings[2], markup);
        }
        write_claims(run_id, index, view, headings[2], markup);
        write_configuration(&view.lane.config, &view.lane.defaults_of, markup);
        write_doubts(view, markup);
    });
    markup.line_break();
}

/// `16,353 (58.4 %)`; `?` where absence was not shown.
pub(super) fn lost_words(view: &LaneView<'_>) -> String {
    let lost = lost_count(view);
    if lost > 0 {
        let share = share(lost, loss_base(view)).map_or_else(String::new, |share| format!(" ({share})"));
        return format!("{}{share}", number(lost));
    }
    let durability = view.judged.and_then(|judged| judged.verdict(Guarantee::Durability));
    String::from(if durability.is_some_and(|found| found.verdict == Verdict::Holds) { "0" } else { "?" })
}

pub(super) fn label_words<'a>(view: &LaneView<'a>) -> &'a str {
    let observed = view.judged.map_or("", |judged| judged.label.observed.as_str());
    if observed.is_empty() { "not shown" } else { observed }
}

fn write_picture(
    run_id: &str,
    picture: Option<&Picture>,
    index: usize,
    view: &LaneView<'_>,
    anchor: &str,
    markup: &mut Markup,
) {
    let Some(picture) = picture else { return };
    let Some(lane) = picture.lanes.get(index) else { return };
    let lost = view.judged.is_some_and(|judged| judged.count(FindingKind::Lost) > 0);
    let lost_anchor = lost.then(|| finding_anchor(run_id, index, FindingKind::Lost.label()));
    let name = &view.lane.name;
    plot::write(&Plot { picture, lane, index, name, anchor, lost_anchor: lost_anchor.as_deref() }, markup);
}

fn write_findings(run_id: &str, index: usize, judged: &LaneJudgement, heading: &'static str, markup: &mut Markup) {
    for finding in judged.findings.iter().filter(|finding| finding.count > 0) {
        let kind = finding.kind.label();
        let anchor = finding_anchor(run_id, index, kind);
        let title = format!("{anchor}-title");
        markup.element("section", &[("id", &anchor), ("class", "finding"), ("aria-labelledby", &title)], |markup| {
            markup.leaf(heading, &[("id", &title)], &format!("Finding: {kind}, {}", number(finding.count)));
            write_witnesses(finding, markup);
        });
    }
}

fn write_witnesses(finding: &Finding, markup: &mut Markup) {
    if finding.witnesses.is_empty() {
        markup.leaf("p", &[], "No message is named for it.");
        return;
    }
    if (finding.witnesses.len() as u64) < finding.count {
        markup.leaf("p", &[], "The earliest of them:");
    }
    for (place, witness) in finding.witnesses.iter().enumerate() {
        // The first tells its story at once.
        let open: &[(&'static str, &str)] = if place == 0 { &[("open", "open")] } else { &[] };
        markup.element("details", open, |markup| write_story(witness, markup));
    }
}

fn write_story(witness: &Witness, markup: &mut Markup) {
    markup.leaf("summary", &[], &format!("Message {} of {}", witness.message, witness.destination));
    markup.element("ol", &[("class", "story")], |markup| {
        witness.story.iter().for_each(|told| step(told.at_ms, &told.what, markup));
    });
}

fn write_counts(judged: &LaneJudgement, heading: &'static str, markup: &mut Markup) {
    let stats = &judged.stats;
    let mut facts: Vec<(&str, String)> = vec![
        ("Sent", number(stats.sent)),
        ("Acked", number(stats.acked)),
        ("Sent, no ack asked for", number(stats.sent_unacknowledged)),
        ("Failed for certain", number(stats.failed)),
        ("May be stored", number(stats.unknown)),
        ("Delivered", number(stats.delivered)),
        ("Processed", number(stats.processed)),
        ("Stored, by the audit", number(stats.stored)),
        ("Exposed to a fault that bit", number(stats.exposed)),
    ];
    facts.retain(|(name, count)| count != "0" || matches!(*name, "Sent" | "Acked"));
    facts.extend(judged.available_during_fault.map(|share| ("Acks in the fault's time", percent(share))));
    facts.push(("Longest time without an ack", duration(judged.longest_stall_ms)));
    markup.leaf(heading, &[], "Counts and times");
    markup.element("dl", &[("class", "facts")], |markup| {
        for (name, value) in &facts {
            markup.leaf("dt", &[], name);
            markup.leaf("dd", &[], value);
        }
        for (name, found) in &stats.latency_ms {
            markup.leaf("dt", &[], &format!("{} (p50 / p99 / max)", name.replace('-', " ")));
            markup.leaf("dd", &[], &percentile_words(found));
        }
    });
    if !judged.label.reason.is_empty() {
        markup.leaf(
            "p",
            &[],
            &format!("Label observed: {}. {}.", judged.label.observed, judged.label.reason.trim_end_matches('.')),
        );
    }
}

fn percentile_words(found: &Percentiles) -> String {
    format!("{:.1} / {:.1} / {:.1} ms", found.p50, found.p99, found.max)
}

const fn verdict_words(verdict: Verdict) -> (&'static str, Outcome) {
    match verdict {
        Verdict::Holds => ("holds", Outcome::Holds),
        Verdict::Inconclusive => ("inconclusive", Outcome::Inconclusive),
        Verdict::Violated => ("violated", Outcome::Violated),
    }
}

fn write_verdict(verdict: Verdict, markup: &mut Markup) {
    let (words, outcome) = verdict_words(verdict);
    markup.element("td", &[("class", words)], |markup| {
        markup.leaf("span", &[("aria-hidden", "true")], &format!("{} ", outcome.mark()));
        markup.text(words);
    });
}

fn write_guarantees(judged: &LaneJudgement, heading: &'static str, markup: &mut Markup) {
    if judged.guarantees.is_empty() {
        return;
    }
    markup.leaf(heading, &[], "Guarantees");
    scrolled("Guarantees", markup, |markup| {
        head(&["guarantee", "verdict", "why"], markup);
        markup.element("tbody", &[], |markup| {
            for found in &judged.guarantees {
                markup.element("tr", &[], |markup| {
                    markup.leaf("th", &[("scope", "row"), ("title", found.name.about())], found.name.label());
                    write_verdict(found.verdict, markup);
                    markup.leaf("td", &[], &found.reason);
                });
            }
        });
    });
}

/// A table that may be wider than a phone.
fn scrolled(caption: &str, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
    markup.element(
        "div",
        &[("class", "scroll"), ("role", "region"), ("aria-label", caption), ("tabindex", "0")],
        |markup| {
            markup.element("table", &[], |markup| {
                // The heading above says it to whoever sees the page.
                markup.leaf("caption", &[("class", "unseen")], caption);
                inside(markup);
            });
        },
    );
}

fn write_claims(run_id: &str, index: usize, view: &LaneView<'_>, heading: &'static str, markup: &mut Markup) {
    let claims = view.verdict.map_or(&[][..], |verdict| &verdict.claims);
    if claims.is_empty() {
        return;
    }
    markup.leaf(heading, &[], "What the vendor says");
    scrolled("What the vendor says", markup, |markup| {
        head(&["claim", "said of", "in this run", "what is said, and where"], markup);
        markup.element("tbody", &[], |markup| {
            for claim in claims {
                let decided = claim.decided_by.map(|decided| finding_anchor(run_id, index, decided.kind.label()));
                write_claim(claim, decided.as_deref(), markup);
            }
        });
    });
}

/// `decided`: the place of the finding that decides.
fn write_claim(claim: &ClaimJudgement, decided: Option<&str>, markup: &mut Markup) {
    markup.element("tr", &[], |markup| {
        markup.leaf("th", &[("scope", "row")], &claim.id);
        let about =
            claim.guarantee.map_or_else(|| claim.label.clone().unwrap_or_default(), |one| one.label().to_owned());
        let kind = match claim.kind {
            ClaimKind::Promise => "promise",
            ClaimKind::DocumentedLoss => "documented loss",
            ClaimKind::Label => "label",
        };
        markup.leaf("td", &[], &format!("{about} ({kind})"));
        write_outcome(claim, decided, markup);
        markup.element("td", &[], |markup| {
            markup.text(&claim.promise);
            if claim.outcome != ClaimOutcome::NotExercised && !claim.reason.is_empty() {
                markup.text(&format!(" In this run: {}.", claim.reason.trim_end_matches('.')));
            }
            markup.text(" ");
            write_source(&claim.documented_in, markup);
            for other in &claim.contradicted {
                markup.text(&format!(" Elsewhere: {} ", other.says));
                write_source(&other.documented_in, markup);
            }
        });
    });
}

/// What the run says of a claim; it leads to the finding that decides.
fn write_outcome(claim: &ClaimJudgement, decided: Option<&str>, markup: &mut Markup) {
    let (class, mark) = match claim.outcome {
        ClaimOutcome::Holds => ("holds", Outcome::Holds.mark()),
        ClaimOutcome::Violated => ("violated", Outcome::Violated.mark()),
        ClaimOutcome::AsAdvertised => ("advertised", Outcome::AsAdvertised.mark()),
        ClaimOutcome::Inconclusive => ("inconclusive", Outcome::Inconclusive.mark()),
        ClaimOutcome::NotExercised => ("inconclusive", '-'),
    };
    markup.element("td", &[("class", class)], |markup| {
        markup.leaf("span", &[("aria-hidden", "true")], &format!("{mark} "));
        markup.text(claim.outcome.label());
        if let (Some(place), Some(decided)) = (decided, claim.decided_by) {
            markup.text(": ");
            let words = format!("{} {}", number(decided.count), decided.kind.label());
            markup.leaf("a", &[("href", &format!("#{place}"))], &words);
        }
    });
}

/// A link where an address on the web ends it, and nothing else: a registry must not make a page run anything.
fn write_source(documented_in: &str, markup: &mut Markup) {
    let address = documented_in.rsplit(' ').next().filter(|address| address.starts_with("https://"));
    match address {
        Some(address) => {
            let title = documented_in.trim_end_matches(address).trim_end_matches([',', ' ']);
            let title = if title.is_empty() { "Source" } else { title };
            markup.leaf("a", &[("href", address), ("rel", "noreferrer")], title);
        }
        None => markup.text(&format!("({documented_in})")),
    }
}

fn write_configuration(config: &BTreeMap<String, String>, defaults_of: &str, markup: &mut Markup) {
    if config.is_empty() {
        return;
    }
    markup.element("details", &[], |markup| {
        markup.leaf("summary", &[], &format!("All {} settings", config.len()));
        if !defaults_of.is_empty() {
            markup.leaf("p", &[], &format!("The rest is as {defaults_of} have it."));
        }
        markup.element("ul", &[("class", "config")], |markup| {
            for (name, value) in config {
                markup.element("li", &[], |markup| markup.leaf("code", &[], &format!("{name}={value}")));
            }
        });
    });
}

fn write_doubts(view: &LaneView<'_>, markup: &mut Markup) {
    let doubts = view.judged.map_or(&[][..], |judged| &judged.doubts);
    if !doubts.is_empty() {
        markup.leaf("p", &[], "What keeps guarantees from being shown to hold:");
        markup.element("ul", &[], |markup| doubts.iter().for_each(|doubt| markup.leaf("li", &[], doubt)));
    }
}
