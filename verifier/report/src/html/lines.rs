//! Lines, areas and coordinates of a picture.

use std::fmt::Write as _;

use super::markup::Markup;
use super::scale::TimeScale;

/// The outline of values as steps, down to nothing.
pub(super) fn area(values: impl Iterator<Item = f64>, time: &TimeScale, y: impl Fn(f64) -> f64) -> String {
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
pub(super) fn steps(values: impl Iterator<Item = Option<f64>>, time: &TimeScale, y: impl Fn(f64) -> f64) -> String {
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

pub(super) fn path(markup: &mut Markup, class: &'static str, data: &str) {
    if !data.is_empty() {
        markup.empty("path", &[("class", class), ("d", data)]);
    }
}

pub(super) fn line(markup: &mut Markup, class: &'static str, from: (&str, f64), to: (&str, f64)) {
    markup.empty("line", &[("class", class), ("x1", from.0), ("y1", &at(from.1)), ("x2", to.0), ("y2", &at(to.1))]);
}

/// A coordinate, to a tenth.
pub(super) fn at(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Minus zero is written without its sign.
    format!("{}", tenths + 0.0)
}
