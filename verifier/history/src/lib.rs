//! What happened in a run: fixed-size events in one clock, recorded as they happen,
//! and the manifest that says who took part.

pub mod event;
pub mod manifest;
pub mod view;

pub use event::{Event, EventKind, NO_DESTINATION, NO_NODE, NO_OFFSET, NO_SEQUENCE, NO_SESSION};
pub use manifest::RunManifest;
pub use view::{HistoryView, StreamView};
