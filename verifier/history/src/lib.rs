//! What happened in a run: fixed-size events in one clock, recorded as they happen,
//! and the manifest that says who took part.

pub mod clock;
pub mod event;
pub mod export;
pub mod format;
pub mod import;
pub mod machine;
pub mod manifest;
mod map;
mod mapped;
pub mod plain;
pub mod reader;
pub mod recorder;
mod room;
pub mod run_dir;
pub mod tail;
pub mod taken_over;
pub mod view;

pub use clock::{Clock, SimulatedClock};
pub use event::{Event, EventKind, NO_DESTINATION, NO_NODE, NO_OFFSET, NO_SEQUENCE, NO_SESSION};
pub use machine::{ClockComparison, WorkerMachine};
pub use manifest::RunManifest;
pub use reader::{History, ReadError, read_events};
pub use recorder::{RecordError, Recorder};
pub use run_dir::{RunDir, RunDirError};
pub use tail::Tail;
pub use taken_over::TakenOver;
pub use view::{HistoryView, StreamView};
