//! Writing into a tree without ever leaving it: links in it lead to what is below its root, as they will for whoever runs in it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// What owners may always do, so that the tree can be read and removed by who made it.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Set-user and set-group bits mean nothing for files that all belong to one user.
const MODE_MASK: u32 = 0o1777;

/// The tree.
pub(crate) struct Tree {
    root: OwnedFd,
}

/// Where an entry goes: its directory, held open, and its name there.
struct Spot {
    directory: OwnedFd,
    name: PathBuf,
}

impl Spot {
    /// The kernel's own name for the entry, while the directory is held open; its last part is never followed by what is done here.
    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(&self.name)
    }
}

impl Tree {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let flags = nix::libc::O_DIRECTORY | nix::libc::O_CLOEXEC;
        Ok(Self { root: fs::OpenOptions::new().read(true).custom_flags(flags).open(root)?.into() })
    }

    /// Makes a directory, or gives the one that is there the mode.
    pub(crate) fn directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        let Some(spot) = self.spot(path)? else { return Ok(()) };
        let at = spot.path();
        let mode = (mode & MODE_MASK) | DIRECTORY_MODE;
        if !at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            remove(&at)?;
            fs::create_dir(&at)?;
        }
        fs::set_permissions(&at, Permissions::from_mode(mode))
    }

    /// Makes a file, in place of whatever is there.
    pub(crate) fn file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let spot = self.cleared(path)?;
        let file = fs::OpenOptions::new().write(true).create_new(true).open(spot.path())?;
        file.set_permissions(Permissions::from_mode((mode & MODE_MASK) | FILE_MODE))?;
        Ok(file)
    }

    /// Makes a symbolic link, in place of whatever is there.
    pub(crate) fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let spot = self.cleared(path)?;
        symlink(target, spot.path())
    }

    /// Makes another name of a file of the tree, in place of whatever is there.
    pub(crate) fn hard_link(&self, path: &Path, of: &Path) -> io::Result<()> {
        let from = self.spot(of)?.ok_or_else(|| unfit(of))?;
        let spot = self.cleared(path)?;
        fs::hard_link(from.path(), spot.path())
    }

    /// Removes an entry with all below it; nothing happens where there is none.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        match self.existing(path)? {
            Some(spot) => remove(&spot.path()),
            None => Ok(()),
        }
    }

    /// Names in a directory; none where there is no such directory.
    pub(crate) fn names(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(opened) = self.opened(directory)? else { return Ok(Vec::new()) };
        let entries = fs::read_dir(Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string()))?;
        entries.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect()
    }

    /// Whether it is a directory, and no link to one.
    pub(crate) fn is_directory(&self, path: &Path) -> io::Result<bool> {
        let found = self.existing(path)?.and_then(|spot| spot.path().symlink_metadata().ok());
        Ok(found.is_some_and(|found| found.is_dir()))
    }

    /// Whether there is nothing of that name.
    pub(crate) fn is_absent(&self, path: &Path) -> io::Result<bool> {
        Ok(self.existing(path)?.is_none_or(|spot| spot.path().symlink_metadata().is_err()))
    }

    fn cleared(&self, path: &Path) -> io::Result<Spot> {
        let spot = self.spot(path)?.ok_or_else(|| unfit(path))?;
        remove(&spot.path())?;
        Ok(spot)
    }

    /// Where `path` is, its directories made; nothing for the root itself.
    fn spot(&self, path: &Path) -> io::Result<Option<Spot>> {
        let path = plain(path)?;
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = match self.opened(parent)? {
            Some(directory) => directory,
            None => self.made(parent)?,
        };
        Ok(Some(Spot { directory, name: PathBuf::from(name) }))
    }

    fn existing(&self, path: &Path) -> io::Result<Option<Spot>> {
        let path = plain(path)?;
        let (Some(name), parent) = (path.file_name(), path.parent().unwrap_or(Path::new(""))) else { return Ok(None) };
        Ok(self.opened(parent)?.map(|directory| Spot { directory, name: PathBuf::from(name) }))
    }

    /// A directory of the tree; nothing where there is none.
    fn opened(&self, directory: &Path) -> io::Result<Option<OwnedFd>> {
        let at = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(&self.root, at, how) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ENOSYS) => Err(io::Error::other("this kernel has no openat2; Linux 5.6 or later is needed")),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a directory with all above it.
    fn made(&self, directory: &Path) -> io::Result<OwnedFd> {
        let mut at = PathBuf::new();
        for part in directory.components() {
            at.push(part);
            if self.opened(&at)?.is_none() {
                let parent = self.opened(at.parent().unwrap_or(Path::new("")))?.ok_or_else(|| unfit(directory))?;
                let spot = Spot { directory: parent, name: PathBuf::from(part.as_os_str()) };
                // A link that leads nowhere stands where a directory is asked for.
                remove(&spot.path())?;
                DirBuilder::new().mode(0o755).create(spot.path())?;
            }
        }
        self.opened(directory)?.ok_or_else(|| unfit(directory))
    }
}

fn remove(at: &Path) -> io::Result<()> {
    match at.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(at),
        Ok(_) => fs::remove_file(at),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A path of a layer: relative to the root, and going down only.
fn plain(path: &Path) -> io::Result<PathBuf> {
    path.components().try_fold(PathBuf::new(), |plain, part| match part {
        Component::RootDir | Component::CurDir => Ok(plain),
        Component::Normal(name) => Ok(plain.join(name)),
        Component::ParentDir | Component::Prefix(_) => Err(unfit(path)),
    })
}

fn unfit(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` cannot stand in a root file system", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::Tree;

    fn write(tree: &Tree, path: &str, text: &str) -> std::io::Result<()> {
        tree.file(Path::new(path), 0o4755)?.write_all(text.as_bytes())
    }

    #[test]
    fn no_link_leads_out_of_the_tree() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let tree = Tree::open(inside.path()).unwrap();
        tree.link(Path::new("absolute"), outside.path()).unwrap();
        tree.link(Path::new("up"), Path::new("../../../../../..")).unwrap();
        write(&tree, "absolute/new", "x").unwrap();
        write(&tree, "up/at-root", "x").unwrap();
        assert!(inside.path().join("at-root").is_file(), "above the root is the root");
        tree.remove(Path::new("absolute/kept")).unwrap();
        assert!(tree.hard_link(Path::new("stolen"), Path::new("absolute/kept")).is_err());
        assert!(write(&tree, "a/../../b", "x").is_err());
        let left: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_not_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        write(&tree, "real", "old").unwrap();
        tree.link(Path::new("name"), Path::new("real")).unwrap();
        write(&tree, "name", "new").unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("real")).unwrap(), "old");
        assert_eq!(fs::read_to_string(directory.path().join("name")).unwrap(), "new");
        tree.directory(Path::new("name"), 0o000).unwrap();
        assert!(directory.path().join("name").is_dir());
    }

    #[test]
    fn modes_lose_what_runs_as_another_and_keep_what_owners_need() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        write(&tree, "deep/er/file", "x").unwrap();
        tree.directory(Path::new("tmp"), 0o1777).unwrap();
        let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("deep/er/file"), mode("tmp")), (0o755, 0o1777));
        let mut names = tree.names(Path::new("deep")).unwrap();
        names.extend(tree.names(Path::new("nowhere")).unwrap());
        assert_eq!(names, [Path::new("er")]);
    }
}
