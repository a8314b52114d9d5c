//! What the kernel asks, answered from the store.

use std::ffi::OsStr;
use std::fs::{self, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::libc;
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::sys::statvfs::statvfs;

use super::slowness::Slowness;
use super::store::Store;

/// How long the kernel may go by what it was told; nobody changes the files behind its back but a cut of the power,
/// after which it is told to forget.
const VALID: Duration = Duration::from_secs(1);
/// Numbers of removed files are never used again, so one generation is enough.
const GENERATION: Generation = Generation(0);
/// The flag of `fallocate` that leaves the length as it is.
const KEEP_SIZE: i32 = libc::FALLOC_FL_KEEP_SIZE;

/// The file system of one node.
pub(super) struct FileSystem {
    store: Arc<Mutex<Store>>,
    slowness: Arc<Slowness>,
}

impl FileSystem {
    /// Answers from `store`, to writes and syncs as late as `slowness` says.
    pub(super) fn new(store: Arc<Mutex<Store>>, slowness: Arc<Slowness>) -> Self {
        Self { store, slowness }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes something under a name and says what is there then.
    fn make(&self, parent: INodeNo, name: &OsStr, reply: ReplyEntry, make: impl FnOnce(&Path) -> io::Result<()>) {
        let mut store = self.store();
        let place = (parent.0, name);
        let made = store.needs_power().and_then(|()| make(&store.path_of(place)?)).and_then(|()| store.look_up(place));
        drop(store);
        answer_entry(reply, made);
    }
}

fn answer_entry(reply: ReplyEntry, found: io::Result<(u64, Metadata)>) {
    match found {
        Ok((inode, found)) => reply.entry(&VALID, &attributes(inode, &found), GENERATION),
        Err(error) => reply.error(error.into()),
    }
}

fn answer_empty(reply: ReplyEmpty, done: io::Result<()>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.into()),
    }
}

fn kind_of(kind: fs::FileType) -> FileType {
    match kind {
        kind if kind.is_dir() => FileType::Directory,
        kind if kind.is_symlink() => FileType::Symlink,
        kind if kind.is_fifo() => FileType::NamedPipe,
        kind if kind.is_socket() => FileType::Socket,
        kind if kind.is_char_device() => FileType::CharDevice,
        kind if kind.is_block_device() => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

fn time_of(seconds: i64, nanoseconds: i64) -> SystemTime {
    let part = Duration::from_nanos(nanoseconds.unsigned_abs());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - whole + part } else { UNIX_EPOCH + whole + part }
}

fn attributes(inode: u64, found: &Metadata) -> FileAttr {
    FileAttr {
        ino: INodeNo(inode),
        size: found.len(),
        blocks: found.blocks(),
        atime: time_of(found.atime(), found.atime_nsec()),
        mtime: time_of(found.mtime(), found.mtime_nsec()),
        ctime: time_of(found.ctime(), found.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: kind_of(found.file_type()),
        perm: (found.mode() & 0o7777) as u16,
        nlink: found.nlink() as u32,
        uid: found.uid(),
        gid: found.gid(),
        rdev: found.rdev() as u32,
        blksize: found.blksize() as u32,
        flags: 0,
    }
}

/// What is to be changed of a file besides its length.
struct Change {
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
    times: FileTimes,
    sets_times: bool,
}

impl Change {
    fn apply(&self, path: &Path) -> io::Result<()> {
        if let Some(mode) = self.mode {
            fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))?;
        }
        if self.owner != (None, None) {
            std::os::unix::fs::lchown(path, self.owner.0, self.owner.1)?;
        }
        if self.sets_times {
            fs::File::open(path)?.set_times(self.times)?;
        }
        Ok(())
    }
}

fn moment(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

impl Filesystem for FileSystem {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.store().look_up((parent.0, name));
        answer_entry(reply, found);
    }

    fn forget(&self, _: &Request, inode: INodeNo, count: u64) {
        self.store().forget(inode.0, count);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.store().metadata(inode.0) {
            Ok(found) => reply.attr(&VALID, &attributes(inode.0, &found)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let sets_times = accessed.is_some() || modified.is_some();
        let times = FileTimes::new();
        let times = accessed.map_or(times, |time| times.set_accessed(moment(time)));
        let times = modified.map_or(times, |time| times.set_modified(moment(time)));
        let change = Change { mode, owner: (uid, gid), times, sets_times };
        let mut store = self.store();
        let resized = size.map_or(Ok(()), |len| store.change_len(inode.0, handle.map(|handle| handle.0), len));
        let changed = resized.and_then(|()| match store.path(inode.0) {
            Ok(path) => change.apply(&path),
            // Nobody finds a file without a name by its mode or times.
            Err(_) => Ok(()),
        });
        match changed.and_then(|()| store.metadata(inode.0)) {
            Ok(found) => reply.attr(&VALID, &attributes(inode.0, &found)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        match self.store().path(inode.0).and_then(fs::read_link) {
            Ok(target) => reply.data(target.as_os_str().as_encoded_bytes()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn mknod(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        let kind = SFlag::from_bits_truncate(mode & libc::S_IFMT);
        if ![SFlag::S_IFREG, SFlag::S_IFIFO, SFlag::S_IFSOCK].contains(&kind) {
            // Devices are not for nodes.
            return reply.error(Errno::EPERM);
        }
        self.make(parent, name, reply, |path| {
            mknod(path, kind, Mode::from_bits_truncate(mode & 0o7777), 0)?;
            fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))
        });
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        self.make(parent, name, reply, |path| {
            fs::create_dir(path)?;
            fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.store().remove((parent.0, name), |path| fs::remove_file(path));
        answer_empty(reply, removed);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.store().remove((parent.0, name), |path| fs::remove_dir(path));
        answer_empty(reply, removed);
    }

    fn symlink(&self, _: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.make(parent, name, reply, |path| symlink(target, path));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let renamed = self.store().rename((parent.0, name), (new_parent.0, new_name));
        answer_empty(reply, renamed);
    }

    fn link(&self, _: &Request, inode: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let from = self.store().path(inode.0);
        self.make(parent, name, reply, |path| fs::hard_link(from?, path));
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.store().open(inode.0, flags.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error.into()),
        }
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, flags: i32, reply: ReplyCreate) {
        match self.store().create((parent.0, name), mode, flags) {
            Ok((inode, found, handle)) => reply.created(
                &VALID,
                &attributes(inode, &found),
                GENERATION,
                FileHandle(handle),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(error) => reply.error(error.into()),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.store().read(handle.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (written, len) = (self.store().write(handle.0, offset, bytes), bytes.len() as u32);
        self.slowness.answer(move || match written {
            Ok(()) => reply.written(len),
            Err(error) => reply.error(error.into()),
        });
    }

    /// Closing syncs nothing.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.store().close(handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.store().sync(inode.0);
        self.slowness.answer(move || answer_empty(reply, synced));
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.store().open_directory(inode.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(entries) = self.store().directory(handle.0) else { return reply.error(Errno::EBADF) };
        for (next, entry) in (1..).zip(entries.iter()).skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            if reply.add(INodeNo(entry.inode), next, kind_of(entry.kind), &entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.store().close_directory(handle.0);
        reply.ok();
    }

    /// Names are on the disk at once.
    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.store().needs_power();
        self.slowness.answer(move || answer_empty(reply, synced));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match statvfs(self.store().base()) {
            Ok(found) => reply.statfs(
                found.blocks(),
                found.blocks_free(),
                found.blocks_available(),
                found.files(),
                found.files_free(),
                found.block_size() as u32,
                found.name_max() as u32,
                found.fragment_size() as u32,
            ),
            Err(errno) => reply.error(Errno::from_i32(errno as i32)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        match mode {
            0 => answer_empty(reply, self.store().extend(handle.0, offset.saturating_add(length))),
            KEEP_SIZE => reply.ok(),
            _ => reply.error(Errno::EOPNOTSUPP),
        }
    }
}
