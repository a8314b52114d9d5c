//! A node's own root file system, in a mount namespace that lives by its descriptor.
//!
//! The new root is a small tmpfs over which the given tree is laid entry by entry, read-only, so
//! nothing is written to the tree: several nodes and runs share it. A directory that must hold
//! something of ours (a mount point, the hosts file) is made anew, its other entries bound into it.
//! Only bind mounts are used: they are there on every kernel, and a plain user may make them.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

/// Of the tmpfs: mount points, and what a node leaves in `/tmp`.
const TMPFS_OPTIONS: &str = "mode=755,size=64m";
/// Taken from the host, with everything mounted below.
const FROM_HOST: [&str; 2] = ["dev", "proc"];
/// Empty at first, and writable.
const SCRATCH: [(&str, u32); 2] = [("tmp", 0o1777), ("run", 0o755)];

/// What a node sees.
pub(super) struct Root<'a> {
    /// The tree.
    pub(super) tree: &'a Path,
    /// Absolute; seen under the same name inside.
    pub(super) data_dir: &'a Path,
    /// Text of `/etc/hosts`.
    pub(super) hosts: &'a str,
}

impl Root<'_> {
    /// Makes the mount namespace. It ends, with its mounts, with its last descriptor and process.
    ///
    /// # Errors
    /// What the system refused, and for which path.
    pub(super) fn make(&self) -> io::Result<Arc<OwnedFd>> {
        // Only a name to mount over; nothing outside of the new namespace sees what is there.
        let stage = tempfile::Builder::new().prefix("root-").tempdir()?;
        // Only the thread that asks moves into the new namespace, and this one ends right away.
        let made = std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name(String::from("rootfs"));
            let thread = builder.spawn_scoped(scope, || {
                unshare(CloneFlags::CLONE_NEWNS)?;
                self.build(stage.path())?;
                File::open("/proc/thread-self/ns/mnt").map(OwnedFd::from)
            })?;
            thread.join().map_err(|_| io::Error::other("the thread that made the mounts panicked"))?
        })?;
        Ok(Arc::new(made))
    }

    /// Makes the new root at `root` and moves there.
    fn build(&self, root: &Path) -> io::Result<()> {
        let data = self.data_dir_inside()?;
        fs::read_dir(self.tree).map_err(at(self.tree))?;
        mount_with(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
        mount_with(Some(Path::new("tmpfs")), root, Some("tmpfs"), MsFlags::empty(), Some(TMPFS_OPTIONS))?;
        let plan = self.opened(&data);
        self.lay(root, Path::new(""), &plan)?;
        for (name, mode) in SCRATCH {
            let directory = root.join(name);
            fs::create_dir_all(&directory).map_err(at(&directory))?;
            fs::set_permissions(&directory, Permissions::from_mode(mode)).map_err(at(&directory))?;
        }
        for name in FROM_HOST {
            let directory = root.join(name);
            fs::create_dir_all(&directory).map_err(at(&directory))?;
            bind(&Path::new("/").join(name), &directory)?;
        }
        let hosts = root.join("etc/hosts");
        fs::write(&hosts, self.hosts).map_err(at(&hosts))?;
        bind(self.data_dir, &root.join(&data))?;
        enter(root)
    }

    /// The data directory below the new root.
    fn data_dir_inside(&self) -> io::Result<PathBuf> {
        let inside = self.data_dir.strip_prefix("/").ok().filter(|inside| {
            let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
            let taken =
                inside.components().next().is_none_or(|first| FROM_HOST.iter().any(|name| first.as_os_str() == *name));
            plain && !taken
        });
        inside.map(Path::to_owned).ok_or_else(|| {
            let reason = format!("{} cannot be a data directory inside of a root file system", self.data_dir.display());
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })
    }

    /// Directories that are made anew, relative to the root.
    fn opened(&self, data: &Path) -> BTreeSet<PathBuf> {
        let scratch = SCRATCH.iter().map(|(name, _)| PathBuf::from(name));
        let own = ["", "etc"].into_iter().map(PathBuf::from);
        own.chain(scratch).chain(data.ancestors().map(Path::to_owned)).collect()
    }

    /// Makes `directory` of the new root from the tree's, however deep it is opened.
    fn lay(&self, root: &Path, directory: &Path, opened: &BTreeSet<PathBuf>) -> io::Result<()> {
        let (from, to) = (self.tree.join(directory), root.join(directory));
        fs::create_dir_all(&to).map_err(at(&to))?;
        for child in opened.iter().filter(|child| child.parent() == Some(directory)) {
            self.lay(root, child, opened)?;
        }
        let is_scratch = SCRATCH.iter().any(|(name, _)| directory == Path::new(name));
        if is_scratch || !from.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(&from).map_err(at(&from))? {
            let name = entry.map_err(at(&from))?.file_name();
            let path = directory.join(&name);
            let ours = opened.contains(&path) || path == Path::new("etc/hosts");
            let hosts_own = FROM_HOST.iter().any(|name| path == Path::new(name));
            if !ours && !hosts_own {
                show(&from.join(&name), &to.join(&name))?;
            }
        }
        Ok(())
    }
}

/// Shows an entry of the tree in the new root, read-only.
fn show(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from).map_err(at(from))?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(from).map_err(at(from))?, to).map_err(at(to));
    }
    if kind.is_dir() {
        fs::create_dir(to).map_err(at(to))?;
    } else {
        File::create_new(to).map_err(at(to))?;
    }
    bind(from, to)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept_flags(to)?;
    mount_with(None, to, None, flags, None)
}

/// Flags of a mount that a plain user may not take off it.
fn kept_flags(path: &Path) -> io::Result<MsFlags> {
    let found = statvfs(path).map_err(|errno| at(path)(errno.into()))?.flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    Ok(pairs.into_iter().filter(|(flag, _)| found.contains(*flag)).map(|(_, flag)| flag).collect())
}

/// Whatever is mounted below comes along: a plain user may not uncover what it hides.
fn bind(from: &Path, to: &Path) -> io::Result<()> {
    mount_with(Some(from), to, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)
}

fn mount_with(
    from: Option<&Path>,
    to: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> io::Result<()> {
    mount(from, to, kind, flags, options).map_err(|errno| at(to)(errno.into()))
}

/// Makes `root` the root of this mount namespace and lets go of the old one.
fn enter(root: &Path) -> io::Result<()> {
    let refused = |errno: nix::errno::Errno| at(root)(errno.into());
    chdir(root).map_err(refused)?;
    // The old root ends up on top of the new one, from where it is taken off.
    pivot_root(".", ".").map_err(refused)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(refused)?;
    chdir("/").map_err(refused)
}

/// Names the path in an error.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
