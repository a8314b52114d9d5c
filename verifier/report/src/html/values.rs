//! The numbers behind a picture, for whoever points at it.

use delivery_checks::picture::Bin;
use serde_json::{Map, Value, json};

use super::marks::changes_of;
use super::plot::Plot;
use super::scale::{SIZE, TIME};

/// A series: its name, and its value in a stretch.
type Series<T> = (&'static str, fn(&Bin) -> T);

/// JSON: the length of a stretch, a list a series, and what nodes told of.
pub(super) fn json(plot: &Plot<'_>) -> String {
    let bins = &plot.lane.bins;
    let mut values = Map::new();
    values.insert(String::from("binMs"), json!(plot.picture.bin_ms));
    values.insert(String::from("bins"), json!(bins.len()));
    // Where time begins and ends in the picture, and how wide that is.
    values.insert(String::from("span"), json!([TIME.0, TIME.1, SIZE.0]));
    let counts: [Series<u32>; 5] = [
        ("acked", |bin| bin.acked),
        ("failed", |bin| bin.failed),
        ("unknown", |bin| bin.unknown),
        ("delivered", |bin| bin.delivered),
        ("lost", |bin| bin.lost),
    ];
    for (name, count) in counts {
        // A series of nothing is left out.
        if bins.iter().any(|bin| count(bin) > 0) {
            values.insert(name.to_owned(), bins.iter().map(|bin| json!(count(bin))).collect());
        }
    }
    let times: [Series<Option<f64>>; 4] = [
        ("send", |bin| bin.send.map(|spread| spread.p50_ms)),
        ("sendMax", |bin| bin.send.map(|spread| spread.max_ms)),
        ("age", |bin| bin.age.map(|spread| spread.p50_ms)),
        ("ageMax", |bin| bin.age.map(|spread| spread.max_ms)),
    ];
    for (name, time) in times {
        if bins.iter().any(|bin| time(bin).is_some()) {
            values
                .insert(name.to_owned(), bins.iter().map(|bin| time(bin).map_or(Value::Null, three_digits)).collect());
        }
    }
    let notes: Vec<Value> = changes_of(plot).map(|change| json!([change.at_ms, change.what])).collect();
    values.insert(String::from("notes"), Value::Array(notes));
    Value::Object(values).to_string()
}

/// To three significant digits, and whole where it has more.
fn three_digits(value: f64) -> Value {
    let digits = if value >= 100.0 {
        1.0
    } else if value >= 10.0 {
        10.0
    } else {
        100.0
    };
    let rounded = (value * digits).round() / digits;
    if rounded.fract() == 0.0 { json!(rounded as u64) } else { json!(rounded) }
}
