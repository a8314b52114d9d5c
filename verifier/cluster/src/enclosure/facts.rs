//! What the kernel says about this process and about namespaces.

use std::fs;

use nix::libc;

/// Number of the capability to administer the network.
const CAP_NET_ADMIN: u32 = 12;
/// Number of the capability to make namespaces and mounts.
const CAP_SYS_ADMIN: u32 = 21;

/// Settings that decide whether a plain user may make namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// This process may make namespaces without a user namespace.
    pub(crate) privileged: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns` is on (Ubuntu 23.10 and later).
    pub(crate) apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian and its kernels).
    pub(crate) clone_forbidden: bool,
    /// `user.max_user_namespaces` is 0.
    pub(crate) none_allowed: bool,
    /// Something says that this is a container.
    pub(crate) in_container: bool,
}

impl Facts {
    /// Asks the kernel.
    pub(crate) fn read() -> Self {
        Self {
            privileged: is_privileged(),
            apparmor_restricts: setting("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1"),
            clone_forbidden: setting("kernel/unprivileged_userns_clone").as_deref() == Some("0"),
            none_allowed: setting("user/max_user_namespaces").as_deref() == Some("0"),
            in_container: ["/.dockerenv", "/run/.containerenv"].iter().any(|path| fs::exists(path).unwrap_or(false)),
        }
    }
}

fn setting(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
}

fn status_field(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}

fn status_bits(name: &str) -> u64 {
    status_field(name).and_then(|value| u64::from_str_radix(&value, 16).ok()).unwrap_or(0)
}

/// Threads of this process, if the kernel says.
pub(crate) fn thread_count() -> Option<usize> {
    status_field("Threads")?.parse().ok()
}

/// Whether this process may make namespaces and links as it is (root usually may, root in a container usually not).
pub(crate) fn is_privileged() -> bool {
    let needed = (1 << CAP_SYS_ADMIN) | (1 << CAP_NET_ADMIN);
    status_bits("CapEff") & needed == needed
}

/// Whether this process was started to ignore the signal (as `nohup` does).
pub(crate) fn is_ignored(signal: libc::c_int) -> bool {
    status_bits("SigIgn") & (1 << (signal - 1)) != 0
}
