//! Ctrl-C, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// How often the user asked to stop since the last look.
#[derive(Clone, Debug, Default)]
pub struct Interrupts {
    pressed: Arc<AtomicBool>,
    /// Stays, once somebody asked.
    asked: Arc<AtomicBool>,
}

impl Interrupts {
    /// Listens to SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn listen() -> std::io::Result<Self> {
        let interrupts = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupts.pressed))?;
            signal_hook::flag::register(signal, Arc::clone(&interrupts.asked))?;
        }
        Ok(interrupts)
    }

    /// Whether somebody asked and nobody took it yet.
    pub fn pending(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Whether the user ever asked, whoever took it.
    pub fn were_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks in the user's place, who did not: a limit ran out.
    pub fn press(&self) {
        self.pressed.store(true, Ordering::Relaxed);
    }

    /// Requests since the last call: 0 or 1.
    pub fn take(&self) -> u32 {
        u32::from(self.pressed.swap(false, Ordering::Relaxed))
    }
}
