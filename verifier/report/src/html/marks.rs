//! What a picture marks: what nodes told of, and messages that are lost.

use std::fmt::Write as _;

use delivery_checks::picture::{Change, ChangeKind};

use super::lines::{at, line, path};
use super::markup::Markup;
use super::plot::Plot;
use super::scale::{LOST, MARKS, RATES, TIME, TimeScale};
use crate::words::counted;

/// Changes of this lane, and of the cluster as a whole.
pub(super) fn changes_of<'a>(plot: &Plot<'a>) -> impl Iterator<Item = &'a Change> {
    let index = u16::try_from(plot.index).ok();
    plot.picture.changes.iter().filter(move |change| change.lane.is_none() || change.lane == index)
}

pub(super) fn write_changes(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
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

pub(super) fn write_mark_lines(markup: &mut Markup) {
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
pub(super) fn write_lost(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
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
