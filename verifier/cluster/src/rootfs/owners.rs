//! Whose files a root file system has.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use delivery_broker::ConfigError;
use nix::unistd::geteuid;

use crate::enclosure::facts::is_privileged;

/// More than any root file system has.
const MAX_ENTRIES: u64 = 5_000_000;

/// Whether the namespace of a run can show every file of the tree with its owner: a plain user's
/// knows that user alone. Root's knows everybody.
///
/// # Errors
/// The first file of another owner, or what keeps from looking.
pub fn check_owners(tree: &Path) -> Result<(), ConfigError> {
    if is_privileged() { Ok(()) } else { check(tree, geteuid().as_raw()) }
}

fn check(tree: &Path, user: u32) -> Result<(), ConfigError> {
    let refused = |path: &Path, reason: String| ConfigError::File { path: path.to_owned(), reason };
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| refused(&path, format!("cannot be read: {error}"))
    };
    let mut left = vec![tree.to_owned()];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        seen += 1;
        if found.uid() != user {
            return Err(refused(
                &path,
                format!(
                    "it belongs to user {}, whom the namespace of user {user} cannot map. Make a root file system of your own (`verify rootfs`), or run as root",
                    found.uid()
                ),
            ));
        }
        if seen > MAX_ENTRIES {
            return Err(refused(tree, format!("it has more than {MAX_ENTRIES} files: this is no root file system")));
        }
        if found.is_dir() {
            for entry in fs::read_dir(&path).map_err(unreadable(&path))? {
                left.push(entry.map_err(unreadable(&path))?.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::unistd::geteuid;

    use super::check;

    #[test]
    fn a_file_of_another_owner_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("etc/passwd");
        fs::create_dir(directory.path().join("etc")).unwrap();
        fs::write(&file, "").unwrap();
        let user = geteuid().as_raw();
        check(directory.path(), user).unwrap();
        let error = check(directory.path(), user + 1).unwrap_err().to_string();
        assert!(error.contains(&format!("user {user}, whom the namespace of user {}", user + 1)), "{error}");
        if geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
            let error = check(directory.path(), user).unwrap_err().to_string();
            assert!(error.contains("etc/passwd") && error.contains("user 12345"), "{error}");
        }
    }
}
