//! Making the namespaces.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::error::{Refusal, Step};

/// Moves this process into new namespaces; its children are born into a new process namespace.
pub(super) fn enter(as_plain_user: bool) -> Result<(), Refusal> {
    if as_plain_user {
        enter_user_namespace()?;
    }
    let parts = [
        (CloneFlags::CLONE_NEWNS, Step::MountNamespace),
        (CloneFlags::CLONE_NEWNET, Step::NetworkNamespace),
        (CloneFlags::CLONE_NEWUTS, Step::UtsNamespace),
        (CloneFlags::CLONE_NEWIPC, Step::IpcNamespace),
        (CloneFlags::CLONE_NEWPID, Step::ProcessNamespace),
    ];
    for (flag, step) in parts {
        unshare(flag).map_err(|errno| Refusal { step, errno })?;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|errno| Refusal { step: Step::PrivateMounts, errno })
}

/// Becomes root of a user namespace in which only this user exists.
fn enter_user_namespace() -> Result<(), Refusal> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| Refusal { step: Step::UserNamespace, errno })?;
    let write = |path: &str, text: String| {
        fs::write(path, text).map_err(|error| Refusal { step: Step::UserMap, errno: errno_of(&error) })
    };
    // The kernel takes a group map from a plain user only after this.
    write("/proc/self/setgroups", String::from("deny"))?;
    write("/proc/self/uid_map", format!("0 {user} 1"))?;
    write("/proc/self/gid_map", format!("0 {group} 1"))
}

/// Mounts the `/proc` of the process namespace this process was born into.
pub(super) fn mount_proc() -> Result<(), Refusal> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .map_err(|errno| Refusal { step: Step::ProcMount, errno })
}

/// Brings the network namespace into the state every one of a run starts from.
pub(super) fn prepare_network() -> Result<(), Refusal> {
    crate::local::netns::prepare_current().map_err(|error| Refusal { step: Step::Loopback, errno: errno_of(&error) })
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}
