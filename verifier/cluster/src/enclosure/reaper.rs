//! Process 1 of the process namespace, and the runner it starts.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::error::{Refusal, Step};
use super::message::{self, Message};
use super::{Inner, isolate};
use crate::process::{exit_now, fork_single_threaded, ignore_terminal_output_stop, reap_any};

/// Exit code of a runner that panicked, as Rust programs have it.
const PANIC_CODE: i32 = 101;

/// The life of process 1.
pub(super) fn run(inner: Inner, inside: impl FnOnce() -> i32) {
    let children = match prepare() {
        Ok(children) => children,
        Err(refusal) => {
            message::send(&inner.report, Message::Refused(refusal));
            exit_now(1)
        }
    };
    let mut handed = Some((inner, inside));
    let started = fork_single_threaded(|| {
        if let Some((inner, inside)) = handed.take() {
            become_runner(inner, inside);
        }
    });
    let Some((inner, _inside)) = handed else { exit_now(1) };
    match started {
        Ok(runner) => reap_until_the_end(&inner.control, &children, runner, &inner.report),
        Err(errno) => message::send(&inner.report, Message::Refused(Refusal { step: Step::Fork, errno })),
    }
    exit_now(0);
}

fn prepare() -> Result<SignalFd, Refusal> {
    let refused = |errno| Refusal { step: Step::Signals, errno };
    set_pdeathsig(Signal::SIGKILL).map_err(refused)?;
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGCHLD);
    let children = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(refused)?;
    isolate::mount_proc()?;
    isolate::prepare_network()?;
    Ok(children)
}

/// Reaps, and hands signals on, until the runner or the caller has ended.
fn reap_until_the_end(control: &OwnedFd, children: &SignalFd, runner: Pid, report: &OwnedFd) {
    loop {
        let mut watched =
            [PollFd::new(control.as_fd(), PollFlags::POLLIN), PollFd::new(children.as_fd(), PollFlags::POLLIN)];
        // The time limit is a safety net: SIGCHLD or the pipe ends the wait.
        let _ = poll(&mut watched, PollTimeout::from(1_000_u16));
        let caller_spoke = watched[0].any().unwrap_or(false);
        while let Ok(Some(_)) = children.read_signal() {}
        if let Some(end) = reap(runner) {
            message::send(report, end);
            return;
        }
        if caller_spoke && !hand_on(control, runner) {
            return;
        }
    }
}

/// Reaps whatever has ended; tells the runner's end.
fn reap(runner: Pid) -> Option<Message> {
    loop {
        match reap_any() {
            Ok(Some((pid, status))) if pid == runner => {
                let killed = || Message::Killed(status.signal().unwrap_or(0));
                return Some(status.code().map_or_else(killed, Message::Exited));
            }
            Ok(None) | Err(Errno::ECHILD) => return None,
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

/// Sends the runner the signals in the pipe; false when the caller is gone.
fn hand_on(control: &OwnedFd, runner: Pid) -> bool {
    let mut signals = [0; 16];
    match nix::unistd::read(control, &mut signals) {
        Ok(0) => false,
        Ok(count) => {
            for number in &signals[..count] {
                // A runner that has just ended needs no signal.
                let _ = Signal::try_from(i32::from(*number)).and_then(|signal| kill(runner, signal));
            }
            true
        }
        Err(Errno::EINTR | Errno::EAGAIN) => true,
        Err(_) => false,
    }
}

/// Runs the closure and ends the process with its value.
fn become_runner(inner: Inner, inside: impl FnOnce() -> i32) {
    let Inner { control, report, mask } = inner;
    drop((control, report));
    let prepared = ignore_terminal_output_stop().and_then(|()| sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None));
    if prepared.is_err() {
        exit_now(PANIC_CODE);
    }
    let code = catch_unwind(AssertUnwindSafe(inside)).unwrap_or(PANIC_CODE);
    // What cannot be written now cannot be written later either.
    let _ = std::io::stdout().flush();
    std::process::exit(code);
}
