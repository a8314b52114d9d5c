//! Runs a closure in namespaces of its own that end with it, whatever happens.
//!
//! Four processes, each the parent of the next:
//!
//! ```text
//! caller   stays outside, waits, hands on signals and the exit code
//! keeper   makes the namespaces (its children are born into the process namespace)
//! reaper   process 1 inside: reaps, and ends with the runner or with the caller
//! runner   runs the closure, in the process group of the keeper
//! ```
//!
//! When process 1 ends the kernel kills every process inside, and with the last process go the
//! namespaces, their mounts and their links. Process 1 ends when the runner does, when the pipe from
//! the caller closes (the caller died, by SIGKILL too), and by a parent-death signal as a second way.
//!
//! Signals: the three inner processes have a process group of their own, so a Ctrl-C reaches the
//! caller alone, once, whether it comes from a terminal or from `kill`. SIGINT, SIGTERM and SIGHUP
//! are handed on to the runner as one SIGINT each; those the caller was started to ignore stay ignored.

pub mod error;
pub(crate) mod facts;
mod isolate;
mod message;
mod outer;
mod reaper;

use std::io::Write;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpid, getppid, pipe2, setpgid};

pub use error::EncloseError;

use crate::process::{exit_now, fork_single_threaded, keep_ended_children};
use error::{Refusal, Step};
use message::Message;

/// The inner ends of the pipes to and from the caller, and what the runner gets back.
struct Inner {
    control: OwnedFd,
    report: OwnedFd,
    mask: SigSet,
}

/// Runs `inside` in a process of its own in new user (unless privileged), mount, network, UTS, IPC
/// and process namespaces, with a `/proc` of their own, and returns its value once everything that
/// was started inside is gone.
///
/// Call it before any thread starts. `inside` may start threads. Values it captured are dropped in
/// both processes.
///
/// # Errors
/// [`EncloseError`]: what the system refused and what permits it, or how the runner died.
pub fn enclose(inside: impl FnOnce() -> i32) -> Result<i32, EncloseError> {
    let threads = facts::thread_count();
    if threads != Some(1) {
        return Err(EncloseError::Threads { count: threads.unwrap_or(0) });
    }
    flush();
    let prepare = |step| move |errno| EncloseError::from(Refusal { step, errno });
    keep_ended_children().map_err(prepare(Step::Signals))?;
    let signals = outer::Signals::block().map_err(prepare(Step::Signals))?;
    let (control, control_writer) = pipe2(OFlag::O_CLOEXEC).map_err(prepare(Step::Pipe))?;
    let (report_reader, report) = pipe2(OFlag::O_CLOEXEC).map_err(prepare(Step::Pipe))?;
    let caller = getpid();
    let mask = signals.before();
    let inner = Inner { control, report, mask };
    let mut handed = Some((inner, control_writer, report_reader, inside));
    let keeper = fork_single_threaded(|| {
        if let Some((inner, control_writer, report_reader, inside)) = handed.take() {
            drop((control_writer, report_reader));
            keep(caller, inner, inside);
        }
    })
    .map_err(prepare(Step::Fork))?;
    let Some((inner, control_writer, report_reader, _inside)) = handed else {
        return Err(EncloseError::Lost);
    };
    drop(inner);
    outer::wait(keeper, &signals, control_writer, report_reader)
}

fn flush() {
    // What cannot be written now cannot be written later either; its writer has seen the error.
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
}

/// The keeper: makes the namespaces, starts process 1 and waits for it.
fn keep(caller: Pid, inner: Inner, inside: impl FnOnce() -> i32) {
    if let Err(refusal) = make_namespaces(caller) {
        message::send(&inner.report, Message::Refused(refusal));
        exit_now(1);
    }
    let mut handed = Some((inner, inside));
    let started = fork_single_threaded(|| {
        if let Some((inner, inside)) = handed.take() {
            reaper::run(inner, inside);
        }
    });
    let Some((inner, _inside)) = handed else { exit_now(1) };
    match started {
        Ok(process_1) => {
            // The report must end with process 1.
            drop(inner);
            outer::wait_for_end(process_1);
        }
        Err(errno) => message::send(&inner.report, Message::Refused(Refusal { step: Step::Fork, errno })),
    }
    exit_now(0);
}

fn make_namespaces(caller: Pid) -> Result<(), Refusal> {
    let refused = |step| move |errno| Refusal { step, errno };
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(refused(Step::Signals))?;
    isolate::enter(!facts::is_privileged())?;
    // Only now: a change of credentials forgets the signal.
    set_pdeathsig(Signal::SIGKILL).map_err(refused(Step::Signals))?;
    if getppid() != caller {
        exit_now(1);
    }
    Ok(())
}
