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

/// Evidence read back from the rules themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets (or frames) of broker or client traffic dropped since the cut began.
    pub dropped_packets: u64,
    /// Packets (or frames) that got through between cut pairs since the cut began: 0 when the cut holds.
    pub crossed_packets: u64,
}

/// The links between hosts.
pub trait Network {
    /// Applies a cut in one step; it replaces the one in force. Counters start again at 0.
    ///
    /// # Errors
    /// When the rules cannot be set; the network is then as before.
    fn cut(&mut self, cut: &Cut) -> Result<(), NetworkError>;

    /// Takes every cut back.
    ///
    /// # Errors
    /// When the rules cannot be removed.
    fn heal(&mut self) -> Result<(), NetworkError>;

    /// Reads the counters of the cut in force.
    ///
    /// # Errors
    /// When they cannot be read.
    fn counters(&mut self) -> Result<Counters, NetworkError>;
}

/// A rule that could not be set, removed or read.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} of the run's network: {cause}. `verify doctor` shows what this machine lacks.")]
pub struct NetworkError {
    /// `set the cut`, `take back the cut`, `read the counters`.
    pub operation: &'static str,
    /// Output of the command, or the system's error.
    pub cause: String,
}
