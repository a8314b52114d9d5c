//! One lane over time, as a picture: acked sends, failures, deliveries and times, with faults shaded, what nodes told of marked,
//! and lost messages marked where they were acked.

use std::fmt::Write as _;

use delivery_checks::Picture;
use delivery_checks::picture::{Bin, Change, ChangeKind, FaultSpan, LanePicture};
use delivery_history::manifest::Phase;

use super::markup::Markup;
use super::scale::{LOST, LinearScale, LogScale, MARKS, RATES, SIZE, TIME, TIMES, TimeScale};
use super::values;
use crate::words::{counted, number};

/// What is told at most a stretch before it is cut off, in times of what is sent: what is caught up on after a fault would
/// leave no room for the rest.
const MOST_OF_SENT: f64 = 3.0;
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

/// Messages of one stretch, as messages a second.
fn per_s(plot: &Plot<'_>, count: u32) -> f64 {
    f64::from(count) * 1e3 / plot.picture.bin_ms.max(1) as f64
}

fn write_rates(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    let of = |count: fn(&Bin) -> u32| plot.lane.bins.iter().map(move |bin| per_s(plot, count(bin)));
    let largest = |count: fn(&Bin) -> u32| of(count).fold(0.0, f64::max);
    let sent = largest(|bin| bin.invoked);
    let all = sent.max(largest(|bin| bin.acked)).max(largest(|bin| bin.delivered)).max(largest(failures));
    let scale = LinearScale::up_to(if sent > 0.0 { all.min(sent * MOST_OF_SENT) } else { all });
    for share in [0.0, 0.5, 1.0] {
        let value = scale.top * share;
        let y = scale.y(value);
        line(markup, "grid", (&at(TIME.0), y), (&at(TIME.1), y));
        let label = if share == 0.0 { String::from("0") } else { format!("{}/s", rounded(value)) };
        markup.leaf("text", &[("class", "label end"), ("x", &at(TIME.0 - 6.0)), ("y", &at(y + 4.0))], &label);
    }
    if all > scale.top {
        let words = format!("peaks up to {}/s are cut off", rounded(all.round()));
        markup.leaf("text", &[("class", "label end"), ("x", &at(TIME.1)), ("y", &at(RATES.0 - 4.0))], &words);
    }
    let y = |value: f64| scale.y(value);
    path(markup, "acked-area", &area(of(|bin| bin.acked), time, y));
    path(markup, "failures-area", &area(of(failures), time, y));
    path(markup, "acked-line", &steps(of(|bin| bin.acked).map(Some), time, y));
    path(markup, "delivered-line", &steps(of(|bin| bin.delivered).map(Some), time, y));
}

fn failures(bin: &Bin) -> u32 {
    bin.failed.saturating_add(bin.unknown)
}

fn write_times(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    let bins = || plot.lane.bins.iter();
    let spreads = bins().flat_map(|bin| [bin.send, bin.age]).flatten();
    let scale = LogScale::around(spreads.flat_map(|spread| [spread.p50_ms, spread.max_ms]));
    for decade in scale.decades() {
        let value_ms = 10_f64.powi(decade);
        let y = scale.y(value_ms);
        line(markup, "grid", (&at(TIME.0), y), (&at(TIME.1), y));
        markup.leaf(
            "text",
            &[("class", "label end"), ("x", &at(TIME.0 - 6.0)), ("y", &at(y + 4.0))],
            &decade_words(decade),
        );
    }
    let y = |value: f64| scale.y(value);
    path(markup, "send-max-line", &steps(bins().map(|bin| bin.send.map(|spread| spread.max_ms)), time, y));
    path(markup, "age-line", &steps(bins().map(|bin| bin.age.map(|spread| spread.p50_ms)), time, y));
    path(markup, "send-line", &steps(bins().map(|bin| bin.send.map(|spread| spread.p50_ms)), time, y));
}

fn decade_words(decade: i32) -> String {
    match decade {
        ..0 => format!("{} ms", 10_f64.powi(decade)),
        0..3 => format!("{} ms", 10_u64.pow(decade.unsigned_abs())),
        _ => format!("{} s", number(10_u64.pow(decade.unsigned_abs().min(12) - 3))),
    }
}

/// Changes of this lane, and of the cluster as a whole.
pub(super) fn changes_of<'a>(plot: &Plot<'a>) -> impl Iterator<Item = &'a Change> {
    let index = u16::try_from(plot.index).ok();
    plot.picture.changes.iter().filter(move |change| change.lane.is_none() || change.lane == index)
}

fn write_changes(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    for change in changes_of(plot).filter(|change| time.holds(change.at_ms as f64)) {
        let x = time.x(change.at_ms as f64);
        markup.element("g", &[("class", "change")], |markup| {
            markup.leaf("title", &[], &format!("{} {}", super::moment(change.at_ms), change.what));
            let y = mark_line(change.kind);
            line(markup, "change-line", (&at(x), y), (&at(x), RATES.1));
            markup.empty("path", &[("class", change_class(change.kind)), ("d", &shape(change.kind, x, y))]);
        });
    }
}

/// Each kind has a line of its own: what comes together would else lie upon each other.
fn mark_line(kind: ChangeKind) -> f64 {
    let line = match kind {
        ChangeKind::Leader => 0.0,
        ChangeKind::InSync => 1.0,
        ChangeKind::Controller => 2.0,
        ChangeKind::Members => 3.0,
    };
    MARKS.0 + line * MARKS.1
}

fn write_mark_lines(markup: &mut Markup) {
    let lines = [
        (ChangeKind::Leader, "leader"),
        (ChangeKind::InSync, "in sync"),
        (ChangeKind::Controller, "controller"),
        (ChangeKind::Members, "members"),
    ];
    for (kind, words) in lines {
        let y = at(mark_line(kind) + 3.5);
        markup.leaf("text", &[("class", "label end small"), ("x", &at(TIME.0 - 6.0)), ("y", &y)], words);
    }
}

pub(super) const fn change_class(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Leader => "leader",
        ChangeKind::InSync => "in-sync",
        ChangeKind::Controller => "controller",
        ChangeKind::Members => "members",
    }
}

/// A shape for each kind, so that no colour has to say it.
pub(super) fn shape(kind: ChangeKind, x: f64, y: f64) -> String {
    let (left, right, up, down) = (at(x - 4.0), at(x + 4.0), at(y - 4.0), at(y + 4.0));
    let (x, y) = (at(x), at(y));
    match kind {
        ChangeKind::Leader => format!("M{x} {up}L{right} {y}L{x} {down}L{left} {y}Z"),
        ChangeKind::InSync => format!("M{left} {y}A4 4 0 1 0 {right} {y}A4 4 0 1 0 {left} {y}Z"),
        ChangeKind::Controller => format!("M{left} {up}H{right}V{down}H{left}Z"),
        ChangeKind::Members => format!("M{x} {up}L{right} {down}H{left}Z"),
    }
}

/// A mark under each stretch in which messages were acked that are lost, as strong as its share of them.
fn write_lost(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
    markup.leaf("text", &[("class", "label end"), ("x", &at(TIME.0 - 6.0)), ("y", &at(LOST.1 - 2.0))], "lost");
    let lost: u64 = plot.lane.bins.iter().map(|bin| u64::from(bin.lost)).sum();
    if lost == 0 {
        return;
    }
    let mut data = String::new();
    for (bin, found) in plot.lane.bins.iter().enumerate().filter(|(_, found)| found.lost > 0) {
        let share = f64::from(found.lost) / f64::from(found.acked.max(found.lost));
        let top = LOST.1 - (LOST.1 - LOST.0) * share.max(0.25);
        let (from, to) = (time.bin(bin), time.bin(bin + 1));
        let _ = write!(data, "M{} {}H{}V{}H{}Z", at(from), at(LOST.1), at(to.max(from + 1.0)), at(top), at(from));
    }
    let words =
        format!("{} that were acked here are lost", counted(usize::try_from(lost).unwrap_or(usize::MAX), "message"));
    let draw = |markup: &mut Markup| {
        markup.leaf("title", &[], &words);
        path(markup, "lost", &data);
    };
    match plot.lost_anchor {
        Some(anchor) => markup.element("a", &[("href", &format!("#{anchor}")), ("aria-label", &words)], draw),
        None => markup.element("g", &[], draw),
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

/// The outline of values as steps, down to nothing.
fn area(values: impl Iterator<Item = f64>, time: &TimeScale, y: impl Fn(f64) -> f64) -> String {
    let mut data = String::new();
    let mut open: Option<f64> = None;
    let mut last = 0;
    for (bin, value) in values.enumerate() {
        last = bin + 1;
        match (open, value > 0.0) {
            (None, true) => {
                let _ = write!(data, "M{} {}V{}", at(time.bin(bin)), at(y(0.0)), at(y(value)));
                open = Some(value);
            }
            (Some(known), true) if (known - value).abs() > f64::EPSILON => {
                let _ = write!(data, "H{}V{}", at(time.bin(bin)), at(y(value)));
                open = Some(value);
            }
            (Some(_), false) => {
                let _ = write!(data, "H{}V{}Z", at(time.bin(bin)), at(y(0.0)));
                open = None;
            }
            _ => {}
        }
    }
    if open.is_some() {
        let _ = write!(data, "H{}V{}Z", at(time.bin(last)), at(y(0.0)));
    }
    data
}

/// A line of steps that is interrupted where there is no value.
fn steps(values: impl Iterator<Item = Option<f64>>, time: &TimeScale, y: impl Fn(f64) -> f64) -> String {
    let mut data = String::new();
    let mut known: Option<f64> = None;
    let mut last = 0;
    for (bin, value) in values.enumerate() {
        last = bin + 1;
        let x = time.bin(bin);
        match (known, value) {
            (None, Some(value)) => drop(write!(data, "M{} {}", at(x), at(y(value)))),
            (Some(known), Some(value)) if (known - value).abs() > f64::EPSILON => {
                let _ = write!(data, "H{}V{}", at(x), at(y(value)));
            }
            (Some(_), None) => drop(write!(data, "H{}", at(x))),
            _ => {}
        }
        known = value;
    }
    if known.is_some() {
        let _ = write!(data, "H{}", at(time.bin(last)));
    }
    data
}

fn path(markup: &mut Markup, class: &'static str, data: &str) {
    if !data.is_empty() {
        markup.empty("path", &[("class", class), ("d", data)]);
    }
}

fn line(markup: &mut Markup, class: &'static str, from: (&str, f64), to: (&str, f64)) {
    markup.empty("line", &[("class", class), ("x1", from.0), ("y1", &at(from.1)), ("x2", to.0), ("y2", &at(to.1))]);
}

/// A coordinate, to a tenth.
fn at(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Minus zero is written without its sign.
    format!("{}", tenths + 0.0)
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { number(value as u64) } else { format!("{value:.1}") }
}
