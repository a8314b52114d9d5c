//! A history in memory, as its judge reads it.

use delivery_checks::{Judgement, Options, judge_with};
use delivery_history::manifest::RunManifest;
use delivery_history::{Event, HistoryView, StreamView};

/// A history in memory.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Everything that is no event.
    pub manifest: RunManifest,
    /// By worker; an empty one was never recorded.
    pub streams: Vec<Vec<Event>>,
    /// What a reader of its files would have found damaged.
    pub damage: Vec<String>,
}

impl Recorded {
    /// Judges it.
    pub fn judge(&self, options: &Options) -> Judgement {
        let streams = (0u16..).zip(&self.streams).filter(|(_, events)| !events.is_empty());
        let streams = streams.map(|(worker, events)| StreamView { worker, events }).collect();
        judge_with(&HistoryView { manifest: &self.manifest, streams, damage: self.damage.clone() }, options)
    }
}
