//! What a node stores, taken from it as a new disk would.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use delivery_broker::{NodeCommand, NodeSpec};

use crate::processes::ProcessError;

/// Runs what prepares a node, and the node after it, in one process group that is told by the node's end alone.
const SHELL: &str = "/bin/sh";

/// Removes what a node has stored; how many bytes that were.
///
/// # Errors
/// A node that stores nothing apart, or as [`take`].
pub(super) fn wipe(spec: &NodeSpec) -> io::Result<u64> {
    let storage = spec.storage.as_ref().ok_or_else(|| refused("it stores nothing apart"))?;
    take(&spec.host.data_dir, storage)
}

/// Removes what is stored in a directory of a node's data directory; how many bytes that were.
///
/// # Errors
/// A path outside of the data directory or on another file system (nothing is removed through a mount), or the system's
/// refusal.
pub fn take(data_dir: &Path, storage: &Path) -> io::Result<u64> {
    let climbs = storage.components().any(|part| part == std::path::Component::ParentDir);
    if climbs || !storage.starts_with(data_dir) || storage == data_dir {
        return Err(refused("it stores outside of its data directory"));
    }
    let device = fs::symlink_metadata(data_dir)?.dev();
    let bytes = bytes_in(storage, device)?;
    fs::remove_dir_all(storage)?;
    Ok(bytes)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Bytes of all files in a directory; an error where something is mounted in it.
fn bytes_in(directory: &Path, device: u64) -> io::Result<u64> {
    let mut bytes = 0;
    let mut left: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path)?;
        if found.dev() != device {
            return Err(io::Error::new(io::ErrorKind::CrossesDevices, "something is mounted in it"));
        }
        if found.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// A command that prepares the node again and becomes it.
pub fn prepare_and_run(spec: &NodeSpec) -> NodeCommand {
    let mut script = String::new();
    for command in &spec.prepare {
        for (name, value) in &command.environment {
            script.push_str(&format!("{name}={} ", quoted(value)));
        }
        script.push_str(&format!("{} || exit\n", words(command)));
    }
    script.push_str(&format!("exec {}", words(&spec.command)));
    NodeCommand {
        program: PathBuf::from(SHELL),
        arguments: vec![String::from("-c"), script],
        environment: spec.command.environment.clone(),
    }
}

/// A command as words of a shell.
pub fn words(command: &NodeCommand) -> String {
    let program = quoted(&command.program.display().to_string());
    let arguments = command.arguments.iter().map(|argument| quoted(argument));
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What a node stored could not be taken from it.
pub fn not_wiped(whose: String, cause: &str) -> ProcessError {
    ProcessError { operation: "wipe what is stored by", whose, cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use delivery_broker::HostPlan;

    use super::*;

    fn spec(data_dir: &Path, storage: Option<PathBuf>) -> NodeSpec {
        let shell = |script: &str| NodeCommand {
            program: PathBuf::from(SHELL),
            arguments: vec![String::from("-c"), script.to_owned()],
            environment: BTreeMap::from([(String::from("WORD"), String::from("it's"))]),
        };
        NodeSpec {
            host: HostPlan { id: 1, name: "n1".into(), address: "198.18.0.1".into(), data_dir: data_dir.to_owned() },
            rootfs: None,
            files: Vec::new(),
            storage,
            prepare: vec![shell("echo \"$WORD\" prepared"), shell("echo 'twice  over'")],
            command: shell("echo runs"),
            ready_line: String::from("runs"),
            ready_limit_ms: 1,
            ports: Vec::new(),
            image: None,
        }
    }

    #[test]
    fn only_what_is_stored_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("n1");
        fs::create_dir_all(data_dir.join("log/topic-0")).unwrap();
        fs::write(data_dir.join("log/topic-0/0.log"), [0; 90]).unwrap();
        fs::write(data_dir.join("log/meta"), [0; 9]).unwrap();
        fs::write(data_dir.join("server.properties"), "kept").unwrap();
        std::os::unix::fs::symlink("../server.properties", data_dir.join("log/link")).unwrap();
        let bytes = wipe(&spec(&data_dir, Some(data_dir.join("log")))).unwrap();
        assert_eq!(bytes, 99 + "../server.properties".len() as u64);
        assert!(!data_dir.join("log").exists() && data_dir.join("server.properties").exists());
    }

    #[test]
    fn nothing_outside_of_its_directory_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("n1");
        fs::create_dir_all(directory.path().join("n2")).unwrap();
        fs::create_dir_all(&data_dir).unwrap();
        for storage in [None, Some(data_dir.clone()), Some(data_dir.join("../n2")), Some(directory.path().join("n2"))] {
            assert!(wipe(&spec(&data_dir, storage.clone())).is_err(), "{storage:?}");
        }
        assert!(directory.path().join("n2").exists() && data_dir.exists());
    }

    #[test]
    fn a_node_is_prepared_before_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let both = prepare_and_run(&spec(directory.path(), None));
        let output = Command::new(&both.program).args(&both.arguments).env_clear().envs(&both.environment).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "it's prepared\ntwice  over\nruns\n");
    }
}
