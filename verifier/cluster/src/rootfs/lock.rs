//! One at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use delivery_broker::InstallError;

/// Longest wait for another run: longer than it may take.
const LIMIT: Duration = Duration::from_secs(45 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Takes the lock, waiting for whoever has it. It is let go of with the file, however this process ends.
///
/// # Errors
/// The system's, or nobody let go of it in time.
pub(super) fn take(path: &Path, progress: &mut dyn FnMut(&str)) -> Result<File, InstallError> {
    let failed = |cause: String| InstallError::Failed {
        what: format!("locking {}", path.display()),
        cause,
        remedy: String::from("End the other `verify rootfs`, or set VERIFY_CACHE_DIR to a directory on a local disk."),
    };
    let file = File::create(path).map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
            Err(TryLockError::WouldBlock) if started.elapsed() > LIMIT => {
                return Err(failed(format!("it was still held after {} minutes", LIMIT.as_secs() / 60)));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            progress("another `verify rootfs` is making it; waiting for its end");
            told = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn the_second_waits_for_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let mut first = Some(take(&path, &mut |_| {}).unwrap());
        let mut told = Vec::new();
        let second = take(&path, &mut |line| {
            told.push(line.to_owned());
            drop(first.take());
        });
        assert!(second.is_ok());
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
