//! The page of many runs: the tables, then the run behind each of their rows.

use std::collections::{BTreeMap, BTreeSet};

use delivery_journal::CellStatus;

use super::anchors::{finding_anchor, lane_anchor, run_anchor};
use super::markup::Markup;
use super::run::{cell, head, write_article, write_footer};
use super::shell;
use crate::publication::{Expectation, JudgedRun, Outcome, Publication, ResultRow, Results, status_label, tally};
use crate::words::{counted, number, share};

/// The page.
pub(crate) fn index_page(publication: &Publication, results: &Results) -> String {
    let shown = shown_runs(publication, results);
    shell::page("What message brokers really deliver", |markup| {
        markup.element("header", &[], |markup| {
            markup.leaf("h1", &[], "What message brokers really deliver");
            let (rows, runs) = (counted(results.results.len(), "result"), counted(results.runs, "run"));
            markup.leaf("p", &[("class", "answer")], &format!("{rows} from {runs}: {}.", tally(results)));
            write_violated(results, markup);
            markup.leaf("p", &[], "Each row is the newest run of one configuration of one version under one fault. The name of its configuration leads to the run, what is lost to the messages.");
        });
        write_contents(results, markup);
        markup.element("main", &[("id", "main")], |markup| {
            write_results(results, markup);
            write_expectations(results, &shown.ids, markup);
            write_not_run(results, markup);
            write_left_out(results, markup);
            write_runs(&shown, markup);
        });
        write_footer(markup);
    })
}

/// A run with a place in the page.
enum Shown<'a> {
    /// Written from the run.
    Fresh(&'a JudgedRun),
    /// As it stood in an earlier page.
    Kept(&'a str),
}

/// Runs in the page by their identity, and in the order of their start.
struct ShownRuns<'a> {
    ids: BTreeSet<&'a str>,
    runs: BTreeMap<(&'a str, &'a str), Shown<'a>>,
}

/// Runs some row comes from, or a matrix rests on: the tables lead to each of them.
fn shown_runs<'a>(publication: &'a Publication, results: &'a Results) -> ShownRuns<'a> {
    let of_rows = results.results.iter().map(|row| &row.run.id);
    let of_cells = results.expectations.iter().flat_map(|cell| &cell.runs);
    let (mut ids, mut runs) = (BTreeSet::new(), BTreeMap::new());
    for id in of_rows.chain(of_cells) {
        let fresh = publication.runs.iter().find(|run| run.manifest.run_id == *id);
        let fresh = fresh.map(|run| (run.manifest.started_at.as_str(), Shown::Fresh(run)));
        let kept = || publication.onto.as_ref()?.article(id).map(|(when, article)| (when, Shown::Kept(article)));
        if let Some((when, shown)) = fresh.or_else(kept) {
            ids.insert(id.as_str());
            runs.insert((when, id.as_str()), shown);
        }
    }
    ShownRuns { ids, runs }
}

fn write_contents(results: &Results, markup: &mut Markup) {
    markup.element("nav", &[("aria-label", "Contents")], |markup| {
        markup.element("ul", &[], |markup| {
            let mut link = |to: &str, words: &str| {
                markup.element("li", &[], |markup| markup.leaf("a", &[("href", to)], words));
            };
            for system in results.systems() {
                link(&format!("#{}", system_anchor(system)), system);
            }
            for (there, to, words) in [
                (!results.expectations.is_empty(), "#expectations", "expected and observed"),
                (!results.not_run.is_empty(), "#not-run", "not run"),
                (!results.left_out.is_empty(), "#left-out", "left out"),
                (true, "#runs", "runs"),
            ] {
                if there {
                    link(to, words);
                }
            }
        });
    });
}

fn system_anchor(system: &str) -> String {
    run_anchor(system).replacen("run-", "system-", 1)
}

/// What a reader looks for first.
fn write_violated(results: &Results, markup: &mut Markup) {
    if results.count(Outcome::Violated) == 0 {
        return;
    }
    markup.element("ul", &[("class", "violations"), ("aria-label", "Violated")], |markup| {
        for row in results.results.iter().filter(|row| row.outcome == Outcome::Violated) {
            markup.element("li", &[], |markup| {
                shell::badge(row.outcome, markup);
                markup.text(" ");
                let place = lane_anchor(&row.run.id, row.run.lane_index);
                markup.leaf("a", &[("href", &format!("#{place}"))], &row.subject());
            });
        }
    });
}

const RESULT_TITLES: [&str; 7] = ["result", "version", "configuration", "fault", "label", "lost", "what it means"];

fn write_results(results: &Results, markup: &mut Markup) {
    markup.element("section", &[("id", "results"), ("aria-labelledby", "results-title")], |markup| {
        markup.leaf("h2", &[("id", "results-title")], "Results");
        for system in results.systems() {
            let anchor = system_anchor(system);
            let caption = format!("{anchor}-caption");
            markup.leaf("h3", &[("id", &anchor)], system);
            table(&caption, &format!("Results of {system}"), markup, |markup| {
                head(&RESULT_TITLES, markup);
                markup.element("tbody", &[], |markup| {
                    results.results.iter().filter(|row| row.system == system).for_each(|row| write_row(row, markup));
                });
            });
        }
    });
}

/// A table with a caption, which may be wider than its screen; on a phone each row is a card.
fn table(caption: &str, words: &str, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
    markup.element(
        "div",
        &[("class", "scroll"), ("role", "region"), ("aria-labelledby", caption), ("tabindex", "0")],
        |markup| {
            markup.element("table", &[("class", "cards")], |markup| {
                // The heading above says it to whoever sees the page.
                markup.leaf("caption", &[("id", caption), ("class", "unseen")], words);
                inside(markup);
            });
        },
    );
    markup.line_break();
}

fn write_row(row: &ResultRow, markup: &mut Markup) {
    let place = lane_anchor(&row.run.id, row.run.lane_index);
    let timings = if row.timings == "vendor" { String::new() } else { format!(" ({} timings)", row.timings) };
    let faults = if row.faults.is_empty() { "none" } else { &row.faults };
    let [result, version, configuration, fault, label, lost, meaning] = RESULT_TITLES;
    markup.element("tr", &[("class", shell::outcome_class(row.outcome))], |markup| {
        cell(result, "", markup, |markup| shell::badge(row.outcome, markup));
        cell(version, "", markup, |markup| markup.text(&row.version));
        markup.element("th", &[("scope", "row"), ("class", "name"), ("data-title", configuration)], |markup| {
            markup.element("a", &[("href", &format!("#{place}"))], |markup| markup.name(&row.lane));
            markup.text(" ");
            markup.leaf("span", &[("class", "settings")], &row.settings);
        });
        cell(fault, "name", markup, |markup| markup.name(&format!("{faults}{timings}")));
        cell(label, "", markup, |markup| {
            markup.text(&row.label_observed);
            let claimed = row.label_claimed.as_deref().unwrap_or("none");
            markup.leaf("span", &[("class", "aside")], &format!(" {claimed} claimed"));
        });
        cell(lost, "amount", markup, |markup| {
            write_lost(row, markup);
            let kind = if row.acknowledged { "acked" } else { "sent" };
            markup.leaf("span", &[("class", "aside")], &format!(" of {} {kind}", number(row.counted)));
        });
        cell(meaning, "meaning", markup, |markup| {
            markup.text(&row.meaning);
            if row.runs > 1 {
                markup.text(&format!(" Messages were lost in {} of {} runs of this.", row.runs_that_lost, row.runs));
            }
        });
    });
    markup.line_break();
}

/// Lost messages lead to those that are named.
fn write_lost(row: &ResultRow, markup: &mut Markup) {
    match row.lost {
        None => markup.text("?"),
        Some(0) => markup.text("0"),
        Some(lost) => {
            let share = share(lost, row.counted).map_or_else(String::new, |share| format!(" ({share})"));
            let words = format!("{}{share}", number(lost));
            match row.findings.contains_key("lost") {
                true => {
                    let place = finding_anchor(&row.run.id, row.run.lane_index, "lost");
                    markup.leaf("a", &[("href", &format!("#{place}"))], &words);
                }
                false => markup.text(&words),
            }
        }
    }
}

fn write_expectations(results: &Results, shown: &BTreeSet<&str>, markup: &mut Markup) {
    if results.expectations.is_empty() {
        return;
    }
    markup.element("section", &[("id", "expectations"), ("aria-labelledby", "expectations-title")], |markup| {
        markup.leaf("h2", &[("id", "expectations-title")], "Expected and observed");
        table("expectations-caption", "Cells of matrices against what was expected of them", markup, |markup| {
            head(&EXPECTED_TITLES, markup);
            markup.element("tbody", &[], |markup| {
                results.expectations.iter().for_each(|cell| write_expectation(cell, shown, markup));
            });
        });
    });
}

const EXPECTED_TITLES: [&str; 7] = ["result", "row", "cell", "expected", "seen", "why", "runs"];

fn write_expectation(expected: &Expectation, shown: &BTreeSet<&str>, markup: &mut Markup) {
    let [result, row, name, expects, seen, why, runs] = EXPECTED_TITLES;
    markup.element("tr", &[("class", status_class(expected.status))], |markup| {
        cell(result, "status", markup, |markup| markup.text(status_label(expected.status)));
        cell(row, "", markup, |markup| markup.text(&row_words(&expected.row, &expected.about)));
        markup.leaf("th", &[("scope", "row"), ("class", "name"), ("data-title", name)], &expected.cell);
        for (title, words) in
            [(expects, expected.expected_words()), (seen, expected.windows_words()), (why, expected.reasons.join("; "))]
        {
            cell(title, "", markup, |markup| markup.text(&words));
        }
        cell(runs, "name", markup, |markup| write_run_links(&expected.runs, shown, markup));
    });
    markup.line_break();
}

const fn status_class(status: Option<CellStatus>) -> &'static str {
    match status {
        Some(CellStatus::Agreed) => "holds",
        Some(CellStatus::Surprising) => "violated",
        _ => "inconclusive",
    }
}

fn row_words(row: &str, about: &str) -> String {
    if about.is_empty() { row.to_owned() } else { format!("{row}: {about}") }
}

/// A run that was not given cannot be led to.
fn write_run_links(runs: &[String], shown: &BTreeSet<&str>, markup: &mut Markup) {
    for (place, run) in runs.iter().enumerate() {
        if place > 0 {
            markup.text(", ");
        }
        match shown.contains(run.as_str()) {
            true => markup.leaf("a", &[("href", &format!("#{}", run_anchor(run)))], run),
            false => markup.text(run),
        }
    }
}

fn write_not_run(results: &Results, markup: &mut Markup) {
    if results.not_run.is_empty() {
        return;
    }
    markup.element("section", &[("id", "not-run"), ("aria-labelledby", "not-run-title")], |markup| {
        markup.leaf("h2", &[("id", "not-run-title")], "Not run");
        table("not-run-caption", "Cells that were not run, and what is missing", markup, |markup| {
            const TITLES: [&str; 3] = ["row", "cell", "what is missing"];
            head(&TITLES, markup);
            markup.element("tbody", &[], |markup| {
                for missing in &results.not_run {
                    markup.element("tr", &[], |markup| {
                        cell(TITLES[0], "", markup, |markup| markup.text(&row_words(&missing.row, &missing.about)));
                        markup.leaf(
                            "th",
                            &[("scope", "row"), ("class", "name"), ("data-title", TITLES[1])],
                            &missing.cell,
                        );
                        cell(TITLES[2], "", markup, |markup| markup.text(&missing.reason));
                    });
                }
            });
        });
    });
}

fn write_left_out(results: &Results, markup: &mut Markup) {
    if results.left_out.is_empty() {
        return;
    }
    markup.element("section", &[("id", "left-out"), ("aria-labelledby", "left-out-title")], |markup| {
        markup.leaf("h2", &[("id", "left-out-title")], "Left out");
        markup.element("ul", &[], |markup| {
            for left in &results.left_out {
                markup.leaf("li", &[], &format!("{}: {}", left.directory, left.reason));
            }
        });
    });
}

fn write_runs(shown: &ShownRuns<'_>, markup: &mut Markup) {
    markup.element("section", &[("id", "runs"), ("aria-labelledby", "runs-title")], |markup| {
        markup.leaf("h2", &[("id", "runs-title")], "Runs");
        for run in shown.runs.values() {
            match run {
                Shown::Fresh(run) => write_article(&run.report(), run.picture.as_ref(), markup),
                Shown::Kept(article) => markup.written_before(article),
            }
            markup.line_break();
        }
    });
}

/// The runs in a page that was written before, by their anchor.
pub(crate) fn articles(page: &str) -> BTreeMap<String, String> {
    const BEGIN: &str = "<article id=\"";
    const END: &str = "</article>";
    let mut articles = BTreeMap::new();
    // What comes from elsewhere is escaped: it neither begins nor ends a run.
    for part in page.split(BEGIN).skip(1) {
        if let Some(((anchor, _), end)) = part.split_once('"').zip(part.find(END)) {
            articles.insert(anchor.to_owned(), format!("{BEGIN}{}{END}", &part[..end]));
        }
    }
    articles
}
