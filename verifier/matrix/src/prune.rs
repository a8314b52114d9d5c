//! Takes away what is not worth its space, and nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which runs keep their histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// Those that are surprising or inconclusive. Of the others the documents are kept, which is what tables are made of.
    Failing,
}

/// What stays of a run that is cut down.
const DOCUMENTS: [&str; 3] = ["run.json", "findings.json", "schedule.toml"];

/// Where the kernel lists this process's mounts.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Takes everything but its documents out of a run's directory.
///
/// # Errors
/// Where something is mounted in it, or it cannot be removed.
pub fn cut_down(run_dir: &Path) -> io::Result<()> {
    let run_dir = unmounted(run_dir)?;
    for entry in fs::read_dir(&run_dir)? {
        let entry = entry?;
        if DOCUMENTS.iter().any(|document| entry.file_name() == *document) {
            continue;
        }
        // A link to a directory is a link: it goes, and what it leads to stays.
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// Takes a run's directory away.
///
/// # Errors
/// Where something is mounted in it, or it cannot be removed.
pub fn remove(run_dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(unmounted(run_dir)?)
}

/// The directory, if it is no link and nothing is mounted in it: a recursive removal would go on through that.
fn unmounted(directory: &Path) -> io::Result<PathBuf> {
    if fs::symlink_metadata(directory)?.is_symlink() {
        return Err(io::Error::other(format!("{} is a link", directory.display())));
    }
    let directory = directory.canonicalize()?;
    // Elsewhere no run mounts anything.
    let mounts = if cfg!(target_os = "linux") { fs::read_to_string(MOUNTS)? } else { String::new() };
    match mounts.lines().filter_map(mount_point).find(|mount| mount.starts_with(&directory)) {
        None => Ok(directory),
        Some(mount) => Err(io::Error::other(format!("something is mounted at {}", mount.display()))),
    }
}

/// The fifth field of a line of mountinfo; blanks in it are written as octal numbers (proc(5)).
fn mount_point(line: &str) -> Option<PathBuf> {
    let field = line.split(' ').nth(4)?;
    let unescaped = field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    Some(PathBuf::from(unescaped))
}

/// Bytes of the files below a directory; links are not followed.
pub fn size_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size_bytes(&entry.path()),
        _ => entry.metadata().map_or(0, |metadata| metadata.len()),
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{cut_down, mount_point, remove, size_bytes};

    fn run_in(directory: &Path) -> std::path::PathBuf {
        let run = directory.join("run");
        fs::create_dir_all(run.join("history")).expect("the directory is ours");
        for file in ["run.json", "findings.json", "history/a.events", "index.html"] {
            fs::write(run.join(file), "text").expect("there is room");
        }
        run
    }

    #[test]
    fn documents_stay_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let run = run_in(directory.path());
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("kept"), "").unwrap();
        symlink(&elsewhere, run.join("history/link")).unwrap();
        symlink(&elsewhere, run.join("link")).unwrap();
        assert_eq!(size_bytes(&run) / 4, 4 + (elsewhere.as_os_str().len() as u64 * 2) / 4);
        cut_down(&run).unwrap();
        let mut left: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["findings.json", "run.json"]);
        assert!(elsewhere.join("kept").exists());
        remove(&run).unwrap();
        assert!(!run.exists() && elsewhere.join("kept").exists());
    }

    #[test]
    fn a_link_to_a_run_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let run = run_in(directory.path());
        let latest = directory.path().join("latest");
        symlink("run", &latest).unwrap();
        assert!(remove(&latest).is_err() && cut_down(&latest).is_err());
        assert!(run.join("history/a.events").exists());
    }

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        let line = "36 35 98:0 /mnt1 /mnt\\040two/x rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount_point(line).as_deref(), Some(Path::new("/mnt two/x")));
        assert_eq!(mount_point(""), None);
    }

    /// Every process has mounts below `/`; nothing of it is to be removed. `/proc` stands for them: it is refused as a mount.
    #[test]
    fn what_holds_a_mount_is_refused() {
        let error = super::unmounted(Path::new("/proc")).unwrap_err().to_string();
        assert!(error.starts_with("something is mounted at /proc"), "{error}");
    }
}
