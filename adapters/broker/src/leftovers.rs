//! What a killed run left in the cache.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Nothing that is being made takes this long.
const STALE_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

/// Removes directories in `directory` whose name starts with `prefix` and that nobody can still be
/// working on. Best effort: what cannot be removed only takes room.
pub fn sweep(directory: &Path, prefix: &str) {
    sweep_older_than(directory, prefix, STALE_AFTER);
}

fn sweep_older_than(directory: &Path, prefix: &str, limit: Duration) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if ours && age.is_some_and(|age| age >= limit) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{sweep, sweep_older_than};

    #[test]
    fn only_stale_directories_of_ours_go() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".partial-x", "4.1.1"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        sweep(directory.path(), ".partial-");
        assert!(directory.path().join(".partial-x").exists(), "somebody may be working on it");
        sweep_older_than(directory.path(), ".partial-", Duration::ZERO);
        assert!(!directory.path().join(".partial-x").exists());
        assert!(directory.path().join("4.1.1").exists());
    }
}
