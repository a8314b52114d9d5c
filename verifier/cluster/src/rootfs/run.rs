//! Calls of the distribution's tools, which end with this program however it ends.

use std::collections::VecDeque;
use std::process::Command;
use std::time::Duration;

use delivery_broker::InstallError;
use delivery_broker::leash::{self, leashed};

use crate::local::tools::Tool;

/// Longest time for one call, on a slow line.
const LIMIT: Duration = Duration::from_secs(20 * 60);

const TOOLS: [Tool; 3] = [
    Tool { name: "apt-get", package: "apt" },
    Tool { name: "apt-config", package: "apt" },
    Tool { name: "dpkg-deb", package: "dpkg" },
];

fn tool(name: &str) -> Result<std::path::PathBuf, InstallError> {
    let missing = || InstallError::Missing {
        what: format!("the program `{name}` is missing, and root file systems are made of Debian's packages"),
        remedy: String::from("Make them on Debian or Ubuntu, or use one made there with --rootfs DIR."),
    };
    let tool = TOOLS.iter().find(|tool| tool.name == name).ok_or_else(missing)?;
    tool.find().map_err(|_| missing())
}

/// What a tool that takes no time prints.
///
/// # Errors
/// It is missing or fails.
pub(super) fn output(name: &str, arguments: &[&str]) -> Result<String, InstallError> {
    let failed = |cause: String| InstallError::Failed {
        what: format!("`{name} {}`", arguments.first().unwrap_or(&"")),
        cause,
        remedy: String::from("Its own message says why; `apt-get update` must work on this machine first."),
    };
    let done = Command::new(tool(name)?).args(arguments).env("LC_ALL", "C").output();
    let done = done.map_err(|error| failed(error.to_string()))?;
    if !done.status.success() {
        return Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs a tool to its end and hands on its lines.
///
/// # Errors
/// What it said is wrong; all of its last lines where it says nothing.
pub(super) fn follow(
    name: &str,
    arguments: &[&str],
    configure: impl FnOnce(&mut Command),
    on_line: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let program = tool(name).map_err(|error| error.to_string())?;
    let mut command = leashed(&program, arguments);
    command.env("LC_ALL", "C");
    configure(&mut command);
    let (status, tail) = leash::follow(command, LIMIT, &mut |line| {
        on_line(line);
        true
    })?;
    if status.success() { Ok(()) } else { Err(errors_in(&tail)) }
}

/// The lines that say what is wrong, or all of them.
fn errors_in(tail: &VecDeque<String>) -> String {
    let wrong = |line: &&String| ["E: ", "Err:", "dpkg-deb: error"].iter().any(|start| line.starts_with(start));
    let errors: Vec<&str> = tail.iter().filter(wrong).map(String::as_str).collect();
    let told = if errors.is_empty() { tail.iter().map(String::as_str).collect() } else { errors };
    told.join("\n").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{follow, output};

    #[test]
    fn a_tools_own_words_come_back() {
        if super::tool("dpkg-deb").is_err() {
            println!("skipped: no dpkg-deb here");
            return;
        }
        let mut lines = Vec::new();
        let told = follow("dpkg-deb", &["-x", "/nonexistent.deb", "/nonexistent"], |_| {}, &mut |line| {
            lines.push(line.to_owned())
        });
        assert!(told.unwrap_err().contains("/nonexistent.deb"));
        assert!(!lines.is_empty());
        assert!(output("dpkg-deb", &["--version"]).unwrap().contains("dpkg-deb"));
        assert!(output("rm", &[]).unwrap_err().to_string().contains("`rm` is missing"), "only known tools are called");
    }
}
