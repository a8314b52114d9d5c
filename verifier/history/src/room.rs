//! Room on the disk and in memory for what is written through a memory map: by the system, since each has ways of its own.

use std::fs::File;
use std::io;

use memmap2::MmapRaw;

/// Takes `length` bytes from `offset` on the disk: a sparse file dies of SIGBUS on a full one.
#[cfg(target_os = "linux")]
pub(crate) fn take(file: &File, offset: u64, length: usize) -> io::Result<()> {
    Ok(nix::fcntl::posix_fallocate(file, offset as i64, length as i64)?)
}

/// As on Linux, by writing zeros: macOS has no `posix_fallocate`, and ZFS refuses it. Where a file system writes every change
/// to a new place (ZFS, APFS under a snapshot), nothing that is taken beforehand is a promise.
#[cfg(not(target_os = "linux"))]
pub(crate) use fill as take;

/// Faults the pages in for writing (Linux 5.14); where the kernel knows it not, events fault them in.
#[cfg(target_os = "linux")]
pub(crate) fn fault_in(map: &MmapRaw) {
    let _ = map.advise(memmap2::Advice::PopulateWrite);
}

/// Pages that were just written are in memory already.
#[cfg(not(target_os = "linux"))]
pub(crate) fn fault_in(_map: &MmapRaw) {}

/// Writes `length` zeros from `offset`. Nobody else may use the file's position.
#[cfg(any(test, not(target_os = "linux")))]
pub(crate) fn fill(mut file: &File, offset: u64, length: usize) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};

    file.seek(io::SeekFrom::Start(offset))?;
    io::copy(&mut io::repeat(0).take(length as u64), &mut file).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn either_way_the_room_is_really_taken_and_reads_as_zeros() {
        const BYTES: usize = 256 << 10;
        let directory = tempfile::tempdir().unwrap();
        for (name, take) in [("taken", take as fn(&File, u64, usize) -> io::Result<()>), ("filled", fill)] {
            let path = directory.path().join(name);
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
            take(&file, 0, BYTES).unwrap();
            take(&file, BYTES as u64, 2 * BYTES).unwrap();
            let found = file.metadata().unwrap();
            assert_eq!(found.len(), 3 * BYTES as u64, "{name}");
            assert!(found.blocks() * 512 >= found.len(), "{name}: {} blocks", found.blocks());
            assert!(std::fs::read(&path).unwrap().iter().all(|byte| *byte == 0), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_is_full_says_so_before_anything_is_mapped() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = fill(&full, 0, 4_096).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
