//! The caller's side: signals, waiting, the result.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::error::EncloseError;
use super::facts::is_ignored;
use super::message::{self, Message};

/// Signals that end a run politely.
const HANDED_ON: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Signals the caller takes from a descriptor while it waits.
pub(super) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Holds back SIGCHLD and the signals that are handed on. Ignored ones stay ignored: a blocked
    /// signal would be queued in spite of that.
    pub(super) fn block() -> Result<Self, Errno> {
        let mut wanted = SigSet::empty();
        wanted.add(Signal::SIGCHLD);
        HANDED_ON.iter().filter(|signal| !is_ignored(**signal as i32)).for_each(|signal| wanted.add(*signal));
        let descriptor = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&wanted), Some(&mut before))?;
        Ok(Self { descriptor, before })
    }

    /// The mask there was before.
    pub(super) fn before(&self) -> SigSet {
        self.before
    }

    /// Takes what has come; says how many signals are to be handed on.
    fn take(&self) -> usize {
        let mut handed_on = 0;
        while let Ok(Some(signal)) = self.descriptor.read_signal() {
            handed_on += usize::from(HANDED_ON.iter().any(|known| *known as u32 == signal.ssi_signo));
        }
        handed_on
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // One that came too late for the runner must not kill the caller now that it has the result.
        self.take();
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

/// Waits for the keeper, handing signals on, and reads the result.
pub(super) fn wait(keeper: Pid, signals: &Signals, control: OwnedFd, report: OwnedFd) -> Result<i32, EncloseError> {
    while !has_ended(keeper) {
        let mut watched = [PollFd::new(signals.descriptor.as_fd(), PollFlags::POLLIN)];
        // The time limit is a safety net: SIGCHLD ends the wait.
        let _ = poll(&mut watched, PollTimeout::from(1_000_u16));
        for _ in 0..signals.take() {
            // A full or closed pipe: the runner has more than enough, or is gone.
            let _ = nix::unistd::write(&control, &[Signal::SIGINT as u8]);
        }
    }
    drop(control);
    match message::receive(&report) {
        Some(Message::Exited(code)) => Ok(code),
        Some(Message::Killed(signal)) => Err(EncloseError::killed(signal)),
        Some(Message::Refused(refusal)) => Err(refusal.into()),
        None => Err(EncloseError::Lost),
    }
}

fn has_ended(child: Pid) -> bool {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => true,
        Ok(_) | Err(Errno::EINTR) => false,
        Err(_) => true,
    }
}

/// Waits until a child has ended.
pub(super) fn wait_for_end(child: Pid) {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
