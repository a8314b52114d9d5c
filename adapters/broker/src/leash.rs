//! Programs that end when this one does, however it ends.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Runs the program that its arguments name until it ends. A line on standard input asks the
/// program to end (SIGTERM); when standard input ends, it is killed. Standard input is a pipe from
/// the caller, which closes when the caller lets go of it or dies, even by SIGKILL. A job in the
/// background has none by default.
const SCRIPT: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r _ <&3 && kill "$program"; cat <&3; kill -9 "$program") >/dev/null 2>&1 &
exec 3<&-
wait "$program""#;
/// The line that asks the program to end.
pub const END: &[u8] = b"end\n";

/// A command whose child, once started with its standard input still piped, ends when that pipe
/// closes. Its exit status is the program's.
pub fn leashed<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(program).args(arguments).stdin(Stdio::piped());
    command
}

/// Lines of output kept for an error.
const TAIL_LINES: usize = 12;

/// Runs a [`leashed`] command to its end, with both its outputs in one. `keep` is given every line and says whether it is
/// worth keeping for an error. Returns how it ended and the last lines that were kept.
///
/// # Errors
/// In words: it cannot be started, or had not ended after `limit`; it is then ended.
pub fn follow(
    mut command: Command,
    limit: Duration,
    keep: &mut dyn FnMut(&str) -> bool,
) -> Result<(ExitStatus, VecDeque<String>), String> {
    let in_words = |error: io::Error| error.to_string();
    let (output, input) = io::pipe().map_err(in_words)?;
    command.stdout(input.try_clone().map_err(in_words)?).stderr(input);
    let mut child = command.spawn().map_err(in_words)?;
    // Its ends of the pipe would keep the output from ending.
    drop(command);
    let tail = read_lines(&mut child, output, limit, keep);
    // Its output has ended, so it has, too: `wait` lets go of the leash.
    let status = child.wait().map_err(in_words)?;
    Ok((status, tail?))
}

/// Reads to the end of the output. The thread that reads ends before this returns.
fn read_lines(
    child: &mut Child,
    output: PipeReader,
    limit: Duration,
    keep: &mut dyn FnMut(&str) -> bool,
) -> Result<VecDeque<String>, String> {
    let deadline = Instant::now() + limit;
    std::thread::scope(|scope| {
        let (sender, lines) = channel();
        scope.spawn(move || send_lines(output, &sender));
        let mut tail = VecDeque::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if keep(&line) => {
                    tail.push_back(line);
                    if tail.len() > TAIL_LINES {
                        tail.pop_front();
                    }
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(tail),
                Err(RecvTimeoutError::Timeout) => {
                    // Off the leash it ends, and with it its output and the reading thread.
                    drop(child.stdin.take());
                    return Err(format!("no end after {} minutes", limit.as_secs() / 60));
                }
            }
        }
    })
}

fn send_lines(output: PipeReader, sender: &Sender<String>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { break };
        if sender.send(line).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::time::Duration;

    use super::{END, follow, leashed};

    #[test]
    fn the_last_lines_worth_keeping_come_back() {
        let script = "echo first; echo noise; for n in 1 2 3 4 5 6 7 8 9 10 11; do echo $n >&2; done; exit 3";
        let command = leashed(Path::new("/bin/sh"), ["-c", script]);
        let (status, tail) = follow(command, Duration::from_secs(60), &mut |line| line != "noise").unwrap();
        assert_eq!((status.code(), tail.len(), tail[0].as_str()), (Some(3), 12, "first"));
    }

    #[test]
    fn what_does_not_end_in_time_is_ended() {
        let command = leashed(Path::new("/bin/sleep"), ["1000"]);
        assert!(follow(command, Duration::ZERO, &mut |_| true).unwrap_err().contains("no end after 0 minutes"));
    }

    #[test]
    fn the_programs_status_comes_through() {
        let mut child = leashed(Path::new("/bin/sh"), ["-c", "exit 7"]).spawn().unwrap();
        let _pipe = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn the_program_ends_when_the_pipe_closes() {
        let mut child = leashed(Path::new("/bin/sleep"), ["1000"]).spawn().unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    }

    #[test]
    fn a_line_asks_it_to_end() {
        let mut child = leashed(Path::new("/bin/sleep"), ["1000"]).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(END).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    }
}
