//! Ends a run that takes too long: politely, then less so.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use delivery_runner::Interrupts;

use super::protocol::Told;

/// Between two ways of ending a run.
const GRACE: Duration = Duration::from_secs(60);
/// What an enclosed process says that ended itself.
const ENDED_ITSELF: i32 = 4;

/// Watches one run; the thread ends with it.
pub(super) struct Watchdog {
    over: Sender<()>,
    thread: Option<JoinHandle<bool>>,
    limit: Duration,
    interrupts: Interrupts,
}

impl Watchdog {
    /// Watches a run that is a process of its own, which may end itself.
    pub(super) fn of_process(limit: Duration, interrupts: &Interrupts) -> Self {
        Self::watch(limit, interrupts.clone(), || std::process::exit(ENDED_ITSELF))
    }

    /// Watches a simulation: it looks at its interrupts all the time.
    pub(super) fn of_simulation(limit: Duration, interrupts: &Interrupts) -> Self {
        Self::watch(limit, interrupts.clone(), || {})
    }

    fn watch(limit: Duration, interrupts: Interrupts, last: impl Fn() + Send + 'static) -> Self {
        let (over, ended) = channel();
        let asked = interrupts.clone();
        // The first request ends the load and drains, the second ends the run.
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            interrupts.press();
            if ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                interrupts.press();
                if ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                    last();
                }
            }
            true
        });
        Self { over, thread: Some(thread), limit, interrupts: asked }
    }

    /// What the run says of itself, or that it was over its limit.
    pub(super) fn judge(mut self, told: Told) -> Told {
        let _ = self.over.send(());
        let over = self.thread.take().is_some_and(|thread| thread.join().unwrap_or(false));
        // A run that is ended before its load began says that it was stopped, whoever ended it.
        if !over || self.interrupts.were_asked() {
            return told;
        }
        let trouble = format!("it took longer than {} s, the limit of its cell, and was ended", self.limit.as_secs());
        Told { stopped: false, trouble: Some(trouble) }
    }
}
