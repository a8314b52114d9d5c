//! Passwords that nobody may find anywhere.

use std::fs;

use super::stage::{Ended, Stage};

/// The right one.
pub(crate) const PASSWORD: &str = "wolpertinger-4711";
/// A wrong one is somebody's, too.
pub(crate) const WRONG: &str = "wrong-password-1";

/// Nothing that the run wrote or said, and nothing any process showed since the last call, holds a password.
pub(crate) fn keeps_the_secret(stage: &Stage, ended: &Ended) {
    let mut texts = vec![ended.stdout.clone(), ended.stderr.clone()];
    let mut folders = vec![ended.out.clone(), stage.directory.join("cache")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    texts.push(String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned())
                }
                _ => {}
            }
        }
    }
    let seen = stage.seen();
    assert!(seen.iter().any(|line| line.contains("__worker")) || ended.code == Some(4), "nobody looked at a worker");
    texts.extend(seen);
    let is_told = |text: &String| [PASSWORD, WRONG].iter().any(|secret| text.contains(secret));
    assert!(!texts.iter().any(is_told), "a password was found: {}", ended.told());
}
