//! One run: what ran, what its faults did, its lanes.

use delivery_checks::Picture;
use delivery_history::manifest::RunManifest;

use super::anchors::{finding_anchor, lane_anchor, run_anchor};
use super::lane;
use super::markup::Markup;
use super::{moment, shell};
use crate::publication::{Outcome, faults_as_typed};
use crate::terminal::{fault_line, headline_sentences, what_ran};
use crate::words::number;
use crate::{LaneView, Report};

/// Names of the headings of a run, of its lanes, and of the parts of a lane.
pub(super) type Headings = [&'static str; 3];

/// The page of one run.
pub(super) fn page(report: &Report<'_>, picture: Option<&Picture>) -> String {
    let title = title(report.manifest);
    shell::page(&title, |markup| {
        markup.element("header", &[], |markup| {
            markup.leaf("h1", &[], &title);
            write_answer(report, markup);
        });
        markup.element("main", &[("id", "main")], |markup| {
            write_content(report, picture, ["h2", "h2", "h3"], markup);
        });
        write_footer(markup);
    })
}

/// A run among others.
pub(super) fn write_article(report: &Report<'_>, picture: Option<&Picture>, markup: &mut Markup) {
    let anchor = run_anchor(&report.manifest.run_id);
    let heading = format!("{anchor}-title");
    markup.element("article", &[("id", &anchor), ("aria-labelledby", &heading), ("class", "run")], |markup| {
        markup.leaf("h3", &[("id", &heading)], &title(report.manifest));
        write_answer(report, markup);
        write_content(report, picture, ["h4", "h4", "h5"], markup);
        markup.element("p", &[], |markup| markup.leaf("a", &[("href", "#results")], "Back to the results"));
    });
}

pub(super) fn write_footer(markup: &mut Markup) {
    markup.element("footer", &[], |markup| {
        markup.leaf(
            "p",
            &[],
            "Written by verify. Everything here is derived from recorded runs; nothing on this page is fetched.",
        );
    });
}

/// `kafka 4.1.1 under netsplit:leader+15s`.
fn title(manifest: &RunManifest) -> String {
    let faults = faults_as_typed(&manifest.faults);
    let under = if faults.is_empty() { String::from("without a fault") } else { format!("under {faults}") };
    let simulated = if manifest.simulated { " (simulated)" } else { "" };
    format!("{} {} {under}{simulated}", manifest.system, manifest.broker_version)
}

fn write_answer(report: &Report<'_>, markup: &mut Markup) {
    for sentence in headline_sentences(report) {
        markup.leaf("p", &[("class", "answer")], &sentence);
    }
}

fn write_content(report: &Report<'_>, picture: Option<&Picture>, headings: Headings, markup: &mut Markup) {
    let manifest = report.manifest;
    let anchor = run_anchor(&manifest.run_id);
    markup.leaf("p", &[("class", "ran")], &what_ran(report));
    write_lane_table(report, &anchor, markup);
    let part = |name: &str| format!("{anchor}-{name}");
    markup.element("section", &[("aria-labelledby", &part("faults"))], |markup| {
        markup.leaf(headings[0], &[("id", &part("faults"))], "Faults");
        write_faults(report, picture, markup);
    });
    if picture.is_some() {
        shell::legend(markup);
    } else {
        markup.leaf("p", &[("class", "note")], "The history of this run is not kept, so there are no pictures; what was found in it is told as it was written down then.");
    }
    for (index, view) in report.lanes().enumerate() {
        lane::write(report, picture, index, &view, headings, markup);
    }
    markup.element("section", &[("aria-labelledby", &part("origin"))], |markup| {
        markup.leaf(headings[0], &[("id", &part("origin"))], "Where this comes from");
        write_origin(report, markup);
    });
}

fn write_lane_table(report: &Report<'_>, anchor: &str, markup: &mut Markup) {
    let region = format!("{anchor}-lanes");
    markup.element(
        "div",
        &[("class", "scroll"), ("role", "region"), ("aria-labelledby", &region), ("tabindex", "0")],
        |markup| {
            markup.element("table", &[("class", "cards")], |markup| {
                markup.leaf("caption", &[("id", &region)], "Configurations, side by side under the same faults");
                head(&LANE_TITLES, markup);
                markup.element("tbody", &[], |markup| {
                    for (index, view) in report.lanes().enumerate() {
                        write_lane_row(report, index, &view, markup);
                    }
                });
            });
        },
    );
    markup.line_break();
}

const LANE_TITLES: [&str; 8] =
    ["configuration", "result", "acked", "lost", "unknown", "label claimed", "label observed", "findings"];

/// A cell under a title; where a row is a card, the title stands before it.
pub(super) fn cell(title: &str, class: &str, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
    let attributes = [("data-title", title), ("class", class)];
    let attributes = if class.is_empty() { &attributes[..1] } else { &attributes[..] };
    markup.element("td", attributes, inside);
}

/// The titles of a table.
pub(super) fn head(titles: &[&str], markup: &mut Markup) {
    markup.element("thead", &[], |markup| {
        markup.element("tr", &[], |markup| {
            for title in titles {
                markup.leaf("th", &[("scope", "col")], title);
            }
        });
    });
}

fn write_lane_row(report: &Report<'_>, index: usize, view: &LaneView<'_>, markup: &mut Markup) {
    let run_id = &report.manifest.run_id;
    let stats = view.judged.map(|judged| &judged.stats);
    let acked = match stats {
        Some(stats) if view.lane.acknowledged => number(stats.acked),
        Some(stats) => format!("{} sent", number(stats.sent_unacknowledged)),
        None => String::new(),
    };
    let [configuration, result, acks, lost, unknown, claimed, observed, findings] = LANE_TITLES;
    markup.element("tr", &[("class", shell::outcome_class(Outcome::of(view.verdict)))], |markup| {
        markup.element("th", &[("scope", "row"), ("class", "name"), ("data-title", configuration)], |markup| {
            let place = format!("#{}", lane_anchor(run_id, index));
            markup.element("a", &[("href", &place)], |markup| markup.name(&view.lane.name));
            markup.text(" ");
            markup.leaf("span", &[("class", "settings")], &view.lane.settings);
        });
        cell(result, "", markup, |markup| shell::badge(Outcome::of(view.verdict), markup));
        for (title, words) in [
            (acks, acked),
            (lost, lane::lost_words(view)),
            (unknown, stats.map_or_else(String::new, |stats| number(stats.unknown))),
        ] {
            cell(title, "number", markup, |markup| markup.text(&words));
        }
        let label = view.verdict.and_then(|verdict| verdict.claimed_label.as_deref()).unwrap_or("none");
        cell(claimed, "", markup, |markup| markup.text(label));
        cell(observed, "", markup, |markup| markup.text(lane::label_words(view)));
        cell(findings, "findings", markup, |markup| write_finding_links(run_id, index, view, markup));
    });
}

fn write_finding_links(run_id: &str, index: usize, view: &LaneView<'_>, markup: &mut Markup) {
    for (place, finding) in view.judged.iter().flat_map(|judged| &judged.findings).enumerate() {
        if place > 0 {
            markup.text(", ");
        }
        let kind = finding.kind.label();
        let words = format!("{} {kind}", number(finding.count));
        markup.leaf("a", &[("href", &format!("#{}", finding_anchor(run_id, index, kind)))], &words);
    }
}

fn write_faults(report: &Report<'_>, picture: Option<&Picture>, markup: &mut Markup) {
    if report.judgement.faults.is_empty() {
        markup.leaf("p", &[], "None was injected: what holds here holds in calm weather only.");
        return;
    }
    markup.element("ul", &[], |markup| {
        for fault in &report.judgement.faults {
            markup.leaf("li", &[], &fault_line(fault));
        }
    });
    let Some(picture) = picture.filter(|picture| !picture.changes.is_empty()) else { return };
    markup.element("details", &[], |markup| {
        markup.leaf(
            "summary",
            &[],
            &format!("What nodes told of, {} in all", number(picture.changes.len() as u64 + picture.changes_left_out)),
        );
        markup.element("ol", &[("class", "story")], |markup| {
            for change in &picture.changes {
                step(change.at_ms, &change.what, markup);
            }
        });
        if picture.changes_left_out > 0 {
            markup.leaf("p", &[], &format!("{} more are left out.", number(picture.changes_left_out)));
        }
    });
}

/// Something that happened at a moment.
pub(super) fn step(at_ms: i64, what: &str, markup: &mut Markup) {
    markup.element("li", &[], |markup| {
        markup.leaf("span", &[("class", "moment-of")], &moment(at_ms));
        markup.text(" ");
        markup.text(what);
    });
}

fn write_origin(report: &Report<'_>, markup: &mut Markup) {
    let manifest = report.manifest;
    let commit =
        if manifest.tool_commit.is_empty() { String::new() } else { format!(", commit {}", manifest.tool_commit) };
    let seed = manifest.seed.to_string();
    let events = report.judgement.events;
    let judged = format!("{} ({} could not be judged)", number(events.judged), number(events.not_judged));
    let facts: [(&str, &str); 7] = [
        ("Run", &manifest.run_id),
        ("Started", &manifest.started_at),
        ("Tool", &format!("verify {}{commit}", manifest.tool_version)),
        ("Client", &manifest.client),
        ("Machine", &manifest.machine),
        ("Seed", &seed),
        ("Events judged", &judged),
    ];
    markup.element("dl", &[("class", "facts")], |markup| {
        for (name, value) in facts {
            markup.leaf("dt", &[], name);
            markup.leaf("dd", &[], value);
        }
    });
    for (title, texts) in [("Done by hand", &manifest.by_hand), ("Doubts", &report.judgement.doubts)] {
        if !texts.is_empty() {
            markup.leaf("p", &[], &format!("{title}: {}.", texts.join("; ")));
        }
    }
}
