//! Operations as JSON lines: one operation a line, the fields named as in EDN.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::{Draft, Process, kind_from_name, shown};
use super::error::{ImportError, Problem};
use super::operation::{Action, Function, KeyId, MicroOperation, OperationHistory, Scalar, length};

/// Reads every operation of a file, one a line, from byte `begin` on.
pub(crate) fn read(text: &[u8], mut begin: usize) -> Result<OperationHistory, ImportError> {
    let mut history = OperationHistory::default();
    for (number, line) in text[begin..].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let place = (number as u64 + 1, begin as u64);
        begin += line.len();
        let line = line.trim_ascii_end();
        if line.trim_ascii_start().is_empty() {
            continue;
        }
        read_line(line, place, &mut history).map_err(|(within, problem)| ImportError {
            line: place.0,
            byte: place.1 + within as u64,
            problem,
        })?;
    }
    Ok(history)
}

/// Reads every operation of one array, which begins behind byte `begin`.
pub(crate) fn read_array(text: &[u8], begin: usize) -> Result<OperationHistory, ImportError> {
    let mut array = Array { text, line: 1, at: 0, history: OperationHistory::default(), failed: None };
    let mut deserializer = serde_json::Deserializer::from_slice(&text[begin..]);
    let outcome = deserializer.deserialize_seq(&mut array).and_then(|()| deserializer.end());
    match (array.failed.take(), outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(array.history),
        (None, Err(error)) => {
            let (byte, problem) = wrong(text, &text[begin..], &error);
            Err(ImportError { line: array.line_at(byte), byte: byte as u64, problem })
        }
    }
}

/// An array of operations while it is read.
struct Array<'t> {
    text: &'t [u8],
    /// Byte up to which lines were counted, and the line it is on.
    at: usize,
    line: u64,
    history: OperationHistory,
    failed: Option<ImportError>,
}

impl Array<'_> {
    /// The line a byte stands on. Bytes come in ascending order, so each is looked at once.
    fn line_at(&mut self, byte: usize) -> u64 {
        if byte >= self.at {
            self.line += self.text[self.at..byte].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            self.at = byte;
        }
        self.line
    }
}

impl<'de> Visitor<'de> for &mut Array<'_> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of operations")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&RawValue>()? {
            let element = element.get().as_bytes();
            let begin = within(self.text, element);
            let place = (self.line_at(begin), begin as u64);
            if let Err((within, problem)) = read_line(element, place, &mut self.history) {
                let byte = begin + within;
                self.failed = Some(ImportError { line: self.line_at(byte), byte: byte as u64, problem });
                return Err(A::Error::custom("an operation cannot be read"));
            }
        }
        Ok(())
    }
}

/// An operation; what its value is depends on what it does, so that is read last.
#[derive(Deserialize)]
struct Line<'a> {
    index: Option<i64>,
    time: Option<i64>,
    #[serde(borrow)]
    process: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Name<'a>>,
    #[serde(borrow, rename = "f")]
    function: Option<Name<'a>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, rename = "rebalance-log")]
    rebalance_log: Option<&'a RawValue>,
}

/// Byte of the line, and what is wrong there.
type Wrong = (usize, Problem);

fn read_line(line: &[u8], place: (u64, u64), history: &mut OperationHistory) -> Result<(), Wrong> {
    let parsed: Line<'_> = serde_json::from_slice(line).map_err(|error| wrong(line, line, &error))?;
    let at_start = |problem| (0, problem);
    let draft = Draft {
        index: parsed.index,
        time_ns: parsed.time.unwrap_or(0),
        process: parsed.process.map(|process| process_of(line, process)).transpose()?,
        kind: parsed.kind.map(|kind| kind_from_name(kind.0.as_bytes())).transpose().map_err(at_start)?,
        function: parsed.function.map(|function| Function::from_name(function.0.as_bytes())),
    };
    let Some(mut operation) = draft.operation(history).map_err(at_start)? else {
        history.not_judged += 1;
        return Ok(());
    };
    let (micro, keys) = (operation.micro.start, operation.keys.start);
    if let Some(value) = parsed.value.filter(|value| value.get() != "null") {
        match operation.function {
            function if function.is_transactional() => apply(line, value, MicroOperations(history))?,
            Function::Assign | Function::Subscribe => apply(line, value, Keys(history))?,
            _ => {}
        }
    }
    history.not_judged += u64::from(operation.function == Function::Other);
    let (micro_end, keys_end) = history.marks().map_err(at_start)?;
    if let Some(log) = parsed.rebalance_log.filter(|log| log.get() != "null") {
        apply(line, log, RebalanceLog(history))?;
    }
    let rebalanced_end = history.marks().map_err(at_start)?.1;
    (operation.line, operation.byte) = place;
    (operation.micro, operation.keys) = (micro..micro_end, keys..keys_end);
    operation.rebalanced = keys_end..rebalanced_end;
    history.operations.push(operation);
    Ok(())
}

fn process_of(line: &[u8], process: &RawValue) -> Result<Process, Wrong> {
    let text = process.get();
    if text.starts_with('"') {
        return Ok(Process::Other);
    }
    text.parse().map(Process::Client).map_err(|_| {
        let found = format!("`{}`", shown(text.as_bytes()));
        let wanted = "a whole number of at most 64 bits, or a name";
        (within(line, text.as_bytes()), Problem::Field { field: "process", found, wanted })
    })
}

fn apply<'de, S: DeserializeSeed<'de>>(line: &[u8], value: &'de RawValue, seed: S) -> Result<S::Value, Wrong> {
    let text = value.get();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer).map_err(|error| wrong(line, text.as_bytes(), &error))
}

/// Where a part of the line begins in it.
fn within(line: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize).min(line.len())
}

fn wrong(line: &[u8], part: &[u8], error: &serde_json::Error) -> Wrong {
    if error.is_eof() {
        return (line.len(), Problem::CutOff);
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    (within(line, part) + offset_of(part, error), Problem::Syntax(text.to_owned()))
}

/// The byte an error names by line and column.
fn offset_of(part: &[u8], error: &serde_json::Error) -> usize {
    let lines = part.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(part.len())
}

/// A seed that fills the history from a list, and what it expects.
macro_rules! list_seed {
    ($name:ident, $expected:literal, |$this:ident, $list:ident| $body:block) => {
        struct $name<'h>(&'h mut OperationHistory);

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_seq(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = ();
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str($expected)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut $list: A) -> Result<(), A::Error> {
                let $this = self;
                $body
            }
        }
    };
}

list_seed!(MicroOperations, "a list of micro-operations", |this, list| {
    while list.next_element_seed(MicroOperationSeed(this.0))?.is_some() {}
    Ok(())
});

list_seed!(MicroOperationSeed, "[\"send\", key, value] or [\"poll\", {key: [[offset, value]]}]", |this, list| {
    let name: Name<'_> = list.next_element()?.ok_or_else(|| A::Error::custom("an empty micro-operation"))?;
    match &*name.0 {
        "send" => {
            let absent = || A::Error::custom("a `send` needs a key and a value");
            let key = list.next_element_seed(Key(this.0))?.ok_or_else(absent)?;
            let (offset, value) = list.next_element_seed(Sent(this.0))?.ok_or_else(absent)?;
            push(this.0, MicroOperation { action: Action::Send, key, offset, value })?;
        }
        "poll" => {
            list.next_element_seed(Polled(this.0))?;
        }
        other => {
            let other = shown(other.as_bytes());
            return Err(A::Error::custom(format!("the micro-operation `{other}` is neither `send` nor `poll`")));
        }
    }
    match list.next_element::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a micro-operation with more in it than belongs there")),
    }
});

list_seed!(Keys, "a list of keys", |this, list| {
    while let Some(key) = list.next_element_seed(Key(this.0))? {
        this.0.key_lists.push(key);
    }
    Ok(())
});

list_seed!(RebalanceLog, "a list of objects with `keys`", |this, list| {
    while list.next_element_seed(Rebalance(this.0))?.is_some() {}
    Ok(())
});

fn push<E: Error>(history: &mut OperationHistory, micro: MicroOperation) -> Result<(), E> {
    length(history.micro.len(), "micro-operations").map_err(E::custom)?;
    history.micro.push(micro);
    Ok(())
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// One map of the rebalance log.
struct Rebalance<'h>(&'h mut OperationHistory);

impl<'de> DeserializeSeed<'de> for Rebalance<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rebalance<'_> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `keys`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Name<'_>>()? {
            if &*field.0 == "keys" {
                map.next_value_seed(Keys(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// What a poll read: nothing, or lists by key.
struct Polled<'h>(&'h mut OperationHistory);

impl<'de> DeserializeSeed<'de> for Polled<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Polled<'_> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of keys to what was read, or null")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            map.next_value_seed(Reads(self.0, key))?;
        }
        Ok(())
    }
}

/// `[[offset, value], ...]` of one key.
struct Reads<'h>(&'h mut OperationHistory, KeyId);

impl<'de> DeserializeSeed<'de> for Reads<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reads<'_> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of [offset, value], or null")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some((offset, value)) = list.next_element_seed(Pair(self.0))? {
            push(self.0, MicroOperation { action: Action::Read, key: self.1, offset, value })?;
        }
        Ok(())
    }
}

/// `[offset, value]`.
struct Pair<'h>(&'h mut OperationHistory);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = (Option<u64>, Scalar);
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = (Option<u64>, Scalar);
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[offset, value]")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let absent = || A::Error::custom("[offset, value] with less in it");
        let offset: Option<i64> = list.next_element()?.ok_or_else(absent)?;
        let negative = |offset| move |_| A::Error::custom(super::edn::negative(offset));
        let offset = offset.map(|offset| u64::try_from(offset).map_err(negative(offset))).transpose()?;
        let value = list.next_element_seed(Value(self.0))?.ok_or_else(absent)?;
        match list.next_element::<IgnoredAny>()? {
            None => Ok((offset, value)),
            Some(_) => Err(A::Error::custom("[offset, value] with more in it")),
        }
    }
}

/// A value, or `[offset, value]`.
struct Sent<'h>(&'h mut OperationHistory);
/// A value.
struct Value<'h>(&'h mut OperationHistory);
/// A key.
struct Key<'h>(&'h mut OperationHistory);

/// Numbers and names, which are read alike wherever they may stand.
macro_rules! scalar_seed {
    ($name:ident, $value:ty, $expected:literal, |$this:ident, $scalar:ident| $made:expr, $text:ident, { $($more:tt)* }) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = $value;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str($expected)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<$value, E> {
                let ($this, $scalar) = (self, Scalar::Integer(number));
                $made.map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<$value, E> {
                let number = i64::try_from(number);
                self.visit_i64(number.map_err(|_| E::custom("a number beyond 64 bits with a sign"))?)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
                $text(self.0, text).map_err(E::custom)
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<$value, E> {
                // A whole number this large is one beyond 64 bits: read as anything else it would be another one.
                if number.abs() >= 9_007_199_254_740_992.0 {
                    return Err(E::custom("a number beyond 64 bits with a sign"));
                }
                $text(self.0, &format!("{number:?}")).map_err(E::custom)
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<$value, E> {
                $text(self.0, if value { "true" } else { "false" }).map_err(E::custom)
            }
            $($more)*
        }
    };
}

fn named_value(history: &mut OperationHistory, name: &str) -> Result<Scalar, Problem> {
    history.named(name)
}

fn named_sent(history: &mut OperationHistory, name: &str) -> Result<(Option<u64>, Scalar), Problem> {
    Ok((None, history.named(name)?))
}

fn named_key(history: &mut OperationHistory, name: &str) -> Result<KeyId, Problem> {
    history.named_key(name)
}

scalar_seed!(Value, Scalar, "a number or a name", |_this, scalar| Ok::<_, Problem>(scalar), named_value, {});
scalar_seed!(Key, KeyId, "a key: a number or a name", |this, scalar| this.0.key_id(scalar), named_key, {});
scalar_seed!(
    Sent,
    (Option<u64>, Scalar),
    "a value or [offset, value]",
    |_this, scalar| Ok::<_, Problem>((None, scalar)),
    named_sent,
    {
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Pair(self.0).visit_seq(list)
        }
    }
);
