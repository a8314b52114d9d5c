//! The pages: well-formed, every link leads somewhere, nothing is fetched, and what is in them is where it is said to be.

#![allow(clippy::unwrap_used, reason = "a page or a table that lacks what a test looks for is broken")]

mod common;

use std::collections::BTreeSet;

use common::published::{judged_run, named, picture, publication};
use common::xml::{Element, parse};
use common::{Sample, held, losses};
use delivery_checks::judgement::StoryStep;
use delivery_report::{Html, Publication, write_files};

fn run_page(sample: &Sample) -> Element {
    let picture = picture(sample);
    parse(&sample.export(&Html { picture: Some(&picture) })).unwrap()
}

fn index_text(publication: &Publication) -> String {
    let out = tempfile::tempdir().unwrap();
    write_files(publication, out.path()).unwrap();
    std::fs::read_to_string(out.path().join("index.html")).unwrap()
}

fn ids(page: &Element) -> Vec<&str> {
    page.all().into_iter().filter_map(|element| element.attribute("id")).collect()
}

/// What has to be true of every page.
fn check(page: &Element) {
    let ids = ids(page);
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "a place has a name of its own");
    for element in page.all() {
        let refers = ["aria-labelledby", "aria-describedby", "for"];
        let named = refers.iter().filter_map(|name| element.attribute(name)).flat_map(|value| value.split(' '));
        named.for_each(|id| assert!(unique.contains(id), "{} refers to {id}, which is not there", element.name));
        if let Some(href) = element.attribute("href") {
            match href.strip_prefix('#') {
                Some(place) => assert!(unique.contains(place), "a link leads to {place}, which is not there"),
                None => assert!(href == "data:," || (element.name == "a" && href.starts_with("https://")), "{href}"),
            }
        }
        let attributes = || element.attributes.iter();
        assert!(
            attributes().all(|(name, _)| name != "src" && !name.starts_with("on") && name != "style"),
            "{element:?}"
        );
    }
    check_access(page);
}

/// What people who do not see the page, or have no pointer, need.
fn check_access(page: &Element) {
    assert_eq!(page.attribute("lang"), Some("en"));
    for landmark in ["header", "main", "footer", "h1", "title"] {
        // An svg has a title of its own.
        let count = page.elements().flat_map(|part| part.elements()).filter(|element| element.name == landmark).count();
        let within = page.named(landmark).len();
        assert!(count == 1 || (landmark == "h1" && within == 1), "{landmark}: {count}");
    }
    let levels: Vec<u32> =
        page.all().into_iter().filter_map(|element| element.name.strip_prefix('h')?.parse().ok()).collect();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a heading skips a level: {levels:?}");
    for table in page.named("table") {
        assert!(table.elements().next().is_some_and(|first| first.name == "caption" && !first.text().is_empty()));
        assert!(table.named("th").iter().all(|cell| cell.attribute("scope").is_some()));
    }
    for svg in page.named("svg").into_iter().filter(|svg| svg.attribute("aria-hidden").is_none()) {
        let children: Vec<&str> = svg.elements().take(2).map(|element| element.name.as_str()).collect();
        assert_eq!(children, ["title", "desc"]);
    }
    let labelled: BTreeSet<&str> = page.named("label").iter().filter_map(|label| label.attribute("for")).collect();
    assert!(page.named("input").iter().all(|input| input.attribute("id").is_some_and(|id| labelled.contains(id))));
    let regions = page.all().into_iter().filter(|element| element.attribute("class") == Some("scroll"));
    regions.for_each(|region| {
        let named = region.attribute("aria-label").or(region.attribute("aria-labelledby"));
        assert!(
            region.attribute("tabindex") == Some("0") && named.is_some(),
            "what scrolls can be reached by keyboard"
        );
    });
}

#[test]
fn the_page_of_a_run_is_whole() {
    for sample in [losses(), held(), common::unnoticed(), losses().require(None, "durability")] {
        check(&run_page(&sample));
        check(&parse(&sample.export(&Html { picture: None })).unwrap());
    }
}

#[test]
fn the_page_of_many_runs_is_whole() {
    let older = named(losses(), "2026-11-23-0001", "2026-11-23T02:00:00Z");
    let mut other = named(held(), "2026-11-24-ffff", "2026-11-24T03:00:00Z");
    other.manifest.broker_version = String::from("3.9.1");
    let page = parse(&index_text(&publication([older, losses(), other]))).unwrap();
    check(&page);
    assert!(page.with_id("run-2026-11-23-0001").is_none(), "a run that no row comes from is not shown");
    check(&parse(&index_text(&Publication::default())).unwrap());
}

#[test]
fn the_picture_shows_what_happened() {
    let page = run_page(&losses());
    let plots = page.named("figure");
    assert_eq!(plots.len(), 4);
    let classes = |plot: &Element| -> BTreeSet<String> {
        plot.all().into_iter().filter_map(|element| element.attribute("class")).map(str::to_owned).collect()
    };
    let safe = classes(plots[0]);
    for class in [
        "fault",
        "acked-area",
        "acked-line",
        "delivered-line",
        "failures-area",
        "send-line",
        "age-line",
        "leader",
        "members",
        "phase-line",
    ] {
        assert!(safe.contains(class), "no {class} in {safe:?}");
    }
    assert!(!safe.contains("lost") && classes(plots[2]).contains("lost"));
    assert!(!classes(plots[1]).contains("leader"), "the change was told of another lane's destination");
    let titles: Vec<String> = plots[0].named("title").iter().map(|title| title.text()).collect();
    assert!(titles.contains(&String::from("netsplit:leader on n2 from +4.000 s to +19.004 s")), "{titles:?}");
    assert!(titles.contains(&String::from("+13.404 s n1 said leader of safe-0 n2 -> n3")), "{titles:?}");
    let fast = plots[2].named("desc")[0].text();
    assert!(fast.ends_with("4,500 acked from +4.000 s to +10.000 s are lost."), "{fast}");
}

#[test]
fn values_for_whoever_points_at_the_picture_are_those_of_the_bins() {
    let page = run_page(&losses());
    let values = page.named("figure")[2].attribute("data-values").unwrap();
    let values: serde_json::Value = serde_json::from_str(values).unwrap();
    assert_eq!((&values["binMs"], &values["bins"]), (&2_000.into(), &12.into()));
    assert_eq!(
        (&values["lost"][2], &values["lost"][5], &values["acked"][0]),
        (&1_500.into(), &0.into(), &1_990.into())
    );
    assert_eq!(
        (&values["send"][0], &values["sendMax"][0], &values["age"][10]),
        (&2.5.into(), &41.3.into(), &14_000.into())
    );
    assert!(values["unknown"].is_null(), "a series of nothing is left out");
    let first = page.named("figure")[0].attribute("data-values").unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert!(first["send"][3].is_null() && first["notes"][0][0] == 13_404);
}

/// Where a link in this element leads.
fn follow<'a>(page: &'a Element, from: &Element, words: &str) -> &'a Element {
    let link = from.named("a").into_iter().find(|link| link.text() == words);
    let link = link.unwrap_or_else(|| panic!("no link {words} in {}", from.text()));
    page.with_id(link.attribute("href").unwrap().trim_start_matches('#')).unwrap()
}

#[test]
fn one_click_leads_from_the_table_to_the_lane_and_from_a_finding_to_its_story() {
    let page = parse(&index_text(&publication([losses()]))).unwrap();
    let results = page.with_id("results").unwrap();
    let lane = follow(&page, results, "fast");
    assert!(lane.text().contains("Lost 14,450 of 23,690") && lane.named("figure").len() == 1);
    let finding = follow(&page, results, "14,450 (61.0 %)");
    assert!(finding.text().contains("Finding: lost, 14,450"));
    let story = finding.named("details")[0];
    assert_eq!(story.attribute("open"), Some("open"));
    assert_eq!(story.named("li")[2].text(), "+4.129 s acked by n2 at offset 3170");
    let run = page.with_id("run-2026-11-24-a1b2").unwrap();
    assert_eq!(follow(&page, run, "14,450 lost"), finding);
    // Lost messages in the picture lead there, too.
    let in_picture = lane.named("svg")[0].named("a")[0];
    assert_eq!(page.with_id(in_picture.attribute("href").unwrap().trim_start_matches('#')), Some(finding));
    assert_eq!(in_picture.attribute("aria-label"), Some("4,500 messages that were acked here are lost"));
}

#[test]
fn names_from_elsewhere_stay_text() {
    let hostile =
        "\"><script>alert(1)</script><a href='javascript:alert(2)' onclick=\"x\">&amp;\u{1b}[31m\u{202e}\u{0}]]>";
    let shown = "\"><script>alert(1)</script><a href='javascript:alert(2)' onclick=\"x\">&amp; [31m ]]>";
    let mut sample = named(losses(), hostile, hostile);
    let manifest = &mut sample.manifest;
    for text in [
        &mut manifest.broker_version,
        &mut manifest.client,
        &mut manifest.machine,
        &mut manifest.timings,
        &mut manifest.tool_commit,
        &mut manifest.faults[0].shape,
    ] {
        *text = hostile.to_owned();
    }
    manifest.lanes[2].settings = hostile.to_owned();
    manifest.lanes[2].defaults_of = hostile.to_owned();
    manifest.lanes[2].config.insert(hostile.to_owned(), hostile.to_owned());
    manifest.lanes[2].name = hostile.to_owned();
    manifest.by_hand.push(hostile.to_owned());
    let lane = &mut sample.judgement.lanes[2];
    lane.lane = hostile.to_owned();
    lane.doubts.push(hostile.to_owned());
    lane.label.observed = hostile.to_owned();
    let witness = &mut lane.findings[0].witnesses[0];
    witness.message = hostile.to_owned();
    witness.destination = hostile.to_owned();
    witness.story.push(StoryStep { at_ms: 5, what: hostile.to_owned() });
    sample.judgement.faults[0].targets = vec![hostile.to_owned()];
    let mut run = judged_run(sample);
    if let Some(picture) = &mut run.picture {
        picture.faults[0].targets = vec![hostile.to_owned()];
        picture.changes[0].what = hostile.to_owned();
        picture.changes[0].lane = Some(2);
    }
    let publication = Publication { runs: vec![run], ..Publication::default() };
    for text in [index_text(&publication), {
        let mut out = Vec::new();
        let picture = publication.runs[0].picture.as_ref();
        delivery_report::Exporter::export(&Html { picture }, &publication.runs[0].report(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }] {
        let page = parse(&text).unwrap();
        check(&page);
        assert_eq!(page.named("script").len(), 1, "only the page's own");
        assert!(page.text().contains(shown), "the name is there as it is");
        let links = page.named("a");
        assert!(links.iter().all(|link| !link.attribute("href").unwrap_or_default().contains("javascript:")));
    }
}

#[test]
fn a_long_run_makes_no_long_page() {
    let sample = held();
    let mut long = picture(&sample);
    for lane in &mut long.lanes {
        let bin = lane.bins[0];
        // The worst there is: every stretch another value, in every series.
        lane.bins = (0..240)
            .map(|at| {
                let count = u32::MAX - at;
                delivery_checks::picture::Bin {
                    acked: count,
                    failed: count,
                    unknown: count,
                    delivered: count,
                    lost: count,
                    ..bin
                }
            })
            .collect();
    }
    long.bins = 240;
    let page = sample.export(&Html { picture: Some(&long) });
    let without = sample.export(&Html { picture: None });
    let a_lane = (page.len() - without.len()) / sample.manifest.lanes.len();
    assert!(a_lane < 60_000, "{a_lane} bytes a lane");
    check(&parse(&page).unwrap());
}

#[test]
fn nothing_is_fetched() {
    let text = index_text(&publication([losses()]));
    let page = parse(&text).unwrap();
    let policy =
        page.named("meta").into_iter().find(|meta| meta.attribute("http-equiv") == Some("Content-Security-Policy"));
    assert!(policy.unwrap().attribute("content").unwrap().starts_with("default-src 'none';"));
    for name in ["img", "iframe", "object", "embed", "video", "audio", "form", "base"] {
        assert!(page.named(name).is_empty(), "{name}");
    }
}

/// The page as a reader who sees no pictures goes through it.
fn outline(element: &Element, text: &mut String) {
    let block =
        matches!(element.name.as_str(), "p" | "li" | "tr" | "caption" | "summary" | "dt" | "desc" | "label" | "output")
            || element.name.strip_prefix('h').is_some_and(|level| level.parse::<u8>().is_ok());
    if element.name == "head" || element.name == "script" || element.name == "text" {
        return;
    }
    if block {
        text.push_str(&format!("{}: ", element.name));
    }
    if block && element.name != "tr" {
        text.push_str(&element.text());
        text.push('\n');
        return;
    }
    if element.name == "tr" || element.name == "dd" {
        let cells: Vec<String> = element.elements().map(Element::text).collect();
        text.push_str(&if cells.is_empty() { format!("  {}", element.text()) } else { cells.join(" | ") });
        text.push('\n');
        return;
    }
    element.elements().for_each(|inside| outline(inside, text));
}

#[test]
fn page_of_a_run_as_it_is_read() {
    let mut text = String::new();
    outline(&run_page(&losses().keep_lanes(&["safe", "fast"])), &mut text);
    insta::assert_snapshot!(text);
}

#[test]
fn drawing_of_a_lane() {
    let page = run_page(&losses().keep_lanes(&["fast"]));
    let mut text = String::new();
    for element in page.named("figure")[0].named("svg")[0].all() {
        let attributes: Vec<String> =
            element.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let inside = if element.elements().next().is_none() { element.text() } else { String::new() };
        text.push_str(&format!("{} {} {inside}\n", element.name, attributes.join(" ")));
    }
    insta::assert_snapshot!(text);
}
