//! A matrix as a TOML file: what stands in it, and the place of every mistake.

use std::collections::BTreeMap;
use std::ops::Range;

use delivery_faults::{Place, time_ms};
use serde::Deserialize;
use toml::Spanned;

use crate::values::Many;

/// Largest file that is read, bytes.
const MAX_BYTES: usize = 1 << 20;
/// Most repetitions of a cell.
pub(crate) const MAX_REPEAT: u32 = 10_000;

/// A matrix as it stands in a file: its syntax and numbers are checked, its names are not.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixFile {
    /// Name of the file, as the user gave it.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Wall-clock time after which no run is started, milliseconds.
    pub budget_ms: Option<u64>,
    /// Most lanes of a run; nothing is what the machine carries.
    pub lanes: Option<usize>,
    pub(crate) defaults: Settings,
    pub(crate) rows: Vec<Spanned<Row>>,
}

/// A mistake in a matrix file, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}{excerpt}")]
pub struct MatrixFileError {
    /// Name of the file, as the user gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
    /// The line with the mistake marked; may be empty.
    pub excerpt: String,
}

/// A mistake with the bytes it is made in.
pub(crate) type Mistake = (Range<usize>, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    budget: Option<Spanned<String>>,
    lanes: Option<Spanned<u64>>,
    #[serde(default)]
    defaults: Settings,
    #[serde(default)]
    cell: Vec<Spanned<Row>>,
}

/// `[defaults]`: what a row may leave out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) timings: Option<Spanned<Many>>,
    pub(crate) duration: Option<Spanned<String>>,
    pub(crate) rate: Option<Spanned<u64>>,
    pub(crate) size: Option<Spanned<u64>>,
    pub(crate) producers: Option<Spanned<u64>>,
    pub(crate) consumers: Option<Spanned<u64>>,
    pub(crate) repeat: Option<Spanned<u64>>,
    pub(crate) limit: Option<Spanned<String>>,
}

/// `[[cell]]`: one cell, or as many as its lists make.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: Spanned<String>,
    #[serde(default)]
    pub(crate) about: String,
    pub(crate) system: Spanned<Many>,
    pub(crate) version: Option<Spanned<Many>>,
    pub(crate) preset: Option<Spanned<Many>>,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Spanned<Many>>,
    pub(crate) faults: Option<Spanned<Many>>,
    pub(crate) shape: Option<Spanned<Many>>,
    pub(crate) timings: Option<Spanned<Many>>,
    pub(crate) duration: Option<Spanned<String>>,
    pub(crate) rate: Option<Spanned<u64>>,
    pub(crate) size: Option<Spanned<u64>>,
    pub(crate) producers: Option<Spanned<u64>>,
    pub(crate) consumers: Option<Spanned<u64>>,
    pub(crate) repeat: Option<Spanned<u64>>,
    pub(crate) limit: Option<Spanned<String>>,
    /// It has a cluster to itself.
    #[serde(default)]
    pub(crate) alone: bool,
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, Spanned<Many>>,
    /// Why it is listed and not run.
    #[serde(rename = "not-run")]
    pub(crate) not_run: Option<Spanned<String>>,
}

impl MatrixFile {
    /// Reads `text`, which stands in the file called `name`.
    ///
    /// # Errors
    /// The first mistake, with its place: no TOML, an unknown key, a value of another kind, a time that is none.
    pub fn parse(name: &str, text: &str) -> Result<Self, MatrixFileError> {
        read(name, text).map_err(|mistake| place(name, text, mistake))
    }

    /// Says where in the file a mistake is.
    pub(crate) fn place(&self, mistake: Mistake) -> MatrixFileError {
        place(&self.name, &self.text, mistake)
    }
}

fn place(name: &str, text: &str, (at, problem): Mistake) -> MatrixFileError {
    let Place { line, column, excerpt } = Place::of(text, &at);
    MatrixFileError { file: name.to_owned(), line, column, problem, excerpt }
}

fn read(name: &str, text: &str) -> Result<MatrixFile, Mistake> {
    if text.len() > MAX_BYTES {
        return Err((0..0, format!("a matrix has at most {MAX_BYTES} bytes, and this file has {}", text.len())));
    }
    let file: File =
        toml::from_str(text).map_err(|error| (error.span().unwrap_or(0..0), error.message().trim().to_owned()))?;
    if file.cell.is_empty() {
        return Err((0..0, String::from("there is no cell: a matrix has at least one [[cell]]")));
    }
    Ok(MatrixFile {
        name: name.to_owned(),
        text: text.to_owned(),
        budget_ms: file.budget.as_ref().map(read_time).transpose()?,
        lanes: file.lanes.as_ref().map(|lanes| whole(lanes, 1, 64)).transpose()?.map(|lanes| lanes as usize),
        defaults: file.defaults,
        rows: file.cell,
    })
}

/// A time as people write it, milliseconds.
pub(crate) fn read_time(text: &Spanned<String>) -> Result<u64, Mistake> {
    time_ms(text.get_ref()).map_err(|problem| (text.span(), problem))
}

/// A whole number within limits.
pub(crate) fn whole(number: &Spanned<u64>, least: u32, most: u32) -> Result<u32, Mistake> {
    let value = u32::try_from(*number.get_ref()).ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| (number.span(), format!("{} is out of range: {least} to {most}", number.get_ref())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::MatrixFile;

    const FULL: &str = "budget = \"10m\"\n\n[defaults]\ntimings = \"short\"\nrate = 200\n\n[[cell]]\nid = \"K2\"\nsystem = \"kafka\"\npreset = [\"safe\", \"fast\"]\nset = { \"producer.acks\" = [1, \"all\"] }\nfaults = \"netsplit:leader+15s\"\nexpect = { durability = \"violated\" }\n";

    fn told(text: &str) -> String {
        MatrixFile::parse("m.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn values_and_lists_are_read() {
        let file = MatrixFile::parse("m.toml", FULL).unwrap();
        assert_eq!((file.budget_ms, file.lanes, file.rows.len()), (Some(600_000), None, 1));
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_was_expected() {
        let of_cell = |line: &str| told(&format!("[[cell]]\nid = \"a\"\nsystem = \"pubsub\"\n{line}\n"));
        assert!(of_cell("prest = \"x\"").starts_with("m.toml:4:1: unknown field `prest`"), "{}", of_cell("prest = 1"));
        assert!(of_cell("rate = \"many\"").starts_with("m.toml:4:8: invalid type: string"));
        assert!(of_cell("faults = {}").starts_with("m.toml:4:10: "), "{}", of_cell("faults = {}"));
        assert!(of_cell("faults = {}").contains("expected a value, or a list of values"));
        assert!(of_cell("preset = []").contains("a list without values makes no cell"));
        assert!(of_cell("é = 1 2").starts_with("m.toml:4:"));
        assert!(told("budget = \"soon\"\n[[cell]]\nid = \"a\"\nsystem = \"b\"").starts_with("m.toml:1:10: "));
        assert!(told("lanes = 0\n[[cell]]\nid = \"a\"\nsystem = \"b\"").contains("0 is out of range: 1 to 64"));
        assert!(told("").starts_with("m.toml:1:1: there is no cell"));
        assert!(told("[[cell]]\nsystem = \"b\"").contains("missing field `id`"));
    }

    proptest! {
        #[test]
        fn a_spoilt_file_is_read_or_refused_with_a_place_in_it(at in 0..FULL.len(), put in "[ -~é\n]{0,3}", cut in 0usize..4) {
            let mut text = FULL.to_owned();
            text.replace_range(at..(at + cut).min(FULL.len()), &put);
            if let Err(error) = MatrixFile::parse("f", &text) {
                prop_assert!((1..=text.matches('\n').count() + 1).contains(&error.line), "{}", error);
                prop_assert!(error.column >= 1 && !error.problem.is_empty());
            }
        }
    }
}
