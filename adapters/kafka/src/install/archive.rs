//! A class-data archive beside the jars: three JVMs that share it start in half the time.
//!
//! Made once, by running a single node on a loopback address until it is ready and ending it
//! politely. Never needed: whatever goes wrong, nodes start without it.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use delivery_broker::{ClusterPlan, HostPlan, Installation, NodeCommand, NodeSpec, Timings};

use crate::client_config::CLIENT_PORT;
use crate::node;
use crate::peers::CONTROLLER_PORT;
use delivery_broker::leash::{END, leashed};
use delivery_broker::leftovers;

/// The first Java that can make such an archive as a program ends.
const OLDEST_JAVA: u32 = 13;
/// Longest time for the node to end, which is when the archive is written.
const END_LIMIT: Duration = Duration::from_secs(60);
/// Longest time for formatting one node's storage.
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Where the archive of an installation stands, made or not: another Java has another one.
pub(crate) fn path(installation: &Installation) -> PathBuf {
    let runtime = &installation.runtime;
    let modules = runtime.parent().and_then(Path::parent).map(|home| home.join("lib/modules"));
    let identity = modules.and_then(|modules| fs::metadata(modules).ok()).map(|metadata| {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!("{} {:?}", metadata.len(), modified)
    });
    let key = crc32c::crc32c(format!("{} {identity:?}", runtime.display()).as_bytes());
    installation.home.join(format!("classes-{key:08x}.jsa"))
}

/// Makes the archive where there is none. A failure is told once and not tried again.
pub(super) fn make(installation: &Installation, java_major: u32, progress: &mut dyn FnMut(&str)) {
    let archive = path(installation);
    let failed_before = archive.with_extension("failed");
    if java_major < OLDEST_JAVA || archive.exists() || failed_before.exists() {
        return;
    }
    progress("making a class archive, so that nodes start faster (once, about 15 s)");
    if let Err(cause) = run_one_node(installation, &archive) {
        progress(&format!("no class archive ({cause}): nodes start without it"));
        // Best effort: without the mark the next run tries again.
        let _ = fs::write(failed_before, cause);
    }
}

fn run_one_node(installation: &Installation, archive: &Path) -> Result<(), String> {
    leftovers::sweep(&installation.home, ".archive-");
    let directory = tempfile::Builder::new().prefix(".archive-").tempdir_in(&installation.home);
    let directory = directory.map_err(|error| error.to_string())?;
    let node = describe(installation, directory.path())?;
    fs::create_dir_all(&node.host.data_dir).map_err(|error| error.to_string())?;
    for file in &node.files {
        fs::write(&file.path, &file.text).map_err(|error| error.to_string())?;
    }
    for step in &node.prepare {
        let child = command(step, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut formatting = Running(child.map_err(|error| error.to_string())?);
        if !formatting.wait(FORMAT_LIMIT)?.success() {
            return Err(String::from("the storage could not be formatted"));
        }
    }
    let made = directory.path().join("classes.jsa");
    let log = directory.path().join("node.log");
    let output = File::create(&log).map_err(|error| error.to_string())?;
    let mut running = Running(
        command(&node.command, &[format!("-XX:ArchiveClassesAtExit={}", made.display())])
            .stderr(output.try_clone().map_err(|error| error.to_string())?)
            .stdout(output)
            .spawn()
            .map_err(|error| error.to_string())?,
    );
    running.wait_until_ready(&log, &node)?;
    running.end()?;
    fs::rename(&made, archive).map_err(|error| format!("none was written: {error}"))
}

fn describe(installation: &Installation, directory: &Path) -> Result<NodeSpec, String> {
    let address = free_address().ok_or_else(|| String::from("no loopback address is free"))?;
    let host = HostPlan {
        id: 1,
        name: String::from("archive"),
        address: address.to_string(),
        data_dir: directory.join("node"),
    };
    let run_id = String::from("archive");
    let plan = ClusterPlan {
        nodes: vec![host],
        controllers: Vec::new(),
        config: Default::default(),
        timings: Timings::Vendor,
        run_id,
    };
    let mut nodes = node::nodes(&plan, installation).map_err(|error| error.to_string())?;
    nodes.pop().ok_or_else(|| String::from("no node was described"))
}

/// A loopback address on which both ports of a node are free.
fn free_address() -> Option<IpAddr> {
    let seed = std::process::id().to_le_bytes();
    (1..=20).find_map(|last| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 100 + seed[1] % 100, seed[0], last));
        let free = [CLIENT_PORT, CONTROLLER_PORT].iter().all(|port| TcpListener::bind((address, *port)).is_ok());
        free.then_some(address)
    })
}

fn command(described: &NodeCommand, first: &[String]) -> Command {
    let mut command = leashed(&described.program, first.iter().chain(&described.arguments));
    command.env_clear().envs(&described.environment);
    command
}

/// A node that is gone when this is.
struct Running(Child);

impl Running {
    fn wait_until_ready(&mut self, log: &Path, node: &NodeSpec) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_millis(node.ready_limit_ms);
        while !fs::read_to_string(log).unwrap_or_default().contains(&node.ready_line) {
            if let Some(status) = self.0.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the node ended by itself, {status}"));
            }
            if Instant::now() >= deadline {
                return Err(String::from("the node was not ready in time"));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Asks the node to end, which writes the archive as it does.
    fn end(&mut self) -> Result<(), String> {
        let leash = self.0.stdin.as_mut().ok_or_else(|| String::from("the node is off its leash"))?;
        leash.write_all(END).map_err(|error| error.to_string())?;
        self.wait(END_LIMIT).map(drop)
    }

    /// `Child::wait` under a limit, and without letting go of the leash.
    fn wait(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(format!("a program did not end within {} s", limit.as_secs()));
            }
            sleep(PAUSE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Off the leash it is killed: there is nothing to wait for but its end.
        let _ = self.wait(END_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::Installation;

    use super::{free_address, make, path};

    fn installation(home: PathBuf, runtime: &str) -> Installation {
        Installation {
            rootfs: None,
            home,
            version: String::from("4.1.1"),
            runtime: PathBuf::from(runtime),
            image: None,
        }
    }

    #[test]
    fn each_java_has_an_archive_of_its_own() {
        let home = PathBuf::from("/opt/kafka");
        let one = path(&installation(home.clone(), "/opt/java-17/bin/java"));
        assert_eq!(one, path(&installation(home.clone(), "/opt/java-17/bin/java")));
        assert_ne!(one, path(&installation(home.clone(), "/opt/java-21/bin/java")));
        assert!(one.starts_with(home));
    }

    #[test]
    fn a_failure_is_told_and_not_tried_again() {
        let home = tempfile::tempdir().unwrap();
        let broken = installation(home.path().to_owned(), "/nonexistent/java");
        let mut told = Vec::new();
        make(&broken, 17, &mut |line| told.push(line.to_owned()));
        assert_eq!(told.len(), 2, "{told:?}");
        make(&broken, 17, &mut |line| told.push(line.to_owned()));
        make(&broken, 11, &mut |line| told.push(line.to_owned()));
        assert_eq!(told.len(), 2);
        assert!(!path(&broken).exists());
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "only the mark stays");
    }

    #[test]
    fn a_loopback_address_is_found() {
        assert!(free_address().is_some_and(|address| address.is_loopback()));
    }
}
