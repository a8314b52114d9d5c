//! A history in memory, as checks see it: borrowed events, one slice a worker.

use crate::event::Event;
use crate::manifest::RunManifest;

/// The events of one worker, in the order it recorded them.
#[derive(Clone, Copy, Debug)]
pub struct StreamView<'a> {
    /// Index into [`RunManifest::workers`].
    pub worker: u16,
    /// Its events; time never goes back within one stream.
    pub events: &'a [Event],
}

/// A whole history: what took part, and what each recorded.
#[derive(Clone, Debug)]
pub struct HistoryView<'a> {
    /// Everything that is not an event.
    pub manifest: &'a RunManifest,
    /// One a worker that recorded anything, by worker number.
    pub streams: Vec<StreamView<'a>>,
    /// Streams that could not be read whole, in words.
    pub damage: Vec<String>,
}
