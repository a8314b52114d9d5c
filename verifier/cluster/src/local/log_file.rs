//! A node's log: written by the node itself, followed by us.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines kept of a log for an error.
const LAST_LINES: usize = 20;
/// Bytes at the end of a log in which the last lines are looked for.
const END_BYTES: u64 = 16 * 1024;
/// Longest part of a line that is kept or searched.
const LINE_BYTES: usize = 64 * 1024;
/// Bytes read in one poll, so that a chatty node does not hold up the run.
const POLL_BYTES: u64 = 1024 * 1024;

/// Looks for a text in the lines of a growing file.
pub struct LineSearch {
    file: File,
    wanted: Vec<u8>,
    line: Vec<u8>,
}

impl LineSearch {
    /// Searches what is written to `path` after its first `skip_bytes`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(path: &Path, skip_bytes: u64, wanted: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(skip_bytes))?;
        Ok(Self { file, wanted: wanted.as_bytes().to_vec(), line: Vec::new() })
    }

    /// Reads what is new; true once a line (ended or not) holds the text.
    pub fn poll(&mut self) -> bool {
        let mut fresh = Vec::new();
        // A read that fails finds nothing, and the node's time limit says so.
        let _ = self.file.by_ref().take(POLL_BYTES).read_to_end(&mut fresh);
        for piece in fresh.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if contains(&self.line, &self.wanted) {
                return true;
            }
            if piece.ends_with(b"\n") {
                self.line.clear();
            }
        }
        false
    }
}

fn contains(line: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || line.windows(wanted.len()).any(|part| part == wanted)
}

/// The last lines of a log; none when it cannot be read.
pub fn last_lines(path: &Path) -> Vec<String> {
    read_end(path).map(|(text, cut)| split_last_lines(&text, cut)).unwrap_or_default()
}

/// The end of the file, and whether its first line is torn.
fn read_end(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(END_BYTES).read_to_end(&mut text)?;
    Ok((text, start > 0))
}

fn split_last_lines(text: &[u8], torn: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().skip(usize::from(torn && text.contains('\n'))).collect();
    // Indented lines go on with the one before (a stack trace): the reason stands in that one.
    let begun: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with(char::is_whitespace)).collect();
    let lines = if begun.is_empty() { lines } else { begun };
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_found_however_it_arrives_and_not_in_what_was_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.log");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"server started\n").unwrap();
        let mut search = LineSearch::new(&path, 15, "server started").unwrap();
        assert!(!search.poll());
        file.write_all(b"the server st").unwrap();
        assert!(!search.poll());
        file.write_all(b"arted now\n").unwrap();
        assert!(search.poll());
    }

    #[test]
    fn a_text_is_not_put_together_from_two_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.log");
        let mut file = File::create(&path).unwrap();
        let mut search = LineSearch::new(&path, 0, "ab").unwrap();
        file.write_all(b"a\nb\n").unwrap();
        assert!(!search.poll());
    }

    #[test]
    fn the_last_lines_are_few_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.log");
        let text: String = (0..5_000).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        let lines = last_lines(&path);
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[LAST_LINES - 1], "line 4999");
        assert!(last_lines(&directory.path().join("none.log")).is_empty());
        let trace: String = (0..100).map(|frame| format!("\tat frame {frame}\n")).collect();
        std::fs::write(&path, format!("no space left\n{trace}halted\n")).unwrap();
        assert_eq!(last_lines(&path), ["no space left", "halted"]);
    }
}
