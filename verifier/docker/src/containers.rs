//! Containers in a host's network namespace: nodes, and what prepares them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use delivery_broker::{NodeCommand, NodeSpec};
use delivery_cluster::local::storage::words;
use futures::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{Mount, MountType, VolumeCreateRequest};
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, CopyTargetOptions, GenericImage, ImageExt};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::hosts::{Host, PROGRAM};
use crate::image::ImageName;
use crate::protocol::WIPE_ARGUMENT;
use crate::run::Inner;

/// Where a node's container has the directory of logs.
const LOGS: &str = "/verify-logs";
/// In a node's data directory while it is to be prepared again before it starts.
pub(crate) const PREPARE_MARK: &str = ".verify-prepare";
/// Lines kept of what a container said.
pub(crate) const LAST_LINES: &str = "20";
/// Runs what a node runs.
const SHELL: &str = "/bin/sh";

/// Pause between looks at whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a container ended.
pub(crate) type Exit = Arc<Mutex<Option<i64>>>;

/// What containers of one node have in common.
pub(crate) struct Place<'a> {
    pub(crate) run: &'a Inner,
    pub(crate) host: &'a Host,
    pub(crate) spec: &'a NodeSpec,
    pub(crate) logs_dir: &'a Path,
}

/// A command in a container, and what its container is called beside the node's name.
pub(crate) struct Command<'a> {
    pub(crate) purpose: &'static str,
    pub(crate) command: &'a NodeCommand,
    pub(crate) script: String,
}

/// A script that writes to the node's log and becomes the command; `first` goes before that.
pub(crate) fn script(spec: &NodeSpec, first: &str, command: &NodeCommand) -> String {
    format!("exec >> {LOGS}/{}.log 2>&1\n{first}exec {}", spec.host.name, words(command))
}

/// Prepares the node again where it is marked so.
pub(crate) fn prepare_again(spec: &NodeSpec) -> String {
    let steps: String = spec.prepare.iter().map(|command| format!("  {} || exit\n", words(command))).collect();
    format!("if [ -e {PREPARE_MARK} ]; then\n{steps}  rm {PREPARE_MARK}\nfi\n")
}

impl Place<'_> {
    /// Makes the volume the node's data is in.
    pub(crate) async fn make_volume(&self) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(volume(self.run, self.spec)),
            labels: Some(self.run.labels()),
            ..VolumeCreateRequest::default()
        };
        let made = self.run.engine.docker().create_volume(request).await;
        made.map(drop).map_err(|error| self.refused("make a volume for", &error))
    }

    fn refused(&self, action: &str, error: &dyn std::fmt::Display) -> EngineError {
        EngineError::refused(format!("{action} node {}", self.spec.host.name), error)
    }

    /// Starts a command of the node in a container of its own, with the node's files where `files`.
    pub(crate) async fn start(
        &self,
        image: &ImageName,
        wanted: &Command<'_>,
        files: bool,
    ) -> Result<ContainerAsync<GenericImage>, EngineError> {
        let network = format!("container:{}", self.host.container);
        let data_dir = self.spec.host.data_dir.display().to_string();
        let mounts = vec![
            mount(MountType::VOLUME, &volume(self.run, self.spec), &data_dir),
            mount(MountType::BIND, &self.logs_dir.display().to_string(), LOGS),
        ];
        let mut request = image
            .definition()
            .with_entrypoint(SHELL)
            .with_cmd([String::from("-c"), wanted.script.clone()])
            .with_container_name(format!("verify-{}-{}{}", self.run.run_id, self.spec.host.name, wanted.purpose))
            .with_labels(self.run.labels())
            .with_user("0:0")
            .with_working_dir(data_dir)
            // The crate would make a network of this name, and publish every port.
            .with_host_config_modifier(move |config| {
                config.network_mode = Some(network.clone());
                (config.publish_all_ports, config.port_bindings) = (None, None);
                config.mounts = Some(mounts.clone());
            });
        for (name, value) in &wanted.command.environment {
            request = request.with_env_var(name, value);
        }
        for file in self.spec.files.iter().filter(|_| files) {
            let target = CopyTargetOptions::new(file.path.display().to_string()).with_mode(0o600);
            request = request.with_copy_to(target, file.text.clone().into_bytes());
        }
        request.start().await.map_err(|error| self.refused("start", &error))
    }
}

/// The volume that a node's data is in.
fn volume(run: &Inner, spec: &NodeSpec) -> String {
    format!("verify-{}-{}", run.run_id, spec.host.name)
}

fn mount(kind: MountType, source: &str, target: &str) -> Mount {
    Mount { typ: Some(kind), source: Some(source.to_owned()), target: Some(target.to_owned()), ..Mount::default() }
}

/// Starts a container that has ended.
pub(crate) async fn start_ended(run: &Inner, container: &str) -> Result<(), Error> {
    run.engine.docker().start_container(container, None::<StartContainerOptions>).await
}

/// The status a container ends with.
pub(crate) async fn end_of(docker: &Docker, container: &str) -> Result<i64, Error> {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    match docker.wait_container(container, Some(options)).next().await {
        Some(Ok(ended)) => Ok(ended.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error),
        None => Err(Error::RequestTimeoutError),
    }
}

/// The status a container ends with; nothing where it is to be stopped before.
pub(crate) async fn end_unless(
    docker: &Docker,
    container: &str,
    should_stop: &dyn Fn() -> bool,
) -> Option<Result<i64, Error>> {
    let mut end = std::pin::pin!(end_of(docker, container));
    loop {
        match tokio::time::timeout(LOOK_EVERY, end.as_mut()).await {
            Ok(code) => return Some(code),
            Err(_) if should_stop() => return None,
            Err(_) => {}
        }
    }
}

/// Writes down how a container ends, once it does.
pub(crate) fn watch(engine: &Engine, container: &str) -> Exit {
    let exit = Exit::default();
    // Not the engine itself: its threads would end on one of their own.
    let (told, docker, container) = (Arc::clone(&exit), engine.docker().clone(), container.to_owned());
    engine.spawn(async move {
        loop {
            match end_of(&docker, &container).await {
                Ok(code) => {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
                    return;
                }
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => return,
                // A wait that times out is no end.
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    });
    exit
}

/// The last lines of what a container itself said.
pub(crate) async fn said_by(run: &Inner, container: &str, lines: &str) -> Vec<String> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(lines).build();
    let pieces: Vec<_> = run.engine.docker().logs(container, Some(options)).collect().await;
    let text: String = pieces.into_iter().flatten().map(|piece| piece.to_string()).collect();
    text.lines().map(str::to_owned).collect()
}

/// Has this program take what a node stored, in a container of its own; how many bytes that were.
pub(crate) async fn wipe(run: &Inner, spec: &NodeSpec, storage: &Path) -> Result<u64, EngineError> {
    let refused = |error: &dyn std::fmt::Display| {
        EngineError::refused(format!("take what node {} stored", spec.host.name), error)
    };
    let program = std::env::current_exe().map_err(|error| refused(&error))?;
    let data_dir = spec.host.data_dir.display().to_string();
    let program = Mount { read_only: Some(true), ..mount(MountType::BIND, &program.display().to_string(), PROGRAM) };
    let mounts = vec![mount(MountType::VOLUME, &volume(run, spec), &data_dir), program];
    let request = run
        .host_image
        .definition()
        .with_entrypoint(PROGRAM)
        .with_cmd([WIPE_ARGUMENT.to_owned(), data_dir, storage.display().to_string()])
        .with_labels(run.labels())
        .with_user("0:0")
        .with_host_config_modifier(move |config| {
            config.network_mode = Some(String::from("none"));
            (config.publish_all_ports, config.port_bindings) = (None, None);
            config.mounts = Some(mounts.clone());
        });
    let container = request.start().await.map_err(|error| refused(&error))?;
    let code = end_of(run.engine.docker(), container.id()).await.map_err(|error| refused(&error))?;
    let said = said_by(run, container.id(), LAST_LINES).await.join(" ");
    // What cannot be removed here is removed by the reaper.
    let _ = container.rm().await;
    match (code, said.trim().parse()) {
        (0, Ok(bytes)) => Ok(bytes),
        _ => Err(refused(&said)),
    }
}

/// Runs a script in an image, with nothing around it; what it said, and its status.
pub(crate) async fn look(run: &Inner, image: &ImageName, script: &str) -> Result<(String, i64), EngineError> {
    let refused = |error: &dyn std::fmt::Display| EngineError::refused(format!("look into the image {image}"), error);
    let request = image
        .definition()
        .with_entrypoint(SHELL)
        .with_cmd(["-c", script])
        .with_labels(run.labels())
        .with_host_config_modifier(|config| {
            config.network_mode = Some(String::from("none"));
            (config.publish_all_ports, config.port_bindings) = (None, None);
        });
    let container = request.start().await.map_err(|error| refused(&error))?;
    let code = end_of(run.engine.docker(), container.id()).await.map_err(|error| refused(&error))?;
    let said = said_by(run, container.id(), "all").await.join("\n");
    // What cannot be removed here is removed by the reaper.
    let _ = container.rm().await;
    Ok((said, code))
}
