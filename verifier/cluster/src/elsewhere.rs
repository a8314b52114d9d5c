//! What machines of other systems than Linux give: nothing of what faults need of them.

use crate::machines::{Facility, Need};

impl Need {
    /// Why this machine does not give it.
    pub fn refusal(self) -> Option<String> {
        Some(takes_linux())
    }
}

impl Facility {
    /// Why this machine does not have it.
    pub fn refusal(self) -> Option<String> {
        Some(takes_linux())
    }
}

fn takes_linux() -> String {
    format!("it takes Linux, and this is {}", std::env::consts::OS)
}
