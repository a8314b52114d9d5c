//! Starting nodes: files, preparing commands, the node itself; side by side, one step at a time.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use delivery_broker::{NodeCommand, NodeSpec};

use super::ClusterError;
use super::disks::{Disks, NodeDisks};
use super::log_file::{LineSearch, last_lines};
use super::node::{Node, describe, kill_group};
use super::rootfs::Root;
use crate::clock::FakeClock;
use crate::process::{Files, Place, start_in};

/// Longest time one preparing command may take.
const PREPARE_LIMIT: Duration = Duration::from_secs(120);
/// Pause between looks at the preparing commands.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the machines of nodes have.
#[derive(Clone, Copy)]
pub(super) struct MachineSetup<'a> {
    /// Disks.
    pub(super) disks: Disks,
    /// The library that lets them have clocks of their own.
    pub(super) clock_library: Option<&'a Path>,
}

/// Prepares and starts every node; on an error none of them runs. Nodes that are still being prepared when one that was
/// started ends are given up.
pub(super) fn start_all(
    specs: &[NodeSpec],
    places: Vec<Place>,
    hosts_file: &str,
    logs_dir: &Path,
    machines: MachineSetup<'_>,
    should_stop: &dyn Fn() -> bool,
) -> Result<Vec<Node>, ClusterError> {
    fs::create_dir_all(logs_dir).map_err(|source| ClusterError::Write { path: logs_dir.to_owned(), source })?;
    let mut starting = Vec::new();
    for (spec, place) in specs.iter().zip(places) {
        fs::create_dir_all(&spec.host.data_dir)
            .map_err(|source| ClusterError::Write { path: spec.host.data_dir.clone(), source })?;
        let refused = |source| ClusterError::Disk { node: spec.host.name.clone(), source };
        let MachineSetup { disks, clock_library } = machines;
        let bounded = disks.lay_bounded(&spec.host.data_dir).map_err(refused)?;
        write_files(spec)?;
        let clock = clock_library.map(|library| FakeClock::lay(library, &spec.host.data_dir)).transpose();
        let clock = clock.map_err(|source| ClusterError::Clock { node: spec.host.name.clone(), source })?;
        let disks = disks.lay_layered(&spec.host.data_dir, bounded).map_err(refused)?;
        let place = Place { files: files_of(spec, hosts_file)?, ..place };
        starting.push(Starting::new(spec, place, (disks, clock), logs_dir)?);
    }
    while starting.iter().any(|node| node.node.is_none()) {
        if should_stop() {
            return Err(ClusterError::Stopped);
        }
        for node in &mut starting {
            node.step()?;
        }
        if starting.iter_mut().filter_map(|node| node.node.as_mut()).any(Node::has_ended) {
            // The others may wait for it. What became of it is told when the nodes are polled.
            break;
        }
        if starting.iter().any(|node| node.node.is_none()) {
            std::thread::sleep(LOOK_EVERY);
        }
    }
    Ok(starting.iter_mut().filter_map(|node| node.node.take()).collect())
}

fn write_files(spec: &NodeSpec) -> Result<(), ClusterError> {
    let write = |path: &Path, source| ClusterError::Write { path: path.to_owned(), source };
    for file in &spec.files {
        let climbs = file.path.components().any(|part| part == std::path::Component::ParentDir);
        if climbs || !file.path.starts_with(&spec.host.data_dir) {
            return Err(ClusterError::Outside { node: spec.host.name.clone(), path: file.path.clone() });
        }
        if let Some(directory) = file.path.parent() {
            fs::create_dir_all(directory).map_err(|source| write(directory, source))?;
        }
        write_private(&file.path, &file.text).map_err(|source| write(&file.path, source))?;
    }
    Ok(())
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The root file system of a node that has one.
fn files_of(spec: &NodeSpec, hosts_file: &str) -> Result<Option<Files>, ClusterError> {
    let Some(tree) = &spec.rootfs else { return Ok(None) };
    let data_dir = &spec.host.data_dir;
    let refused = |source| ClusterError::Rootfs { node: spec.host.name.clone(), rootfs: tree.clone(), source };
    let directory = CString::new(data_dir.as_os_str().as_bytes()).map_err(|error| refused(error.into()))?;
    let mounts = Root { tree, data_dir, hosts: hosts_file }.make().map_err(refused)?;
    Ok(Some(Files { mounts, directory }))
}

/// A preparing command that runs.
struct Preparing {
    child: Child,
    program: String,
    started: Instant,
}

/// A node on its way up.
struct Starting<'a> {
    spec: &'a NodeSpec,
    place: Place,
    disks: NodeDisks,
    clock: Option<FakeClock>,
    log: PathBuf,
    left: VecDeque<&'a NodeCommand>,
    running: Option<Preparing>,
    node: Option<Node>,
}

impl<'a> Starting<'a> {
    fn new(
        spec: &'a NodeSpec,
        place: Place,
        (disks, clock): (NodeDisks, Option<FakeClock>),
        logs_dir: &Path,
    ) -> Result<Self, ClusterError> {
        let log = logs_dir.join(format!("{}.log", spec.host.name));
        File::create(&log).map_err(|source| ClusterError::Write { path: log.clone(), source })?;
        Ok(Self { spec, place, disks, clock, log, left: spec.prepare.iter().collect(), running: None, node: None })
    }

    /// Moves on if it can; never waits.
    fn step(&mut self) -> Result<(), ClusterError> {
        if self.node.is_some() || !self.is_idle()? {
            return Ok(());
        }
        match self.left.pop_front() {
            Some(command) => {
                let child = self.spawn(command)?;
                let program = command.program.display().to_string();
                self.running = Some(Preparing { child, program, started: Instant::now() });
            }
            None => self.node = Some(self.start_node()?),
        }
        Ok(())
    }

    /// Whether no preparing command runs any more. One that failed or takes too long is an error.
    fn is_idle(&mut self) -> Result<bool, ClusterError> {
        let Some(running) = &mut self.running else { return Ok(true) };
        let node = self.spec.host.name.clone();
        let program = running.program.clone();
        match running.child.try_wait() {
            Ok(Some(status)) => {
                self.running = None;
                if status.success() {
                    return Ok(true);
                }
                let last_lines = last_lines(&self.log);
                Err(ClusterError::Prepare { node, program, status: describe(status), last_lines })
            }
            Ok(None) if running.started.elapsed() < PREPARE_LIMIT => Ok(false),
            Ok(None) => {
                let limit_ms = u64::try_from(PREPARE_LIMIT.as_millis()).unwrap_or(u64::MAX);
                Err(ClusterError::PrepareTooLong { node, program, limit_ms, last_lines: last_lines(&self.log) })
            }
            Err(source) => Err(ClusterError::Start { program, host: node, source }),
        }
    }

    fn start_node(&mut self) -> Result<Node, ClusterError> {
        // It was prepared long ago, as it were.
        self.disks.settle();
        let (child, search) =
            start_command(self.spec, &self.spec.command, &self.place, &self.log, self.clock.as_ref())?;
        let node = Node::new(self.spec.clone(), self.place.clone(), self.log.clone(), child, search);
        Ok(node.on(std::mem::take(&mut self.disks), self.clock.take()))
    }

    fn spawn(&self, wanted: &NodeCommand) -> Result<Child, ClusterError> {
        spawn(self.spec, wanted, &self.place, &self.log, None)
    }
}

/// Starts the node itself, with a search for the line that says it is ready in what it writes from now on.
pub(super) fn start_command(
    spec: &NodeSpec,
    command: &NodeCommand,
    place: &Place,
    log: &Path,
    clock: Option<&FakeClock>,
) -> Result<(Child, LineSearch), ClusterError> {
    let write = |source| ClusterError::Write { path: log.to_owned(), source };
    // Only what the node itself writes can say that it is ready.
    let written_bytes = fs::metadata(log).map_err(write)?.len();
    let search = LineSearch::new(log, written_bytes, &spec.ready_line).map_err(write)?;
    Ok((spawn(spec, command, place, log, clock)?, search))
}

fn spawn(
    spec: &NodeSpec,
    wanted: &NodeCommand,
    place: &Place,
    log: &Path,
    clock: Option<&FakeClock>,
) -> Result<Child, ClusterError> {
    let write = |source| ClusterError::Write { path: log.to_owned(), source };
    let output = OpenOptions::new().append(true).open(log).map_err(write)?;
    let errors = output.try_clone().map_err(write)?;
    let mut command = Command::new(&wanted.program);
    command.args(&wanted.arguments).env_clear().envs(&wanted.environment);
    command.envs(clock.iter().flat_map(|clock| clock.environment()));
    command.current_dir(&spec.host.data_dir);
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    start_in(&mut command, place.clone());
    command.spawn().map_err(|source| ClusterError::Start {
        program: wanted.program.display().to_string(),
        host: spec.host.name.clone(),
        source,
    })
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            kill_group(&running.child);
            let _ = running.child.wait();
        }
        if let Some(node) = &mut self.node {
            node.kill();
            node.reap();
        }
    }
}
