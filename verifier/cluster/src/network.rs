//! What faults need of a network, whichever backend it belongs to.

/// Ordered pairs (from, to) of host numbers ([`delivery_history::manifest::Host::id`]) whose
/// traffic is dropped. An asymmetric cut is simply a pair without its reverse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The pairs.
    pub pairs: Vec<(u32, u32)>,
    /// TCP ports it is confined to: other traffic of the pairs goes on. None confines it to nothing: all is dropped.
    pub only_ports: Vec<u16>,
    /// Packets that are dropped of each hundred, drawn one by one; nothing drops all.
    pub percent: Option<u32>,
}

impl Cut {
    /// A cut of everything between the pairs.
    pub const fn all(pairs: Vec<(u32, u32)>) -> Self {
        Self { pairs, only_ports: Vec::new(), percent: None }
    }
}

/// What is done to traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impairment {
    /// Packets are dropped without an answer.
    Cut(Cut),
    /// Every TCP packet between these ordered pairs is answered with a reset, and goes no further.
    Reset(Vec<(u32, u32)>),
    /// These hosts hear and say no more than this many kbit a second, each way.
    Bandwidth {
        /// The hosts.
        hosts: Vec<u32>,
        /// Kilobits (1,000 bits) a second.
        kbit_per_s: u32,
    },
    /// What is sent between these ordered pairs waits on its way, and arrives once this is taken back.
    Hold(Vec<(u32, u32)>),
    /// What these hosts hear and say comes later, each way.
    Delay {
        /// The hosts.
        hosts: Vec<u32>,
        /// How much later, milliseconds.
        delay_ms: u32,
        /// And this much more or less, drawn packet by packet, milliseconds.
        jitter_ms: u32,
    },
}

/// An impairment in force, or one that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImpairmentId(pub u32);

/// Evidence read back from the rules of one impairment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets (or frames) of broker or client traffic it dropped.
    pub dropped_packets: u64,
    /// Packets (or frames) that got through between cut pairs all the same: 0 when the cut holds.
    pub crossed_packets: u64,
    /// Packets it answered with a reset.
    pub reset_packets: u64,
    /// Times a packet had to wait for its turn because the bandwidth was used up, or nothing was let through.
    pub held_back: u64,
    /// Packets it delayed.
    pub delayed_packets: u64,
}

/// The links between hosts. Impairments of one network lie side by side: each has rules and counters of its own, and
/// taking one back leaves the others in force.
pub trait Network {
    /// Puts an impairment in force, in one step. Its counters start at 0.
    ///
    /// # Errors
    /// When the rules cannot be set; the network is then as before.
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError>;

    /// Takes an impairment back; nothing happens where it was before.
    ///
    /// # Errors
    /// When the rules cannot be removed.
    fn heal(&mut self, id: ImpairmentId) -> Result<(), NetworkError>;

    /// What an impairment came to so far, or in all where it was taken back.
    ///
    /// # Errors
    /// When its counters cannot be read.
    fn counters(&mut self, id: ImpairmentId) -> Result<Counters, NetworkError>;

    /// Puts a cut in force.
    ///
    /// # Errors
    /// As [`Network::impair`].
    fn cut(&mut self, cut: &Cut) -> Result<ImpairmentId, NetworkError> {
        self.impair(&Impairment::Cut(cut.clone()))
    }
}

impl<N: Network + ?Sized> Network for Box<N> {
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        (**self).impair(impairment)
    }

    fn heal(&mut self, id: ImpairmentId) -> Result<(), NetworkError> {
        (**self).heal(id)
    }

    fn counters(&mut self, id: ImpairmentId) -> Result<Counters, NetworkError> {
        (**self).counters(id)
    }
}

/// A rule that could not be set, removed or read.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} of the run's network: {cause}. `verify doctor` shows what this machine lacks.")]
pub struct NetworkError {
    /// `set the impairment`, `take back the impairment`, `read the counters`.
    pub operation: &'static str,
    /// Output of the command, or the system's error.
    pub cause: String,
}
