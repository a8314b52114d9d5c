//! A process with all that belongs to it: the group it leads.

use std::fs;

use delivery_history::event::ProcessState;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::processes::{Blow, ProcessError};

/// Sends the signal of a blow to every process of the group that `leader`, not reaped yet, leads.
///
/// # Errors
/// When none is left, or the system refuses.
pub fn strike(leader: u32, blow: Blow) -> Result<(), Errno> {
    let group = i32::try_from(leader).map_err(|_| Errno::ESRCH)?;
    killpg(Pid::from_raw(group), signal_of(blow))
}

/// What is done, for messages.
pub const fn operation(blow: Blow) -> &'static str {
    match blow {
        Blow::Kill => "kill",
        Blow::Terminate => "end",
        Blow::Stop => "stop",
        Blow::Continue => "continue",
        Blow::PowerLoss => "cut the power of",
    }
}

/// A blow that missed, in words.
pub fn missed(blow: Blow, whose: String, cause: &str) -> ProcessError {
    ProcessError { operation: operation(blow), whose, cause: cause.to_owned() }
}

const fn signal_of(blow: Blow) -> Signal {
    match blow {
        Blow::Kill | Blow::PowerLoss => Signal::SIGKILL,
        Blow::Terminate => Signal::SIGTERM,
        Blow::Stop => Signal::SIGSTOP,
        Blow::Continue => Signal::SIGCONT,
    }
}

/// What the kernel says of the group: stopped where every process in it is. Processes that have ended and were not
/// waited for yet do not count.
pub fn state(leader: u32) -> ProcessState {
    let states = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        parse_stat(&fs::read_to_string(entry.path().join("stat")).ok()?, leader)
    });
    let mut found = ProcessState::Gone;
    for letter in states {
        match letter {
            'Z' | 'X' | 'x' => {}
            'T' if found != ProcessState::Running => found = ProcessState::Stopped,
            _ => found = ProcessState::Running,
        }
    }
    found
}

/// The state letter of a process that belongs to the group, from its `stat` (proc(5)): the name, in brackets, may hold
/// anything, so what counts begins after the last bracket.
fn parse_stat(stat: &str, group: u32) -> Option<char> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let letter = fields.next()?.chars().next()?;
    let of_group = fields.nth(1)?.parse::<u32>().ok()?;
    (of_group == group).then_some(letter)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_letter_is_that_of_the_group_whatever_the_name_holds() {
        assert_eq!(parse_stat("7 (a) b (c) S 1 42 42 0", 42), Some('S'));
        assert_eq!(parse_stat("7 (a) b (c) S 1 42 42 0", 7), None);
        assert_eq!(parse_stat("", 7), None);
    }

    /// Waits until the group is seen in `wanted`: the kernel takes a moment to act on a signal.
    fn becomes(leader: u32, wanted: ProcessState) -> bool {
        (0..2_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            state(leader) == wanted
        })
    }

    #[test]
    fn a_group_is_seen_to_stop_go_on_and_end_with_its_children() {
        let script = "sleep 600 & wait";
        let mut child = Command::new("/bin/sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let leader = child.id();
        assert!(becomes(leader, ProcessState::Running));
        strike(leader, Blow::Stop).unwrap();
        assert!(becomes(leader, ProcessState::Stopped));
        strike(leader, Blow::Continue).unwrap();
        assert!(becomes(leader, ProcessState::Running));
        strike(leader, Blow::Kill).unwrap();
        assert!(becomes(leader, ProcessState::Gone));
        child.wait().unwrap();
        assert_eq!(state(leader), ProcessState::Gone, "what is left of it, if anything, has ended");
    }
}
