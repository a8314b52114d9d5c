//! Reads an exported run back: the very same events, as its manifest names them.

use super::PlainHistory;
use super::decode::{self, Resolve, quoted};
use super::line::{EventLine, Header, Lines, Parsed, Place, next_event_line, parse};
use super::lookup::Lookup;
use super::number::NameOrNumber;
use crate::event::Event;
use crate::import::{ImportError, Problem};
use crate::manifest::MANIFEST_FORMAT;

/// The header of the file, if it has one.
pub(super) fn read_header(lines: &mut Lines<'_>) -> Result<Option<Header<'static>>, ImportError> {
    let header = lines.header()?;
    if let Some(header) = &header
        && header.manifest.format != MANIFEST_FORMAT
    {
        let problem = Problem::Version { found: header.manifest.format, known: MANIFEST_FORMAT };
        return Err(ImportError { line: 1, byte: 0, problem });
    }
    Ok(header)
}

/// Reads the events behind a header.
pub(super) fn read(header: Header<'static>, mut lines: Lines<'_>, name: &str) -> Result<PlainHistory, ImportError> {
    let Header { manifest, events: promised, mut damage } = header;
    let manifest = manifest.into_owned();
    let mut streams: Vec<Vec<Event>> = vec![Vec::new(); manifest.workers.len().min(1 << 16)];
    let mut resolve = OfRun(Lookup::new(&manifest));
    let mut events = 0_u64;
    while let Some(place) = next_event_line(&mut lines)? {
        let (worker, event) = read_event(&place, &mut resolve)?;
        let Some(stream) = streams.get_mut(usize::from(worker)) else {
            return Err(place.error(Problem::Unknown { what: "worker", name: worker.to_string() }));
        };
        stream.push(event);
        events += 1;
    }
    if events != promised {
        damage.push(format!("{name} holds {events} of the {promised} events its header promises: it is not whole"));
    }
    Ok(PlainHistory { manifest, streams, damage, names: None, implied: 0, not_judged: 0 })
}

fn read_event(place: &Place<'_>, resolve: &mut OfRun<'_>) -> Result<(u16, Event), ImportError> {
    match parse(place)? {
        Parsed::Event(line) => decode_line(&line, resolve).map_err(|problem| place.error(problem)),
        Parsed::Declaration(_) => Err(place.error(Problem::Syntax(String::from(
            "a declaration in an exported run: its header has declared everything already",
        )))),
    }
}

fn decode_line(line: &EventLine<'_>, resolve: &mut OfRun<'_>) -> Result<(u16, Event), Problem> {
    let worker = line.worker.as_ref().ok_or(Problem::Absent("worker"))?;
    let worker = resolve.0.worker_number(worker).ok_or_else(|| unknown("worker", worker))?;
    let kind = decode::kind(line.event.as_ref().ok_or(Problem::Absent("event"))?)?;
    if line.time_ms.is_some() || line.group.is_some() {
        return Err(Problem::NotHere(if line.group.is_some() { "group" } else { "time_ms" }));
    }
    let mut event = decode::event(line, kind, resolve)?;
    event.time_ns = u64::try_from(line.time_ns.ok_or(Problem::Absent("time_ns"))?)
        .ok()
        .filter(|time_ns| *time_ns > 0)
        .ok_or(Problem::Time)?;
    match &line.message {
        Some(_) if line.session.is_some() || line.sequence.is_some() => return Err(Problem::NotHere("session")),
        Some(message) => {
            let number = resolve.0.message_number(&message.text()).ok_or_else(|| unknown("message", message))?;
            (event.session, event.sequence) = number;
        }
        None => {
            event.session = line.session.unwrap_or(event.session);
            event.sequence = line.sequence.unwrap_or(event.sequence);
        }
    }
    Ok((worker, event))
}

fn unknown(what: &'static str, name: &NameOrNumber<'_>) -> Problem {
    Problem::Unknown { what, name: quoted(&name.text()) }
}

/// Names as the manifest has them.
struct OfRun<'m>(Lookup<'m>);

impl Resolve for OfRun<'_> {
    fn destination(&mut self, name: &NameOrNumber<'_>) -> Result<u16, Problem> {
        self.0.destination_number(name).ok_or_else(|| unknown("destination", name))
    }

    fn node(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        self.0.host_id(name).ok_or_else(|| unknown("node", name))
    }

    fn worker(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        self.0.worker_number(name).map(u32::from).ok_or_else(|| unknown("worker", name))
    }

    fn key(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        as_number(name).ok_or_else(|| unknown("key", name))
    }

    fn fault(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        as_number(name).ok_or_else(|| unknown("fault", name))
    }
}

fn as_number(name: &NameOrNumber<'_>) -> Option<u32> {
    match name {
        NameOrNumber::Number(number) => u32::try_from(*number).ok(),
        NameOrNumber::Name(_) => None,
    }
}
