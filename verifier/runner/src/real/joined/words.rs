//! What the runner and a machine tell each other once they know each other.

use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;
use serde::{Deserialize, Serialize};

/// Version of all that crosses the connection.
pub(crate) const PROTOCOL: u32 = 1;

/// What the runner wants of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub(crate) enum ToMachine {
    /// Start this very program again.
    Start {
        /// Number it goes by from now on.
        process: u32,
        /// The worker's name: of its files, too.
        name: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// After the first line it is told what to prove itself with.
        wants_access: bool,
    },
    /// Say a line to a process.
    Say {
        /// Which.
        process: u32,
        /// Without its end.
        line: String,
    },
    /// Strike a process with all that belongs to it.
    Strike {
        /// Which.
        process: u32,
        /// How.
        blow: Strike,
        /// Number of the question.
        question: u64,
    },
    /// What is a process doing now?
    Look {
        /// Which.
        process: u32,
        /// Number of the question.
        question: u64,
    },
    /// Kill a process.
    Kill {
        /// Which.
        process: u32,
    },
    /// What time is it?
    Compare {
        /// Number of the question.
        question: u64,
    },
    /// The run is over: hand over what is left.
    Finish,
}

/// [`Blow`]s that machines know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strike {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

impl Strike {
    /// Nothing where a client cannot be struck so.
    pub(crate) fn of(blow: Blow) -> Option<Self> {
        match blow {
            Blow::Kill => Some(Self::Kill),
            Blow::Terminate => Some(Self::Terminate),
            Blow::Stop => Some(Self::Stop),
            Blow::Continue => Some(Self::Continue),
            Blow::PowerLoss => None,
        }
    }

    pub(crate) fn blow(self) -> Blow {
        match self {
            Self::Kill => Blow::Kill,
            Self::Terminate => Blow::Terminate,
            Self::Stop => Blow::Stop,
            Self::Continue => Blow::Continue,
        }
    }
}

/// What a machine tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "tell")]
pub(crate) enum FromMachine {
    /// A process said a line.
    Said {
        /// Which.
        process: u32,
        /// Without its end.
        line: String,
    },
    /// A process is gone, and all it recorded was handed over.
    Ended {
        /// Which.
        process: u32,
        /// As wait(2) gives it; nothing where that is not known.
        status: Option<i32>,
    },
    /// A process could not be started.
    NotStarted {
        /// Which.
        process: u32,
        /// Why.
        reason: String,
    },
    /// The answer to [`ToMachine::Strike`]: why it missed, if it did.
    Struck {
        /// Number of the question.
        question: u64,
        /// Why.
        missed: Option<String>,
    },
    /// The answer to [`ToMachine::Look`].
    Doing {
        /// Number of the question.
        question: u64,
        /// What [`ProcessState`] it is in, as a number.
        state: u64,
    },
    /// The answer to [`ToMachine::Compare`].
    Time {
        /// Number of the question.
        question: u64,
        /// By the machine's clock.
        at_ns: u64,
    },
    /// What a process wrote to its standard error.
    Log {
        /// The worker's name.
        name: String,
        /// The end of it.
        text: String,
    },
    /// What was recorded cannot be handed over.
    Lost {
        /// Why.
        reason: String,
    },
    /// Everything was handed over.
    Done,
}

/// The state with this number; a machine that names none says nothing of the process.
pub(crate) fn state_of(number: u64) -> Option<ProcessState> {
    [ProcessState::Gone, ProcessState::Running, ProcessState::Stopped].into_iter().find(|state| *state as u64 == number)
}
