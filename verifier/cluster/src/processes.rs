//! What faults need of processes, whichever backend runs them.

use delivery_history::event::ProcessState;

pub use crate::machines::Dropped;
use crate::machines::Machines;

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A broker node, by the number of its host.
    Node(u32),
    /// A client, by its worker number.
    Client(u16),
}

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL: it gets no chance to do anything.
    Kill,
    /// SIGTERM: it is asked to end.
    Terminate,
    /// SIGSTOP: it stands still until it is told to go on.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGKILL, and with it the power of its disk is cut: what was not synced is gone.
    PowerLoss,
}

/// The processes of a run.
pub trait Processes {
    /// Does it to the process with all that belongs to it. A process that ends of it has not ended by itself.
    ///
    /// # Errors
    /// When there is no such process, or the system refuses.
    fn strike(&mut self, whose: Whose, blow: Blow) -> Result<(), ProcessError>;

    /// Starts it again on the data it left behind. A client's place is taken by its successor.
    ///
    /// # Errors
    /// When it still runs, or cannot be started.
    fn start_again(&mut self, whose: Whose) -> Result<(), ProcessError>;

    /// What it lost to cuts of its power so far; nothing where its disk loses nothing.
    fn dropped(&mut self, whose: Whose) -> Option<Dropped>;

    /// The machines the nodes run on, where they have some of their own.
    fn machines(&mut self) -> Option<&mut dyn Machines> {
        None
    }

    /// What the system says of it now: stopped only where every process that belongs to it is.
    fn state(&mut self, whose: Whose) -> ProcessState;
}

/// A process that could not be struck or started again.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} {whose}: {cause}. See logs/ of the run for what it was doing.")]
pub struct ProcessError {
    /// `kill`, `stop`, `start`.
    pub operation: &'static str,
    /// Its name.
    pub whose: String,
    /// The system's error, or what is wrong.
    pub cause: String,
}
