//! The programs the backend calls, with a limit on how long they may take.

use std::env;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ClusterError;
use crate::process::{Place, start_in};

/// Longest time a call may take; a usual one takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);
/// Searched after `PATH`: a plain user's often lacks them.
const SYSTEM_DIRECTORIES: [&str; 5] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// A program from a distribution's package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: &'static str,
    /// Debian's package.
    pub(crate) package: &'static str,
}

/// Makes links and addresses.
pub(crate) const IP: Tool = Tool { name: "ip", package: "iproute2" };
/// Sets queueing disciplines.
pub(crate) const TC: Tool = Tool { name: "tc", package: "iproute2" };
/// Sets packet filters.
pub(crate) const NFT: Tool = Tool { name: "nft", package: "nftables" };

impl Tool {
    /// Finds the program.
    ///
    /// # Errors
    /// When it is nowhere: the package to install.
    pub(crate) fn find(self) -> Result<PathBuf, ClusterError> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
            .map(|directory| directory.join(self.name))
            .find(|candidate| candidate.is_absolute() && is_program(candidate))
            .ok_or(ClusterError::MissingTool { tool: self.name, package: self.package })
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Runs a program in `place` with `input` on its standard input; returns its standard output.
///
/// # Errors
/// Its standard error where it fails, or why it could not run.
pub(crate) fn run(program: &Path, arguments: &[&str], place: Place, input: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("LANGUAGE").env("LC_ALL", "C");
    start_in(&mut command, place);
    let name = program.display();
    let mut child = command.spawn().map_err(|error| format!("{name} could not be started: {error}"))?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|error| error.to_string())?);
    let input = input.to_owned();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended early says why by its exit code.
            let _ = stdin.write_all(input.as_bytes());
        }
        // Nobody listens any more after the limit.
        let _ = sender.send(child.wait_with_output());
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(Ok(output)) => judge(&name.to_string(), output),
        Ok(Err(error)) => Err(format!("{name} could not be waited for: {error}")),
        Err(_) => {
            // The thread reaps it; until then the number is its own.
            let _ = kill(pid, Signal::SIGKILL);
            Err(format!("{name} did not end within {} s and was killed", LIMIT.as_secs()))
        }
    }
}

fn judge(name: &str, output: Output) -> Result<String, String> {
    let standard_error = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = standard_error.trim();
    let said = if said.is_empty() { "it said nothing" } else { said };
    Err(format!("{name} ended with {}: {said}", output.status))
}

/// Runs `ip` on a batch of commands.
///
/// # Errors
/// What `ip` said, or that it is missing.
pub(crate) fn ip_batch(place: Place, action: &str, batch: &str) -> Result<(), ClusterError> {
    let program = IP.find()?;
    run(&program, &["-batch", "-"], place, batch)
        .map(drop)
        .map_err(|cause| ClusterError::Network { action: action.to_owned(), cause })
}

/// Runs `nft` with a script in a network namespace; returns what it printed.
///
/// # Errors
/// What `nft` said, or that it is missing.
pub(crate) fn nft(namespace: &Arc<OwnedFd>, arguments: &[&str], script: &str) -> Result<String, String> {
    let program = NFT.find().map_err(|error| error.to_string())?;
    run(&program, arguments, Place::network(namespace), script)
}
