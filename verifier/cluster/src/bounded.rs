//! A disk of bounded size that can be filled to its last page.
//!
//! A tmpfs over a node's data directory, in the mount namespace of the run. It is filled by a file without a name
//! (`O_TMPFILE`), which ends with its descriptor: nothing that fills a disk outlives whoever filled it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate, open};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::sys::statvfs::fstatvfs;

/// Rounds of taking what is free: whoever else writes may be quicker, or free something.
const ROUNDS: u32 = 16;

/// A mounted disk. Dropping it takes it off, and what it holds is gone.
pub struct BoundedDisk {
    mount_point: PathBuf,
    root: OwnedFd,
    /// What fills it, while it is full.
    ballast: Option<File>,
}

impl BoundedDisk {
    /// Lays an empty disk of `bytes` over `directory`. Call it in a mount namespace of the run's own.
    ///
    /// # Errors
    /// When the mount is refused.
    pub fn mount(directory: &Path, bytes: u64) -> io::Result<Self> {
        let options = format!("mode=755,size={bytes}");
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("verify-disk"), directory, Some("tmpfs"), flags, Some(options.as_str()))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(directory, flags, Mode::empty());
        if root.is_err() {
            let _ = umount2(directory, MntFlags::MNT_DETACH);
        }
        Ok(Self { mount_point: directory.to_owned(), root: root?, ballast: None })
    }

    /// Takes what is free. Called again, it takes what has become free since.
    ///
    /// # Errors
    /// When the file that fills it cannot be made or made longer.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.ballast.is_none() {
            self.ballast = Some(self.nameless()?);
        }
        for _ in 0..ROUNDS {
            let free_bytes = self.free_bytes()?;
            let Some(ballast) = self.ballast.as_ref().filter(|_| free_bytes > 0) else { return Ok(()) };
            let len = offset(ballast.metadata()?.len())?;
            match fallocate(ballast, FallocateFlags::empty(), len, offset(free_bytes)?) {
                // Somebody wrote meanwhile, so less is free than there was.
                Ok(()) | Err(Errno::ENOSPC | Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Gives back what [`BoundedDisk::fill`] took.
    pub fn free(&mut self) {
        self.ballast = None;
    }

    /// Whether it was filled and not freed since.
    pub fn is_filled(&self) -> bool {
        self.ballast.is_some()
    }

    /// What a plain user could still write, bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let found = fstatvfs(self.root.as_fd())?;
        Ok(found.blocks_available().saturating_mul(found.fragment_size()))
    }

    fn nameless(&self) -> io::Result<File> {
        let root = format!("/proc/self/fd/{}", self.root.as_raw_fd());
        OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(root)
    }
}

impl Drop for BoundedDisk {
    fn drop(&mut self) {
        self.free();
        // What stays mounted goes with the enclosure's mount namespace.
        let _ = umount2(&self.mount_point, MntFlags::MNT_DETACH);
    }
}

fn offset(bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(io::Error::other)
}
