//! The few calls around fork and exec that the compiler cannot check.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid, chdir, fork, sethostname, setsid};

/// Forks a process that has one thread: `in_child` runs in the child, which ends with it.
///
/// # Errors
/// When the system has no room for another process.
pub(crate) fn fork_single_threaded(in_child: impl FnOnce()) -> Result<Pid, Errno> {
    // SAFETY: every caller has checked that this process has one thread (`enclose` before anything
    // else, its children because they descend from it by fork), so no lock is held by a thread that
    // the child does not have.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(in_child));
            exit_now(if outcome.is_ok() { 0 } else { 101 })
        }
    }
}

/// Reaps one child that has ended, if any has.
///
/// # Errors
/// `ECHILD` when there is no child left.
pub(crate) fn reap_any() -> Result<Option<(Pid, ExitStatus)>, Errno> {
    let mut status: libc::c_int = 0;
    // SAFETY: the kernel writes one `c_int`. (The safe wrapper loses a child killed by a real-time signal.)
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) })?;
    Ok((pid != 0).then(|| (Pid::from_raw(pid), ExitStatus::from_raw(status))))
}

/// Ends the process at once: no destructors, no exit handlers, which belong to the process this one was forked from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no precondition and does not return.
    unsafe { libc::_exit(code) }
}

/// Makes ended children wait to be reaped, whatever the starter of this program had set.
pub(crate) fn keep_ended_children() -> Result<(), Errno> {
    // SAFETY: the default disposition runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// Lets a background process group write to its terminal even under `stty tostop`.
pub(crate) fn ignore_terminal_output_stop() -> Result<(), Errno> {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) }.map(drop)
}

/// Where a command is to run.
#[derive(Clone)]
pub(crate) struct Place {
    /// Its network namespace.
    pub(crate) network: Arc<OwnedFd>,
    /// Host name in a UTS namespace of its own; none keeps the run's.
    pub(crate) host_name: Option<String>,
    /// Whether it leads a session of its own, out of reach of the terminal.
    pub(crate) own_session: bool,
    /// Descriptor it inherits, under the same number.
    pub(crate) inherits: Option<Arc<OwnedFd>>,
    /// Where it sees other files than the run does.
    pub(crate) files: Option<Files>,
}

/// Files of its own.
#[derive(Clone)]
pub(crate) struct Files {
    /// The mount namespace they are in.
    pub(crate) mounts: Arc<OwnedFd>,
    /// Working directory in it.
    pub(crate) directory: CString,
}

impl Place {
    /// Only another network namespace.
    pub(crate) fn network(network: &Arc<OwnedFd>) -> Self {
        Self { network: Arc::clone(network), host_name: None, own_session: false, inherits: None, files: None }
    }

    fn enter(&self) -> Result<(), Errno> {
        setns(&*self.network, CloneFlags::CLONE_NEWNET)?;
        if let Some(name) = &self.host_name {
            unshare(CloneFlags::CLONE_NEWUTS)?;
            sethostname(name)?;
        }
        if self.own_session {
            setsid()?;
        }
        if let Some(fd) = &self.inherits {
            fcntl(&**fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        if let Some(files) = &self.files {
            setns(&*files.mounts, CloneFlags::CLONE_NEWNS)?;
            chdir(files.directory.as_c_str())?;
        }
        Ok(())
    }
}

/// Makes `command` start in `place`.
pub(crate) fn start_in(command: &mut Command, place: Place) {
    // SAFETY: between fork and exec the hook makes system calls and touches memory that is already
    // allocated: setns, unshare, sethostname, setsid, fcntl and chdir take no lock and allocate nothing, and
    // an `Errno` becomes an `io::Error` without allocating. `place` lives in the hook, so its
    // descriptors stay open until then.
    unsafe {
        command.pre_exec(move || place.enter().map_err(std::io::Error::from));
    }
}

nix::ioctl_readwrite_bad!(read_interface_flags, libc::SIOCGIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(write_interface_flags, libc::SIOCSIFFLAGS, libc::ifreq);

/// Brings the loopback interface of the caller's network namespace up.
///
/// # Errors
/// The system's refusal.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: `ifreq` is plain data for which all zero bytes are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = *byte as libc::c_char;
    }
    // SAFETY: the socket is open for the whole call, and the kernel reads and writes one `ifreq`, in
    // whose union it sets the flags before they are read.
    unsafe {
        read_interface_flags(socket.as_raw_fd(), &mut request)?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        write_interface_flags(socket.as_raw_fd(), &request)?;
    }
    Ok(())
}
