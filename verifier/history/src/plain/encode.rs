//! An event as a line. Whatever has no word keeps its number, so that every event there can be reads back as itself.

use std::borrow::Cow;

use super::line::{EventLine, Text};
use super::lookup::Lookup;
use super::number::NameOrNumber;
use super::words::{Detail, REASONS, SETTLES, detail_of, is_observation, word};
use crate::event::{
    Event, EventKind, FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED, FLAG_SELF, NO_DESTINATION, NO_NODE, NO_OFFSET,
    NO_SEQUENCE, NO_SESSION,
};
use crate::manifest::Phase;

/// Flags that have fields of their own.
const NAMED_FLAGS: u8 = FLAG_REDELIVERED | FLAG_CORRUPT | FLAG_FOREIGN | FLAG_SELF;

/// The line of an event of `worker`.
pub(super) fn line<'m>(event: &Event, worker: u16, lookup: &Lookup<'m>) -> EventLine<'m> {
    let mut line = EventLine {
        time_ns: Some(i128::from(event.time_ns)),
        worker: Some(lookup.worker(worker)),
        event: Some(Text(label(event))),
        offset: (event.offset != NO_OFFSET).then_some(event.offset),
        destination: (event.destination != NO_DESTINATION).then(|| lookup.destination(event.destination)),
        ..EventLine::default()
    };
    set_flags(event, &mut line);
    set_identity(event, lookup, &mut line);
    if event.detail != NO_NODE && !set_detail(event, lookup, &mut line) {
        line.detail = Some(event.detail);
    }
    line
}

fn label(event: &Event) -> Cow<'static, str> {
    match event.kind() {
        Some(kind) => Cow::Borrowed(kind.label()),
        None => Cow::Owned(format!("unknown-{}", event.kind)),
    }
}

fn set_flags(event: &Event, line: &mut EventLine<'_>) {
    let set = |flag: u8| event.has(flag).then_some(true);
    line.redelivered = set(FLAG_REDELIVERED);
    line.corrupt = set(FLAG_CORRUPT);
    line.foreign = set(FLAG_FOREIGN);
    line.own = set(FLAG_SELF);
    line.flags = (event.flags & !NAMED_FLAGS != 0).then_some(event.flags & !NAMED_FLAGS);
}

/// The message, or who was asked.
fn set_identity(event: &Event, lookup: &Lookup<'_>, line: &mut EventLine<'_>) {
    if event.kind().is_some_and(is_observation) {
        line.by = (event.session != NO_SESSION).then(|| owned(lookup.host(event.session)));
        line.sequence = (event.sequence != NO_SEQUENCE).then_some(event.sequence);
        return;
    }
    match lookup.message(event.session, event.sequence) {
        Some(name) => line.message = Some(NameOrNumber::Name(Cow::Owned(name))),
        None => {
            line.session = (event.session != NO_SESSION).then_some(event.session);
            line.sequence = (event.sequence != NO_SEQUENCE).then_some(event.sequence);
        }
    }
}

/// The detail in the field that says what it is; false where no word stands for it.
fn set_detail(event: &Event, lookup: &Lookup<'_>, line: &mut EventLine<'_>) -> bool {
    let (number, kind) = (event.detail, event.kind());
    let text = |word: &'static str| Text(Cow::Borrowed(word));
    match kind.map_or(Detail::Number, detail_of) {
        Detail::Key => line.key = Some(NameOrNumber::Number(u64::from(number))),
        Detail::Node => line.node = Some(owned(lookup.host(number))),
        Detail::Nodes => line.nodes = nodes(number, lookup).map(|names| Text(Cow::Owned(names))),
        Detail::Reason => line.reason = word(REASONS, number).map(text),
        Detail::Settle => line.settle = word(SETTLES, number).map(text),
        Detail::Transaction => line.transaction = Some(number),
        Detail::Worker => line.target = u16::try_from(number).ok().map(|worker| owned(lookup.worker(worker))),
        Detail::Fault => line.fault = Some(NameOrNumber::Number(u64::from(number))),
        Detail::Phase => line.phase = Phase::from_number(number).map(|phase| text(phase.label())),
        Detail::Number => {}
    }
    match kind.map_or(Detail::Number, detail_of) {
        Detail::Key | Detail::Node | Detail::Transaction | Detail::Fault => true,
        Detail::Nodes => line.nodes.is_some(),
        Detail::Reason => line.reason.is_some(),
        Detail::Settle => line.settle.is_some(),
        Detail::Worker => line.target.is_some(),
        Detail::Phase => line.phase.is_some(),
        Detail::Number => false,
    }
}

/// The names of a set of nodes; nothing where one has none that a list could hold.
fn nodes(bits: u32, lookup: &Lookup<'_>) -> Option<String> {
    let mut names = Vec::new();
    for id in (0..32).filter(|id| bits >> id & 1 == 1) {
        match lookup.host(id) {
            NameOrNumber::Name(name) if !name.contains(',') && name.trim() == name && !name.is_empty() => {
                names.push(name);
            }
            _ => return None,
        }
    }
    (!names.is_empty()).then(|| names.join(","))
}

fn owned(name: NameOrNumber<'_>) -> NameOrNumber<'static> {
    match name {
        NameOrNumber::Name(name) => NameOrNumber::Name(Cow::Owned(name.into_owned())),
        NameOrNumber::Number(number) => NameOrNumber::Number(number),
    }
}

/// Whether events of this kind are about a message.
pub(super) const fn is_about_message(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SendInvoked
            | EventKind::SendAcked
            | EventKind::SendSent
            | EventKind::SendFailed
            | EventKind::SendUnknown
            | EventKind::Delivered
            | EventKind::Processing
            | EventKind::Processed
            | EventKind::AuditRead
    )
}
