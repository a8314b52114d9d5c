//! The machine as seen from outside of a run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest time any condition is waited for; reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run must leave as it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    rules: String,
    queues: String,
    links: String,
    mounts: Vec<String>,
}

impl Machine {
    /// As it is now.
    pub(crate) fn look() -> Self {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        Self {
            rules: said("nft", &["list", "ruleset"]),
            queues: said("tc", &["qdisc", "show"]),
            links: said("ip", &["-brief", "link", "show"]),
            mounts: mounts(),
        }
    }
}

/// Where something is mounted, as this process sees it.
fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
}

/// Whether something is mounted in or over a directory.
pub(crate) fn has_mount_below(directory: &Path) -> bool {
    mounts().iter().any(|place| Path::new(place).starts_with(directory))
}

/// Everything a run holds while it is on: its processes, their namespaces and control groups.
#[derive(Debug)]
pub(crate) struct Traces {
    processes: BTreeSet<(u32, String)>,
    namespaces: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

impl Traces {
    /// Of a process with all that descend from it. What this process shares with them is none of theirs.
    pub(crate) fn of(ancestor: u32) -> Self {
        let mut pids = vec![ancestor];
        let mut at = 0;
        while let Some(pid) = pids.get(at).copied() {
            pids.extend(children(pid));
            at += 1;
        }
        let own = (namespaces_of(std::process::id()), cgroups_of(std::process::id()));
        let all = |of: fn(u32) -> BTreeSet<String>| pids.iter().flat_map(|pid| of(*pid)).collect::<BTreeSet<_>>();
        Self {
            processes: pids.iter().filter_map(|pid| Some((*pid, started(*pid)?))).collect(),
            namespaces: &all(namespaces_of) - &own.0,
            cgroups: &all(cgroups_of) - &own.1,
        }
    }

    /// How many namespaces are its own.
    pub(crate) fn namespaces(&self) -> usize {
        self.namespaces.len()
    }

    /// Waits until no process of it is left, nobody is in or holds a namespace of it, and its control groups are gone.
    pub(crate) fn wait_until_gone(&self, label: &str) {
        let start = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{label}: still there: {left:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // What started it is over for a number that was given again.
            if started(pid).is_some_and(|start| self.processes.contains(&(pid, start))) {
                left.push(format!("process {pid}"));
            }
            left.extend(namespaces_of(pid).intersection(&self.namespaces).map(|held| format!("{held} by {pid}")));
        }
        let groups = self.cgroups.iter().filter(|group| Path::new("/sys/fs/cgroup").join(group).exists());
        left.extend(groups.cloned());
        left
    }
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    listed.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// When it started, in ticks since the machine did; nothing where it has ended.
fn started(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    (*fields.first()? != "Z").then(|| fields.get(19).copied().map(str::to_owned)).flatten()
}

/// Namespaces a process is in, and those it holds open.
fn namespaces_of(pid: u32) -> BTreeSet<String> {
    let listed = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).into_iter().flatten().flatten();
    let links = listed("ns").chain(listed("fd")).filter_map(|entry| fs::read_link(entry.path()).ok());
    let names = links.filter_map(|link| link.to_str().map(str::to_owned));
    let kinds = ["net:[", "mnt:[", "pid:[", "uts:[", "ipc:[", "user:[", "cgroup:[", "time:["];
    names.filter(|name| kinds.iter().any(|kind| name.starts_with(kind))).collect()
}

fn cgroups_of(pid: u32) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let groups = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    groups.map(|group| group.trim_start_matches('/').to_owned()).collect()
}
