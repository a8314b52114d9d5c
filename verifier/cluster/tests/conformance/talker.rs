//! A process of a host that is talked to line by line.

use std::sync::mpsc::{Receiver, channel};

use delivery_cluster::cluster::HostProcess;

use super::PATIENCE;

/// It ends when this is dropped.
pub(crate) struct Talker {
    /// The process.
    pub(crate) process: Box<dyn HostProcess>,
    heard: Receiver<String>,
}

impl Talker {
    /// Talks to a process that nobody else listens to.
    pub(crate) fn new(mut process: Box<dyn HostProcess>) -> Self {
        let lines = process.lines().unwrap();
        let (sender, heard) = channel();
        std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        Self { process, heard }
    }

    /// The next line it says; empty when it has ended.
    pub(crate) fn hear(&mut self) -> String {
        match self.heard.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => String::new(),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("waited in vain for a line"),
        }
    }

    /// Asks and hears the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.process.say(line).unwrap();
        self.hear()
    }
}
