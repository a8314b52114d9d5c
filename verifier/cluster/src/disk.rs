//! A disk that forgets what was not synced when its power is cut, and that can be made slow (`slowness`).
//!
//! A FUSE file system laid over a node's data directory. Reads and writes go to that directory as they come; beside it
//! is kept what stood there at the last fsync of each file (`unsynced`). When the power is cut every file is put
//! back: its length and its bytes are those of its last fsync, fdatasync, msync or write under `O_SYNC`.
//!
//! Whoever runs a cluster says when it was set up (`settle`): what was written before has long been written back when the
//! power of a real machine fails.
//!
//! What a file system may do on its own is settled as follows (ext4 with `data=writeback`, and LazyFS, do the same):
//! - creating, renaming, linking and removing names, and modes and times, are on the disk at once, so a file that was
//!   written, renamed and never synced is there and empty;
//! - what lay unsynced for [`unsynced::EXPIRE`] is on the disk too: the kernel would have written it back by then;
//! - of a file that was overwritten without a sync, more old bytes than [`store::KEPT_LIMIT_BYTES`] (of all files together)
//!   are not kept: the file that waited longest counts as written back.
//!
//! The machine below loses nothing, so an fsync costs no wait for a real disk.

mod file_system;
mod slowness;
mod store;
mod tree;
mod unsynced;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, INodeNo, MountOption, Session};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;

pub use crate::machines::Dropped;

use file_system::FileSystem;
use slowness::Slowness;
use store::Store;

/// The kernel's side of FUSE.
const DEVICE: &str = "/dev/fuse";
/// How long the end of the file system is waited for. A process that still uses it holds it up: it ends with the enclosure.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Pause between looks for that end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Why this machine gives no such disk, with what helps; nothing where it does.
pub fn refusal() -> Option<String> {
    let error = OpenOptions::new().read(true).write(true).open(DEVICE).err()?;
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "permit it (`chmod 666 /dev/fuse`), or run as root",
        _ => "load the kernel's module (`modprobe fuse`); in a container, hand the device in (`--device /dev/fuse`)",
    };
    Some(format!("{DEVICE} cannot be opened ({error}): {remedy}"))
}

/// A mounted disk. Dropping it takes it off; what it holds stays in the directory below.
pub struct UnsyncedDisk {
    mount_point: PathBuf,
    store: Arc<Mutex<Store>>,
    slowness: Arc<Slowness>,
    answers: Option<JoinHandle<()>>,
    session: Option<BackgroundSession>,
}

impl UnsyncedDisk {
    /// Lays the disk over `directory`. Call it in a mount namespace of the run's own.
    ///
    /// # Errors
    /// When the device cannot be opened or the mount is refused.
    pub fn mount(directory: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let below: OwnedFd = open(directory, flags, Mode::empty())?;
        let store = Arc::new(Mutex::new(Store::new(below)));
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName(String::from("verify")), MountOption::DefaultPermissions, MountOption::NoAtime];
        // Opened first: without it the mount would be tried through a helper that does not know this namespace.
        File::options().read(true).write(true).open(DEVICE)?;
        let (slowness, answers) = Slowness::start()?;
        let mut disk =
            Self { mount_point: directory.to_owned(), store, slowness, answers: Some(answers), session: None };
        let file_system = FileSystem::new(Arc::clone(&disk.store), Arc::clone(&disk.slowness));
        disk.session = Some(Session::new(file_system, directory, &config)?.spawn()?);
        Ok(disk)
    }

    /// Makes every write and sync take this much longer from now on, give or take the jitter; zero ends that, also for those
    /// that wait.
    pub fn slow_down(&self, by: Duration, jitter: Duration) {
        self.slowness.set(by, jitter);
    }

    /// How much longer every write and sync takes now.
    pub fn delay(&self) -> Duration {
        self.slowness.delay()
    }

    /// Writes and syncs that took that much longer so far.
    pub fn held_up(&self) -> u64 {
        self.slowness.held_up()
    }

    /// Takes everything written so far for synced.
    pub fn settle(&self) {
        self.lock().settle_all();
    }

    /// Cuts the power: puts every file back, and forgets what is written from now on. Kill the processes first.
    ///
    /// # Errors
    /// A file that could not be put back.
    pub fn cut_power(&self) -> io::Result<()> {
        self.lock().cut_power()
    }

    /// Gives the power back, once nothing that used the disk before the cut runs any more.
    ///
    /// # Errors
    /// When the kernel does not let go of what it has cached.
    pub fn restore_power(&self) -> io::Result<()> {
        if self.lock().has_power() {
            return Ok(());
        }
        // Pages that were written by memory mapping come as writes now, and are forgotten. The lock is not held meanwhile.
        let known = self.lock().known();
        if let Some(notifier) = self.session.as_ref().map(BackgroundSession::notifier) {
            for inode in known {
                notifier.inval_inode(INodeNo(inode), 0, 0)?;
            }
        }
        self.lock().restore_power();
        Ok(())
    }

    /// What the cuts of its power took away so far.
    pub fn dropped(&self) -> Dropped {
        self.lock().dropped()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnsyncedDisk {
    fn drop(&mut self) {
        self.slowness.end();
        if let Some(answers) = self.answers.take() {
            let _ = answers.join();
        }
        if self.session.is_none() {
            return;
        }
        match umount2(&self.mount_point, MntFlags::MNT_DETACH) {
            // Somebody else took it off.
            Ok(()) | Err(Errno::EINVAL) => {}
            // What stays mounted goes with the enclosure's mount namespace.
            Err(_) => return,
        }
        let Some(session) = self.session.take() else { return };
        let until = Instant::now() + END_LIMIT;
        while !session.guard.is_finished() && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
