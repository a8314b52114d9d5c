//! What comes in from the processes of one machine, until it stands in the history.

use delivery_history::{Event, RecordError, TakenOver};

use super::clocks::Clocks;

/// Most events that wait for the next comparison of the clocks.
const MAX_WAITING: usize = 1 << 20;

/// The event file of one process, on its way over.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: TakenOver,
    /// By the machine's clock.
    waiting: Vec<Event>,
}

impl Incoming {
    pub(crate) fn new(file: TakenOver) -> Self {
        Self { file, waiting: Vec::new() }
    }

    /// Takes the next events; those that the clocks were compared for are written down.
    ///
    /// # Errors
    /// When the file cannot grow.
    pub(crate) fn take(&mut self, events: Vec<Event>, clocks: &Clocks) -> Result<(), RecordError> {
        self.waiting.extend(events);
        if self.waiting.len() > MAX_WAITING {
            return self.finish(clocks);
        }
        self.settle(clocks)
    }

    /// Writes down what the clocks were compared for meanwhile.
    ///
    /// # Errors
    /// When the file cannot grow.
    pub(crate) fn settle(&mut self, clocks: &Clocks) -> Result<(), RecordError> {
        let ready = self.waiting.partition_point(|event| clocks.ours_ns(event.time_ns).is_some());
        let mut ready: Vec<Event> = self.waiting.drain(..ready).collect();
        for event in &mut ready {
            event.time_ns = clocks.ours_ns(event.time_ns).unwrap_or(event.time_ns);
        }
        self.file.append(&mut ready)
    }

    /// Writes down the rest.
    ///
    /// # Errors
    /// When the file cannot grow.
    pub(crate) fn finish(&mut self, clocks: &Clocks) -> Result<(), RecordError> {
        for event in &mut self.waiting {
            event.time_ns = clocks.ours_at_the_end_ns(event.time_ns);
        }
        self.file.append(&mut self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}
