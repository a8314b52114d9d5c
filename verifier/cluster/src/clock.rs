//! Clocks of nodes that go wrong, through libfaketime (<https://github.com/wolfcw/libfaketime>).
//!
//! The library is loaded before a node's own (`LD_PRELOAD`) and answers for the clock of the day what a file says
//! (`FAKETIME_TIMESTAMP_FILE`), read anew at every question (`FAKETIME_NO_CACHE`). Timers go by the monotonic clock, which no
//! step of the clock of the day moves on a real machine either (`FAKETIME_DONT_FAKE_MONOTONIC`).
//!
//! It is copied into the node's data directory: a node that has a root file system of its own sees no other. What it shares
//! between processes it names by their numbers, and leaves there when they are killed; so it is given shared memory of the
//! run's own ([`SharedMemory`]), where no number stands from a run before, and which ends with the run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

pub use crate::machines::Setting;

/// Where distributions put it; the one for programs with threads. The first is Debian's, below its word for the machine.
const PLACES: [&str; 4] = [
    "/usr/lib/MACHINE-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];
/// What is made of it in a data directory.
const DIRECTORY: &str = "faketime";
/// The copy of the library there.
const LIBRARY: &str = "libfaketimeMT.so.1";
/// What the clock says, there.
const FILE: &str = "timestamp";

/// Where the library is.
pub fn library() -> Option<PathBuf> {
    let machine = std::env::consts::ARCH;
    PLACES.iter().map(|place| PathBuf::from(place.replace("MACHINE", machine))).find(|place| place.is_file())
}

/// Why this machine gives no such clocks, with what helps; nothing where it does.
pub fn refusal() -> Option<String> {
    if library().is_some() {
        return None;
    }
    Some(String::from("libfaketime is not there: install it (Debian, Ubuntu: `apt-get install libfaketime`)"))
}

impl Setting {
    /// As the library reads it.
    fn text(self) -> String {
        match self {
            Self::Ahead(ms) => {
                let (sign, ms) = (if ms < 0 { '-' } else { '+' }, ms.unsigned_abs());
                format!("{sign}{}.{:03}\n", ms / 1_000, ms % 1_000)
            }
            Self::StandsAt(second) => format!("{second}\n"),
        }
    }
}

/// The clock of one node.
#[derive(Clone, Debug)]
pub struct FakeClock {
    directory: PathBuf,
}

impl FakeClock {
    /// Gives the node with this data directory a clock that goes right.
    ///
    /// # Errors
    /// When the library cannot be copied there.
    pub fn lay(library: &Path, data_dir: &Path) -> io::Result<Self> {
        let clock = Self { directory: data_dir.join(DIRECTORY) };
        fs::create_dir_all(&clock.directory)?;
        fs::copy(library, clock.directory.join(LIBRARY))?;
        clock.set(Setting::Ahead(0))?;
        Ok(clock)
    }

    /// What a clock that goes right is set to.
    pub(crate) const RIGHT: &str = "+0.000\n";

    /// What it is set to, as written.
    pub(crate) fn is_set_to(&self) -> String {
        fs::read_to_string(self.directory.join(FILE)).unwrap_or_default()
    }

    /// Makes it do so from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&self, setting: Setting) -> io::Result<()> {
        // The node may ask at any moment, and must not find half of it.
        let next = self.directory.join("next");
        fs::write(&next, setting.text())?;
        fs::rename(next, self.directory.join(FILE))
    }

    /// What the node's environment needs.
    pub(crate) fn environment(&self) -> [(&'static str, String); 7] {
        let path = |name: &str| self.directory.join(name).display().to_string();
        [
            ("LD_PRELOAD", path(LIBRARY)),
            ("FAKETIME_TIMESTAMP_FILE", path(FILE)),
            ("FAKETIME_NO_CACHE", String::from("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", String::from("1")),
            // On, it measures waits by the monotonic clock against the clock of the day: they end at once, and a JVM spins.
            ("FAKETIME_FORCE_MONOTONIC_FIX", String::from("0")),
            // A clock that is set changes no time that stands in a file.
            ("NO_FAKE_STAT", String::from("1")),
            // Of times that are no offsets: Unix seconds, whatever time zone the node is in.
            ("FAKETIME_FMT", String::from("%s")),
        ]
    }
}

/// Where POSIX shared memory is.
const SHARED_MEMORY: &str = "/dev/shm";

/// Shared memory of the run's own. Dropping it takes it off.
#[derive(Debug)]
pub(crate) struct SharedMemory(());

impl SharedMemory {
    /// Lays it over the machine's. Call it in a mount namespace of the run's own, before nodes are placed.
    ///
    /// # Errors
    /// When the mount is refused.
    pub(crate) fn lay() -> io::Result<Self> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("verify-shm"), SHARED_MEMORY, Some("tmpfs"), flags, Some("mode=1777,size=16m"))?;
        Ok(Self(()))
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // What stays mounted goes with the enclosure's mount namespace.
        let _ = umount2(SHARED_MEMORY, MntFlags::MNT_DETACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_the_library_reads_them() {
        assert_eq!(Setting::Ahead(0).text(), "+0.000\n");
        assert_eq!(Setting::Ahead(3_600_007).text(), "+3600.007\n");
        assert_eq!(Setting::Ahead(-1_050).text(), "-1.050\n");
        assert_eq!(Setting::StandsAt(1_764_064_000).text(), "1764064000\n");
    }

    #[test]
    fn a_clock_is_laid_into_the_data_and_goes_right_until_it_is_set() {
        let data = tempfile::tempdir().unwrap();
        let library = data.path().join("given.so");
        fs::write(&library, b"a library").unwrap();
        let clock = FakeClock::lay(&library, data.path()).unwrap();
        let environment = clock.environment();
        let of = |name: &str| &environment.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(fs::read(of("LD_PRELOAD")).unwrap(), b"a library");
        assert_eq!(fs::read_to_string(of("FAKETIME_TIMESTAMP_FILE")).unwrap(), "+0.000\n");
        clock.set(Setting::Ahead(250)).unwrap();
        assert_eq!(fs::read_to_string(of("FAKETIME_TIMESTAMP_FILE")).unwrap(), "+0.250\n");
    }

    #[test]
    fn a_machine_without_the_library_is_told_of_the_package() {
        assert_eq!(refusal().is_some(), library().is_none());
        assert!(refusal().is_none_or(|told| told.contains("apt-get install libfaketime")));
    }
}
