//! What a picture shows as lines: messages a second, and times.

use delivery_checks::picture::Bin;

use super::lines::{area, at, line, path, steps};
use super::markup::Markup;
use super::plot::Plot;
use super::scale::{LinearScale, LogScale, RATES, TIME, TimeScale};
use crate::words::number;

/// What is told at most a stretch before it is cut off, in times of what is sent: what is caught up on after a fault would
/// leave no room for the rest.
const MOST_OF_SENT: f64 = 3.0;

/// Messages of one stretch, as messages a second.
fn per_s(plot: &Plot<'_>, count: u32) -> f64 {
    f64::from(count) * 1e3 / plot.picture.bin_ms.max(1) as f64
}

pub(super) fn write_rates(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
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

pub(super) fn write_times(plot: &Plot<'_>, time: &TimeScale, markup: &mut Markup) {
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

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { number(value as u64) } else { format!("{value:.1}") }
}
