//! Names messages had where their history was recorded: foreign identities are numbered to be judged, and named to be
//! shown.

use std::collections::HashMap;

/// What messages are called, by producer session and sequence.
#[derive(Clone, Debug, Default)]
pub struct MessageNames {
    sessions: HashMap<u32, Vec<Box<str>>, foldhash::fast::RandomState>,
}

impl MessageNames {
    /// The name of a message; nothing where it has none of its own.
    pub fn of(&self, session: u32, sequence: u32) -> Option<&str> {
        self.sessions.get(&session)?.get(sequence as usize).map(|name| &**name)
    }

    /// Names the next message of a session; returns its sequence, or nothing where the session is full.
    pub(super) fn push(&mut self, session: u32, name: &str) -> Option<u32> {
        let names = self.sessions.entry(session).or_default();
        let sequence = u32::try_from(names.len()).ok().filter(|sequence| *sequence < u32::MAX)?;
        names.push(name.into());
        Some(sequence)
    }
}
