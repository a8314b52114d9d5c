//! One lane over time, as a picture: acked sends, failures, deliveries and times, with faults shaded, what nodes told of marked,
//! and lost messages marked where they were acked.

use std::fmt::Write as _;

use delivery_checks::Picture;
use delivery_checks::picture::{Bin, FaultSpan, LanePicture};
use delivery_history::manifest::Phase;

use super::lines::{at, line};
use super::marks::{write_changes, write_lost, write_mark_lines};
use super::markup::Markup;
use super::scale::{RATES, SIZE, TIME, TIMES, TimeScale};
use super::series::{write_rates, write_times};
use super::values;
use crate::words::number;

/// About as wide as a character of a label is.
const CHARACTER: f64 = 6.8;

/// A lane to be drawn.
#[derive(Clone, Copy)]
pub(super) struct Plot<'a> {
    pub(super) picture: &'a Picture,
    pub(super) lane: &'a LanePicture,
    /// Index of the lane.
    pub(super) index: usize,
    pub(super) name: &'a str,
    /// Place of the lane in the page: names of places in the picture begin with it.
    pub(super) anchor: &'a str,
    /// Place of the finding `lost`, where there is one.
    pub(super) lost_anchor: Option<&'a str>,
}

/// Writes the picture, with what lets a reader ask for values.
pub(super) fn write(plot: &Plot<'_>, markup: &mut Markup) {
    let values = values::json(plot);
    let (title, description) = (format!("{}-title", plot.anchor), format!("{}-description", plot.anchor));
    let labelled = format!("{title} {description}");
    let view = format!("0 0 {} {}", SIZE.0, SIZE.1);
    markup.element("figure", &[("class", "plot"), ("data-values", &values)], |markup| {
        let region = format!("Picture of {}", plot.name);
        markup.element(
            "div",
            &[("class", "scroll"), ("role", "region"), ("aria-label", &region), ("tabindex", "0")],
            |markup| {
                let attributes = [
                    ("viewBox", view.as_str()),
                    ("role", "group"),
                    ("aria-labelledby", &labelled),
                    ("xmlns", "http://www.w3.org/2000/svg"),
                ];
                markup.element("svg", &attributes, |markup| {
                    markup.leaf("title", &[("id", &title)], &format!("{} over time", plot.name));
                    markup.leaf("desc", &[("id", &description)], &description_of(plot));
                    write_drawing(plot, markup);
                });
            },
        );
        write_moment(plot, markup);
    });
    markup.line_break();
}

/// A slider over the stretches: for the keyboard, for touch and for screen readers; the pointer moves it, too.
fn write_moment(plot: &Plot<'_>, markup: &mut Markup) {
    let id = format!("{}-moment", plot.anchor);
    let last = plot.lane.bins.len().saturating_sub(1).to_string();
    markup.element("div", &[("class", "moment"), ("hidden", "hidden")], |markup| {
        markup.leaf("label", &[("for", &id)], &format!("Moment of {}", plot.name));
        markup.empty(
            "input",
            &[("type", "range"), ("id", &id), ("min", "0"), ("max", &last), ("step", "1"), ("value", "0")],
        );
        markup.leaf("output", &[("for", &id)], "Point at the picture, or move the slider, for values.");
    });
}

fn write_drawing(plot: &Plot<'_>, markup: &mut Markup) {
    let time = TimeScale::of(plot.picture);
    write_faults(plot, &time, markup);
    write_axis(plot, &time, markup);
    write_mark_lines(markup);
    write_rates(plot, &time, markup);
    write_times(plot, &time, markup);
    write_changes(plot, &time, markup);
    write_lost(plot, &time, markup);
    write_fault_names(plot, &time, markup);
    let (top, bottom) = (at(0.0), at(TIMES.1));
    let left = at(TIME.0);
    markup.empty(
        "line",
        &[("class", "cursor"), ("x1", &left), ("x2", &left), ("y1", &top), ("y2", &bottom), ("visibility", "hidden")],
    );
}

fn write_faults(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    for fault in &plot.picture.faults {
        let (from, to) = span(fault, time);
        let (x, width) = (at(from), at((to - from).max(1.0)));
        let (y, height) = (at(RATES.0), at(TIMES.1 - RATES.0));
        markup.element("g", &[("class", "fault")], |markup| {
            markup.leaf("title", &[], &super::fault_words(fault));
            markup.empty("rect", &[("x", &x), ("y", &y), ("width", &width), ("height", &height)]);
        });
    }
}

fn span(fault: &FaultSpan, time: &TimeScale) -> (f64, f64) {
    (time.x(fault.from_ms as f64), fault.to_ms.map_or(TIME.1, |to_ms| time.x(to_ms as f64)))
}

/// Names of the faults, as far as there is room for them.
fn write_fault_names(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    let mut room_from = TIME.0;
    for fault in &plot.picture.faults {
        let from = span(fault, time).0 + 4.0;
        let whole = format!("{} on {}", fault.fault, fault.targets.join(", "));
        let end_of = |label: &str| from + label.chars().count() as f64 * CHARACTER;
        let label = if end_of(&whole) <= TIME.1 { whole } else { fault.fault.clone() };
        let end = end_of(&label);
        if from >= room_from && end <= TIME.1 {
            room_from = end + CHARACTER;
            markup.leaf("text", &[("class", "label"), ("x", &at(from)), ("y", &at(RATES.0 + 12.0))], &label);
        }
    }
}

fn write_axis(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    for at_s in time.ticks_s() {
        let x = at(time.x(at_s * 1e3));
        line(markup, "tick", (&x, TIMES.1), (&x, TIMES.1 + 5.0));
        markup.leaf(
            "text",
            &[("class", "label middle"), ("x", &x), ("y", &at(TIMES.1 + 17.0))],
            &format!("{} s", at(at_s)),
        );
    }
    // Each on a line of its own: they may come right after one another.
    for (phase, line_y) in [(Phase::Recover, 26.0), (Phase::Drain, 39.0)] {
        let entered = plot.picture.phases.iter().find(|(entered, _)| *entered == phase);
        let Some((_, at_ms)) = entered.filter(|(_, at_ms)| time.holds(*at_ms as f64)) else { continue };
        let place = time.x(*at_ms as f64);
        markup.element("g", &[("class", "phase")], |markup| {
            markup.leaf("title", &[], &format!("{} began", phase.label()));
            line(markup, "phase-line", (&at(place), RATES.0), (&at(place), TIMES.1));
            let (class, x) = if place + 50.0 < TIME.1 { ("label", place + 3.0) } else { ("label end", place - 3.0) };
            markup.leaf("text", &[("class", class), ("x", &at(x)), ("y", &at(RATES.0 + line_y))], phase.label());
        });
    }
    for bottom in [RATES.1, TIMES.1] {
        line(markup, "axis", (&at(TIME.0), bottom), (&at(TIME.1), bottom));
    }
}

fn description_of(plot: &Plot<'_>) -> String {
    let sum = |count: fn(&Bin) -> u32| -> u64 { plot.lane.bins.iter().map(|bin| u64::from(count(bin))).sum() };
    let mut text = format!(
        "In stretches of {} ms: {} acked, {} failed for certain, {} that may be stored, {} delivered.",
        number(plot.picture.bin_ms),
        number(sum(|bin| bin.acked)),
        number(sum(|bin| bin.failed)),
        number(sum(|bin| bin.unknown)),
        number(sum(|bin| bin.delivered))
    );
    for fault in &plot.picture.faults {
        let _ = write!(text, " {}.", super::fault_words(fault));
    }
    let mut lossy = plot.lane.bins.iter().enumerate().filter(|(_, bin)| bin.lost > 0).map(|(at, _)| at as u64);
    if let Some(first) = lossy.next() {
        let last = lossy.next_back().unwrap_or(first) + 1;
        let at = |bin: u64| super::moment(i64::try_from(bin * plot.picture.bin_ms).unwrap_or(i64::MAX));
        let _ = write!(text, " {} acked from {} to {} are lost.", number(sum(|bin| bin.lost)), at(first), at(last));
    }
    text
}
