//! A line as an event: the parts that are read alike in exported runs and in a person's own logs.

use super::line::EventLine;
use super::number::NameOrNumber;
use super::words::{self, Detail, REASONS, SETTLES, detail_of, is_observation};
use crate::event::{Event, EventKind, FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED, FLAG_SELF, NO_OFFSET};
use crate::import::Problem;

/// What names stand for.
pub(super) trait Resolve {
    fn destination(&mut self, name: &NameOrNumber<'_>) -> Result<u16, Problem>;
    fn node(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem>;
    fn worker(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem>;
    fn key(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem>;
    fn fault(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem>;
}

/// The kind a label names, as its number; exported runs keep kinds that no version knows.
pub(super) fn kind(label: &str) -> Result<u8, Problem> {
    let unknown = || {
        let number = label.strip_prefix("unknown-")?.parse().ok()?;
        EventKind::from_number(number).is_none().then_some(number)
    };
    match words::kind(label) {
        Some(kind) => Ok(kind as u8),
        None => unknown().ok_or_else(|| Problem::Field {
            field: "event",
            found: quoted(label),
            wanted: "a kind of event such as `send-invoked`, `send-acked`, `delivered` or `processed`",
        }),
    }
}

/// The event of a line, without its time and its message.
pub(super) fn event(line: &EventLine<'_>, kind: u8, resolve: &mut impl Resolve) -> Result<Event, Problem> {
    let known = EventKind::from_number(kind);
    // What a kind of event cannot say is refused, not dropped.
    let mut event = Event { kind, ..Event::new(EventKind::WorkerStarted) };
    event.offset = line.offset.unwrap_or(NO_OFFSET);
    if let Some(destination) = &line.destination {
        event.destination = resolve.destination(destination)?;
    }
    event.flags = flags(line);
    if let Some(by) = &line.by {
        if !known.is_some_and(is_observation) {
            return Err(Problem::NotHere("by"));
        }
        event.session = resolve.node(by)?;
    }
    if let Some(detail) = detail(line, known.map_or(Detail::Number, detail_of), resolve)? {
        event.detail = detail;
    }
    Ok(event)
}

fn flags(line: &EventLine<'_>) -> u8 {
    let named = [
        (line.redelivered, FLAG_REDELIVERED),
        (line.corrupt, FLAG_CORRUPT),
        (line.foreign, FLAG_FOREIGN),
        (line.own, FLAG_SELF),
    ];
    let set = named.into_iter().filter(|(set, _)| *set == Some(true)).fold(0, |all, (_, flag)| all | flag);
    set | line.flags.unwrap_or(0)
}

/// What the one field that may say it says.
fn detail(line: &EventLine<'_>, what: Detail, resolve: &mut impl Resolve) -> Result<Option<u32>, Problem> {
    let fields = [
        ("key", line.key.is_some(), Detail::Key),
        ("node", line.node.is_some(), Detail::Node),
        ("nodes", line.nodes.is_some(), Detail::Nodes),
        ("reason", line.reason.is_some(), Detail::Reason),
        ("settle", line.settle.is_some(), Detail::Settle),
        ("transaction", line.transaction.is_some(), Detail::Transaction),
        ("target", line.target.is_some(), Detail::Worker),
        ("fault", line.fault.is_some(), Detail::Fault),
        ("phase", line.phase.is_some(), Detail::Phase),
    ];
    let mut given = fields.into_iter().filter(|(_, given, _)| *given);
    let Some((field, _, said)) = given.next() else { return Ok(line.detail) };
    if said != what {
        return Err(Problem::NotHere(field));
    }
    if let Some((field, ..)) = given.next() {
        return Err(Problem::NotHere(field));
    }
    if line.detail.is_some() {
        return Err(Problem::NotHere("detail"));
    }
    said_in(line, what, resolve)
}

fn said_in(line: &EventLine<'_>, what: Detail, resolve: &mut impl Resolve) -> Result<Option<u32>, Problem> {
    let words = |text: &str, table: &[(u32, &'static str)], field: &'static str, wanted: &'static str| {
        words::number(table, text).ok_or(Problem::Field { field, found: quoted(text), wanted }).map(Some)
    };
    match what {
        Detail::Key => line.key.as_ref().map(|key| resolve.key(key)).transpose(),
        Detail::Node => line.node.as_ref().map(|node| resolve.node(node)).transpose(),
        Detail::Nodes => line.nodes.as_ref().map(|names| nodes(names, resolve)).transpose(),
        Detail::Reason => {
            let wanted = "a reason such as `timed-out`, `rejected` or `other`";
            line.reason.as_ref().map_or(Ok(None), |text| words(text, REASONS, "reason", wanted))
        }
        Detail::Settle => {
            let wanted = "`ack`, `nack-requeue`, `reject`, `commit`, `reject-requeue` or `nack-drop`";
            line.settle.as_ref().map_or(Ok(None), |text| words(text, SETTLES, "settle", wanted))
        }
        Detail::Transaction => Ok(line.transaction),
        Detail::Worker => line.target.as_ref().map(|worker| resolve.worker(worker)).transpose(),
        Detail::Fault => line.fault.as_ref().map(|fault| resolve.fault(fault)).transpose(),
        Detail::Phase => line.phase.as_ref().map(|name| phase(name)).transpose(),
        Detail::Number => Ok(line.detail),
    }
}

fn phase(name: &str) -> Result<u32, Problem> {
    let wanted = "`start`, `baseline`, `fault`, `heal`, `recover`, `drain`, `audit` or `judge`";
    let phase = words::phase(name).ok_or(Problem::Field { field: "phase", found: quoted(name), wanted })?;
    Ok(phase as u32)
}

fn nodes(names: &str, resolve: &mut impl Resolve) -> Result<u32, Problem> {
    let mut bits = 0;
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let id = resolve.node(&NameOrNumber::Name(name.into()))?;
        bits |= 1_u32.checked_shl(id).ok_or(Problem::TooMany("nodes in one set"))?;
    }
    Ok(bits)
}

/// Foreign text in a message.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() { format!("`{short}...`") } else { format!("`{short}`") }
}
