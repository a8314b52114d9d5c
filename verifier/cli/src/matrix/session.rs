//! The process that makes runs of real clusters, seen from the matrix.
//!
//! It is this very program again, encloses itself once, and keeps a cluster for the next run that wants the same. It ends
//! with the matrix, whatever becomes of that: when the matrix closes its input, and by a signal when the matrix dies.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use delivery_runner::Interrupts;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use super::protocol::{Opening, Order, Reply, Told};

/// Its subcommand.
const SUBCOMMAND: &str = "matrix-runs";
/// Between two looks at whether somebody asked to stop, milliseconds.
const LOOK_MS: u8 = 200;
/// How long it may take to end its cluster and itself.
const END_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at whether it ended.
const END_LOOK: Duration = Duration::from_millis(20);

/// A process that makes runs; it ends when this is dropped.
pub(super) struct Session {
    child: Child,
    /// Nothing once it is to end.
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

/// What an order came to.
#[derive(Debug)]
pub(super) struct Answer {
    /// Name of the run's directory, where it got that far.
    pub(super) run_id: Option<String>,
    pub(super) told: Told,
    /// The process is gone.
    pub(super) lost: bool,
}

impl Session {
    /// Starts the process.
    pub(super) fn start(opening: &Opening) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C of the terminal is for the matrix, which hands it on.
            .process_group(0)
            .spawn()?;
        let (Some(orders), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process was started without its pipes"));
        };
        let mut session = Self { child, orders: Some(orders), replies: BufReader::new(replies) };
        session.tell(opening)?;
        Ok(session)
    }

    fn tell(&mut self, what: &impl Serialize) -> io::Result<()> {
        let Some(orders) = &mut self.orders else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut line = serde_json::to_string(what)?;
        line.push('\n');
        orders.write_all(line.as_bytes())
    }

    /// Has a run made. Whoever asks to stop meanwhile asks the run.
    pub(super) fn run(&mut self, order: &Order, interrupts: &Interrupts) -> Answer {
        let mut answer = Answer { run_id: None, told: Told::default(), lost: false };
        if let Err(error) = self.tell(order) {
            return Answer {
                told: Told::trouble(format!("the process of the runs is gone: {error}")),
                lost: true,
                ..answer
            };
        }
        loop {
            match self.reply(interrupts) {
                Some(Reply::Began(run_id)) => answer.run_id = Some(run_id),
                Some(Reply::Ended(told)) => return Answer { told, ..answer },
                None => {
                    let told = Told::trouble(String::from(
                        "the process that made the run ended before it: it was over its limit, or killed",
                    ));
                    return Answer { told, lost: true, ..answer };
                }
            }
        }
    }

    /// The next line; nothing where none will come.
    fn reply(&mut self, interrupts: &Interrupts) -> Option<Reply> {
        while self.replies.buffer().is_empty() {
            for _ in 0..interrupts.take() {
                // Who is gone needs no signal.
                let _ = kill(self.pid(), Signal::SIGINT);
            }
            let mut watched = [PollFd::new(self.replies.get_ref().as_fd(), PollFlags::POLLIN)];
            if poll(&mut watched, PollTimeout::from(LOOK_MS)).is_ok_and(|ready| ready > 0) {
                break;
            }
        }
        let mut line = String::new();
        let read = self.replies.read_line(&mut line).ok()?;
        if read == 0 { None } else { serde_json::from_str(&line).ok() }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.orders.take());
        let until = Instant::now() + END_LIMIT;
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(END_LOOK),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
