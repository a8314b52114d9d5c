//! One line: an event, a declaration, or the header of an exported run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::number::NameOrNumber;
use super::{MAX_HEADER_BYTES, MAX_LINE_BYTES};
use crate::import::{ImportError, Problem};
use crate::manifest::{Role, RunManifest, Workload};

/// An event as it is written. Fields stand in the order of the columns of the CSV.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_ns: Option<i128>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_ms: Option<f64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) worker: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<NameOrNumber<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) nodes: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) settle: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transaction: Option<u32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<NameOrNumber<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<NameOrNumber<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redelivered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) corrupt: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) foreign: Option<bool>,
    #[serde(rename = "self", default, skip_serializing_if = "Option::is_none")]
    pub(super) own: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flags: Option<u8>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Text<'a>>,
}

/// A string that is not copied unless it has escapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// What a person says of those who took part. All of it may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "declare", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Declaration {
    /// One configuration.
    Lane {
        name: String,
        workload: Option<Workload>,
        acknowledged: Option<bool>,
        resends: Option<bool>,
        automatic_ack: Option<bool>,
    },
    /// Who records events.
    Worker { name: String, role: Option<Role>, group: Option<String>, host: Option<String> },
    /// Where messages sit.
    Destination { name: String, lane: Option<String>, dead_letters_of: Option<String> },
    /// Consumers that share messages, or one subscriber.
    Group { name: String, session_timeout_ms: Option<u64>, read_uncommitted: Option<bool> },
    /// A node of the cluster.
    Node { name: String },
    /// A fault; those of events by their order.
    Fault {
        fault: String,
        shape: Option<String>,
        start_ms: u64,
        duration_ms: u64,
        #[serde(default)]
        targets: Vec<String>,
        #[serde(default)]
        sides: Vec<Vec<String>>,
        full_cut: Option<bool>,
        detection_ms: Option<u64>,
    },
}

/// First line of an exported run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    pub(super) manifest: Cow<'a, RunManifest>,
    /// Events that follow.
    pub(super) events: u64,
    /// What was wrong with the recording already.
    #[serde(default)]
    pub(super) damage: Vec<String>,
}

/// A line and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) text: &'a [u8],
    /// From 1.
    pub(super) line: u64,
    /// From 0: its first byte.
    pub(super) byte: u64,
}

impl Place<'_> {
    pub(super) fn error(&self, problem: Problem) -> ImportError {
        ImportError { line: self.line, byte: self.byte, problem }
    }

    /// What serde says, without its own idea of the place.
    pub(super) fn syntax(&self, error: &serde_json::Error) -> ImportError {
        if error.is_eof() {
            return ImportError { line: self.line, byte: self.byte + self.text.len() as u64, problem: Problem::CutOff };
        }
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        let byte = self.byte + error.column().saturating_sub(1) as u64;
        ImportError { line: self.line, byte, problem: Problem::Syntax(text.to_owned()) }
    }
}

/// Every line with something on it.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { text, at, line: 0 }
    }

    /// The next one that is not blank; the place stays where it was when `most` bytes are exceeded.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Place<'a>>, ImportError> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            let place = Place { text: rest[..length].trim_ascii_end(), line: self.line + 1, byte: self.at as u64 };
            if place.text.len() > most {
                return Err(place.error(Problem::LineTooLong(most)));
            }
            self.at += length;
            self.line += 1;
            if !place.text.trim_ascii_start().is_empty() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The first line again.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.text);
    }

    /// The header, or nothing where the file has none.
    pub(super) fn header(&mut self) -> Result<Option<Header<'static>>, ImportError> {
        let Some(place) = self.next(MAX_HEADER_BYTES)? else { return Ok(None) };
        if !has_field(place.text, "manifest") {
            self.restart();
            return Ok(None);
        }
        serde_json::from_slice(place.text).map(Some).map_err(|error| place.syntax(&error))
    }
}

/// What a line may be, apart from a header.
#[expect(clippy::large_enum_variant, reason = "nearly every line is an event, and none is kept")]
pub(super) enum Parsed<'a> {
    Event(EventLine<'a>),
    Declaration(Declaration),
}

/// Reads a line that is no header.
pub(super) fn parse<'a>(place: &Place<'a>) -> Result<Parsed<'a>, ImportError> {
    match serde_json::from_slice(place.text) {
        Ok(event) => Ok(Parsed::Event(event)),
        Err(_) if has_field(place.text, "declare") => {
            serde_json::from_slice(place.text).map(Parsed::Declaration).map_err(|error| place.syntax(&error))
        }
        Err(error) => Err(place.syntax(&error)),
    }
}

/// Whether a line is an object with that field.
fn has_field(text: &[u8], field: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        declare: Option<serde::de::IgnoredAny>,
        manifest: Option<serde::de::IgnoredAny>,
    }
    let probe: Probe = serde_json::from_slice(text).unwrap_or(Probe { declare: None, manifest: None });
    match field {
        "declare" => probe.declare.is_some(),
        _ => probe.manifest.is_some(),
    }
}

/// The next line of events.
pub(super) fn next_event_line<'a>(lines: &mut Lines<'a>) -> Result<Option<Place<'a>>, ImportError> {
    lines.next(MAX_LINE_BYTES)
}
