//! The files below, what was not synced of them, and whether there is power.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::libc;

use super::Dropped;
use super::tree::{ROOT, Tree};
use super::unsynced::{EXPIRE, Unsynced};

/// Most old bytes that are kept of all files together.
pub(super) const KEPT_LIMIT_BYTES: u64 = 64 << 20;
/// From one look for what has lain unsynced too long to the next, as the kernel does it (`vm.dirty_writeback_centisecs`).
const WRITEBACK_EVERY: Duration = Duration::from_secs(5);

/// An open file.
#[derive(Clone)]
struct Handle {
    inode: u64,
    file: Arc<File>,
    /// Every write is synced (`O_SYNC`, `O_DSYNC`).
    syncs: bool,
}

/// One entry of a directory as it was when it was opened.
pub(super) struct DirectoryEntry {
    pub(super) name: OsString,
    pub(super) inode: u64,
    pub(super) kind: FileType,
}

/// Where a file's name is: its directory and what it is called there.
pub(super) type Place<'a> = (u64, &'a OsStr);

/// The state of one disk.
pub(super) struct Store {
    /// The directory below, as a path that the mount does not hide.
    base: PathBuf,
    _below: OwnedFd,
    tree: Tree,
    handles: HashMap<u64, Handle>,
    directories: HashMap<u64, Arc<Vec<DirectoryEntry>>>,
    next_handle: u64,
    unsynced: BTreeMap<u64, Unsynced>,
    kept_bytes: u64,
    looked: Instant,
    has_power: bool,
    dropped: Dropped,
}

impl Store {
    /// A disk over the directory that `below` refers to.
    pub(super) fn new(below: OwnedFd) -> Self {
        Self {
            base: PathBuf::from(format!("/proc/self/fd/{}", below.as_raw_fd())),
            _below: below,
            tree: Tree::new(),
            handles: HashMap::new(),
            directories: HashMap::new(),
            next_handle: 1,
            unsynced: BTreeMap::new(),
            kept_bytes: 0,
            looked: Instant::now(),
            has_power: true,
            dropped: Dropped::default(),
        }
    }

    /// The directory below.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Whether there is power.
    pub(super) fn has_power(&self) -> bool {
        self.has_power
    }

    /// What was lost to cuts so far.
    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Numbers of all files the kernel may have something cached of.
    pub(super) fn known(&self) -> Vec<u64> {
        self.tree.numbers()
    }

    /// Puts every file back to its last sync. What is written from now on is forgotten.
    pub(super) fn cut_power(&mut self) -> io::Result<()> {
        self.write_back(Instant::now());
        self.has_power = false;
        self.kept_bytes = 0;
        for (inode, unsynced) in std::mem::take(&mut self.unsynced) {
            // What has no name left is gone with the process that had it open.
            let Some(path) = self.tree.path(&self.base, inode) else { continue };
            unsynced.undo(&open_whatever_its_mode(&path)?)?;
            self.dropped.writes += unsynced.writes;
            self.dropped.bytes += unsynced.bytes;
        }
        Ok(())
    }

    /// The power is back.
    pub(super) fn restore_power(&mut self) {
        self.has_power = true;
    }

    /// Takes everything for synced.
    pub(super) fn settle_all(&mut self) {
        self.unsynced.clear();
        self.kept_bytes = 0;
    }

    fn settle(&mut self, inode: u64) {
        if let Some(unsynced) = self.unsynced.remove(&inode) {
            self.kept_bytes -= unsynced.kept_bytes();
        }
    }

    /// What the kernel would have written back by now is synced.
    fn write_back(&mut self, now: Instant) {
        let expired = |unsynced: &Unsynced| now.duration_since(unsynced.since) >= EXPIRE;
        let old: Vec<u64> = self.unsynced.iter().filter(|(_, one)| expired(one)).map(|(inode, _)| *inode).collect();
        old.into_iter().for_each(|inode| self.settle(inode));
        self.looked = now;
    }

    /// Called before every change of a file's data.
    fn about_to_change(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) >= WRITEBACK_EVERY {
            self.write_back(now);
        }
        while self.kept_bytes > KEPT_LIMIT_BYTES {
            let kept = self.unsynced.iter().filter(|(_, one)| one.kept_bytes() > 0);
            let Some(inode) = kept.min_by_key(|(_, one)| one.since).map(|(inode, _)| *inode) else { return };
            self.settle(inode);
        }
    }

    /// A file, or that it is gone.
    pub(super) fn path(&self, inode: u64) -> io::Result<PathBuf> {
        self.tree.path(&self.base, inode).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// A name in a directory.
    pub(super) fn path_of(&self, place: Place<'_>) -> io::Result<PathBuf> {
        Ok(self.path(place.0)?.join(place.1))
    }

    /// What stands under a name.
    pub(super) fn look_up(&mut self, place: Place<'_>) -> io::Result<(u64, Metadata)> {
        let found = fs::symlink_metadata(self.path_of(place)?)?;
        let inode = self.tree.number(place.0, place.1, found.ino());
        self.tree.told(inode);
        Ok((inode, found))
    }

    /// The kernel has forgotten a file `count` times.
    pub(super) fn forget(&mut self, inode: u64, count: u64) {
        self.tree.forgotten(inode, count);
    }

    /// What is known of a file; of one without a name, by who has it open.
    pub(super) fn metadata(&self, inode: u64) -> io::Result<Metadata> {
        match self.path(inode) {
            Ok(path) if inode == ROOT => fs::metadata(path),
            Ok(path) => fs::symlink_metadata(path),
            Err(error) => self.opened(inode).ok_or(error)?.metadata(),
        }
    }

    /// The file as somebody has it open for writing, or anyhow.
    fn opened(&self, inode: u64) -> Option<Arc<File>> {
        self.handles.values().find(|handle| handle.inode == inode).map(|handle| Arc::clone(&handle.file))
    }

    fn handle(&self, handle: u64) -> io::Result<Handle> {
        self.handles.get(&handle).cloned().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    /// Changes need power.
    pub(super) fn needs_power(&self) -> io::Result<()> {
        if self.has_power { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) }
    }

    fn add_handle(&mut self, inode: u64, file: File, flags: i32) -> u64 {
        self.next_handle += 1;
        // `O_SYNC` holds the bit of `O_DSYNC`.
        let handle = Handle { inode, file: Arc::new(file), syncs: flags & libc::O_DSYNC != 0 };
        self.handles.insert(self.next_handle, handle);
        self.next_handle
    }

    /// Opens a file. What is opened for writing must be read too: for what a write is about to cover.
    pub(super) fn open(&mut self, inode: u64, flags: i32) -> io::Result<u64> {
        let path = self.path(inode)?;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        let file = if writes { open_whatever_its_mode(&path)? } else { File::open(&path)? };
        Ok(self.add_handle(inode, file, flags))
    }

    /// Makes a file and opens it.
    pub(super) fn create(&mut self, place: Place<'_>, mode: u32, flags: i32) -> io::Result<(u64, Metadata, u64)> {
        self.needs_power()?;
        let path = self.path_of(place)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(mode & 0o7777);
        let file = if flags & libc::O_EXCL != 0 { options.create_new(true) } else { options.create(true) };
        let file = file.open(&path)?;
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        let (inode, found) = self.look_up(place)?;
        if flags & libc::O_TRUNC != 0 && found.len() > 0 {
            self.set_len(inode, &file, 0)?;
        }
        let found = file.metadata()?;
        Ok((inode, found, self.add_handle(inode, file, flags)))
    }

    /// Closes a file.
    pub(super) fn close(&mut self, handle: u64) {
        self.handles.remove(&handle);
    }

    /// Reads up to `len` bytes; fewer at the end.
    pub(super) fn read(&self, handle: u64, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.handle(handle)?.file;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Writes all of `bytes`. Without power they are taken and forgotten, as nobody is left who could be told.
    pub(super) fn write(&mut self, handle: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.has_power {
            self.dropped.writes += 1;
            self.dropped.bytes += bytes.len() as u64;
            return Ok(());
        }
        let Handle { inode, file, syncs } = self.handle(handle)?;
        self.about_to_change();
        self.kept_bytes += self.entry(inode, &file)?.before_write(&file, offset, bytes.len() as u64)?;
        file.write_all_at(bytes, offset)?;
        if syncs {
            self.settle(inode);
        }
        Ok(())
    }

    fn entry(&mut self, inode: u64, file: &File) -> io::Result<&mut Unsynced> {
        let len = file.metadata()?.len();
        Ok(self.unsynced.entry(inode).or_insert_with(|| Unsynced::new(len, Instant::now())))
    }

    /// Changes the length of a file that is open, or of a name.
    pub(super) fn change_len(&mut self, inode: u64, handle: Option<u64>, len: u64) -> io::Result<()> {
        self.needs_power()?;
        let opened = handle.and_then(|handle| self.handle(handle).ok()).map(|handle| handle.file);
        match opened {
            Some(file) => self.set_len(inode, &file, len),
            None => self.set_len(inode, &open_whatever_its_mode(&self.path(inode)?)?, len),
        }
    }

    fn set_len(&mut self, inode: u64, file: &File, len: u64) -> io::Result<()> {
        self.about_to_change();
        if self.entry(inode, file)?.cut_off_bytes(len) > KEPT_LIMIT_BYTES {
            // More than is kept: what was cut off is gone, as the kernel may have it at any time.
            self.settle(inode);
            return file.set_len(len);
        }
        self.kept_bytes += self.entry(inode, file)?.before_set_len(file, len)?;
        file.set_len(len)
    }

    /// Makes a file at least `len` bytes long.
    pub(super) fn extend(&mut self, handle: u64, len: u64) -> io::Result<()> {
        self.needs_power()?;
        let Handle { inode, file, .. } = self.handle(handle)?;
        if file.metadata()?.len() < len { self.set_len(inode, &file, len) } else { Ok(()) }
    }

    /// What was written to the file is on the disk.
    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        self.needs_power()?;
        self.settle(inode);
        Ok(())
    }

    /// Removes a name by `remove`.
    pub(super) fn remove(&mut self, place: Place<'_>, remove: fn(&Path) -> io::Result<()>) -> io::Result<()> {
        self.needs_power()?;
        remove(&self.path_of(place)?)?;
        if let Some(nameless) = self.tree.remove(place.0, place.1) {
            self.settle(nameless);
        }
        Ok(())
    }

    /// Changes a name.
    pub(super) fn rename(&mut self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        self.needs_power()?;
        fs::rename(self.path_of(from)?, self.path_of(to)?)?;
        if let Some(nameless) = self.tree.rename(from, to) {
            self.settle(nameless);
        }
        Ok(())
    }

    /// Opens a directory as it is now.
    pub(super) fn open_directory(&mut self, inode: u64) -> io::Result<u64> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(inode)?)? {
            let entry = entry?;
            entries.push(DirectoryEntry { name: entry.file_name(), inode: entry.ino(), kind: entry.file_type()? });
        }
        self.next_handle += 1;
        self.directories.insert(self.next_handle, Arc::new(entries));
        Ok(self.next_handle)
    }

    /// What a directory held when it was opened.
    pub(super) fn directory(&self, handle: u64) -> Option<Arc<Vec<DirectoryEntry>>> {
        self.directories.get(&handle).cloned()
    }

    /// Closes a directory.
    pub(super) fn close_directory(&mut self, handle: u64) {
        self.directories.remove(&handle);
    }
}

/// Opens a file for reading and writing, though its mode may forbid its owner either: the kernel above has checked that
/// whoever asked may do what he does.
fn open_whatever_its_mode(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mode = fs::metadata(path)?.permissions();
            fs::set_permissions(path, Permissions::from_mode(mode.mode() | 0o600))?;
            let opened = open();
            fs::set_permissions(path, mode)?;
            opened
        }
        other => other,
    }
}
