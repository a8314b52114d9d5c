//! What removes everything a run made, however the run ends: a process of its own, in a session of its own, that waits
//! for the end of a pipe from `verify`.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::protocol::REAPER_ARGUMENT;

/// The label with the run's name on everything that is the run's.
pub(crate) const LABEL: &str = "delivery-verifier.run";
/// What the reaper says once it waits.
const WAITS: &str = "waits";
/// What it is told where the run has made its last request: nothing more can appear.
const LAST: &[u8] = b"last\n";
/// Looks in a row that must find nothing after a run was cut short: what it had asked for last may appear late.
const EMPTY_LOOKS: u32 = 5;
/// Pause between looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest time it tries.
const LIMIT: Duration = Duration::from_secs(120);

/// The reaper of a run. Dropping it waits until nothing of the run is left.
pub(crate) struct Reaper {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Starts it, and waits until it waits.
    pub(crate) fn start(run_id: &str) -> Result<Self, EngineError> {
        let refused = |cause: &dyn std::fmt::Display| EngineError::Refused {
            action: String::from("have a reaper"),
            cause: cause.to_string(),
        };
        let mut command = Command::new("/proc/self/exe");
        command.arg(REAPER_ARGUMENT).arg(run_id).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| refused(&error))?;
        let pipe = child.stdin.take();
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut said).map_err(|error| refused(&error))?;
        }
        let reaper = Self { child, pipe };
        match said.trim() == WAITS {
            true => Ok(reaper),
            false => Err(refused(&"it ended at once")),
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(LAST);
        }
        let _ = self.child.wait();
    }
}

/// What the reaper's process does; its exit status.
pub(crate) fn work(run_id: &str) -> i32 {
    // Out of reach of the terminal of the run.
    if nix::unistd::setsid().is_err() {
        return 1;
    }
    let mut output = io::stdout();
    if writeln!(output, "{WAITS}").and_then(|()| output.flush()).is_err() {
        return 1;
    }
    let mut told = Vec::new();
    let _ = io::stdin().lock().read_to_end(&mut told);
    let empty_looks = if told == LAST { 1 } else { EMPTY_LOOKS };
    match Engine::connect().map(|engine| sweep_until_empty(&engine, run_id, empty_looks)) {
        Ok(true) => 0,
        Ok(false) => complain(run_id, "some of it could not be removed"),
        Err(error) => complain(run_id, &error.to_string()),
    }
}

fn complain(run_id: &str, what: &str) -> i32 {
    // Whoever read it may be gone.
    let _ = writeln!(
        io::stderr(),
        "containers, networks and volumes of run {run_id} are left: {what}. They bear the label {LABEL}={run_id}"
    );
    1
}

/// Removes what bears the run's label until that many looks in a row find nothing; false where that is never so.
fn sweep_until_empty(engine: &Engine, run_id: &str, empty_looks: u32) -> bool {
    let start = Instant::now();
    let mut empty = 0;
    while empty < empty_looks {
        if start.elapsed() > LIMIT {
            return false;
        }
        match engine.wait(sweep(engine, run_id)) {
            Ok(0) => empty += 1,
            Ok(_) => empty = 0,
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
        if empty > 0 && empty < empty_looks {
            std::thread::sleep(LOOK_EVERY);
        }
    }
    true
}

/// Removes what bears the run's label; how much there was.
pub(crate) async fn sweep(engine: &Engine, run_id: &str) -> Result<usize, testcontainers::bollard::errors::Error> {
    let docker = engine.docker();
    let filters = HashMap::from([(String::from("label"), vec![format!("{LABEL}={run_id}")])]);
    let listed = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(listed)).await?;
    let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let ids = containers.iter().filter_map(|one| one.id.as_deref());
    // One that cannot be removed now is found again.
    join_all(ids.map(|id| docker.remove_container(id, Some(force.clone())))).await;
    let networks = docker.list_networks(Some(ListNetworksOptionsBuilder::new().filters(&filters).build())).await?;
    let ids = networks.iter().filter_map(|one| one.id.as_deref());
    join_all(ids.map(|id| docker.remove_network(id))).await;
    let volumes = docker.list_volumes(Some(ListVolumesOptionsBuilder::new().filters(&filters).build())).await?;
    let volumes = volumes.volumes.unwrap_or_default();
    let force = RemoveVolumeOptionsBuilder::new().force(true).build();
    join_all(volumes.iter().map(|one| docker.remove_volume(&one.name, Some(force.clone())))).await;
    Ok(containers.len() + networks.len() + volumes.len())
}
