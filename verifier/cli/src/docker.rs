//! `--backend docker`: a run on containers.

use std::path::{Path, PathBuf};

use delivery_broker::{Installation, RealSystem, System};
use delivery_cluster::cluster::{Cluster, ClusterHost};
use delivery_docker::{DockerCluster, DockerRun, Engine, EngineError, ImageName, image};
use delivery_faults::find_fault;
use delivery_runner::{Backend, MachineNeeds, RunPlan, run_real_in};

use crate::args::RunArgs;
use crate::exit::CliError;
use crate::progress::progress;
use crate::run::{announce, check_lanes, conclude, listen};

/// Faults of the network that need a queue at both ends of a link.
const QUEUED: [&str; 2] = ["bandwidth", "delay"];

/// Runs what was planned; returns the exit code. Everything that was made of containers is gone then.
///
/// # Errors
/// What keeps it from a verdict.
pub(crate) fn run(
    system: &'static dyn System,
    args: &RunArgs,
    out: &Path,
    mut planned: RunPlan,
) -> Result<i32, CliError> {
    check_faults(&planned)?;
    let real = system.real().ok_or_else(|| CliError::Usage(String::from("it does not run as processes")))?;
    let image = image_of(system, real, args)?;
    let engine = Engine::connect()?;
    image::ensure(&engine, &image, &mut |line| {
        if !args.output.quiet {
            eprintln!("{line}");
        }
    })?;
    let out = absolute(out)?;
    let run = DockerRun::open(&engine, &planned.manifest.run_id, vec![out.clone()], &[])?;
    let installation = look_into(&run, real, &image)?;
    check_lanes(system, &planned, &installation)?;
    move_in(&run, &mut planned)?;
    let machine = &mut planned.manifest.machine;
    machine.push_str(&format!(", Docker {}, image {image}", engine.version()));
    announce(&planned, args.output.quiet);
    let interrupts = listen()?;
    let mut shown = progress(args.output.quiet);
    let backend = Containers(run);
    let completed = run_real_in(&backend, &planned, &out, system, &installation, &interrupts, shown.as_mut())?;
    // Before the verdict: who reads it may count on nothing being left.
    drop(backend);
    conclude(&completed, shown, &args.output)
}

/// Clusters of one run.
struct Containers(DockerRun);

impl Backend for Containers {
    fn create(
        &self,
        hosts: &[ClusterHost],
        ports: Vec<u16>,
        _machines: &MachineNeeds,
    ) -> Result<Box<dyn Cluster>, String> {
        let cluster = DockerCluster::create(&self.0, hosts, ports).map_err(|error| error.to_string())?;
        Ok(Box::new(cluster))
    }
}

/// Refuses what containers cannot be made to suffer.
fn check_faults(planned: &RunPlan) -> Result<(), CliError> {
    for fault in &planned.manifest.faults {
        if QUEUED.contains(&fault.fault.as_str()) || find_fault(&fault.fault)?.needs().is_some() {
            return Err(CliError::Usage(format!(
                "the fault {} needs more of a machine than a container has: use --backend local",
                fault.fault
            )));
        }
    }
    Ok(())
}

/// The image that was asked for, or the vendor's.
fn image_of(system: &dyn System, real: &dyn RealSystem, args: &RunArgs) -> Result<ImageName, CliError> {
    let info = system.info();
    let unknown = || CliError::Usage(format!("{} has no image that verify knows; use --backend local", info.title));
    let layout = real.image_layout().ok_or_else(unknown)?;
    let version = args.broker_version.first().map_or(layout.default_tag, String::as_str);
    Ok(ImageName::parse(args.image.as_deref().unwrap_or(layout.name), version)?)
}

/// What the image holds.
fn look_into(run: &DockerRun, real: &dyn RealSystem, image: &ImageName) -> Result<Installation, CliError> {
    let Some(layout) = real.image_layout() else {
        return Err(CliError::CouldNotRun(String::from("no image is known")));
    };
    let said = run.look(image, layout.look)?;
    let wrong = || EngineError::WrongImage {
        image: image.to_string(),
        what: format!("what {} holds", layout.name),
        cause: format!("`{}` printed {said:?}", layout.look),
    };
    let installation = (layout.read)(&said).ok_or_else(wrong)?;
    Ok(Installation { image: Some(image.to_string()), ..installation })
}

/// Gives every host an address of the run's own.
fn move_in(run: &DockerRun, planned: &mut RunPlan) -> Result<(), CliError> {
    let manifest = &mut planned.manifest;
    manifest.backend = String::from("docker");
    let hosts = manifest.nodes.iter_mut().chain(&mut manifest.controllers).chain(&mut manifest.client_hosts);
    for host in hosts {
        let none = || CliError::CouldNotRun(format!("{} is no address of a run", host.address));
        host.address = run.address(&host.address).ok_or_else(none)?;
    }
    Ok(())
}

/// Where run directories are made, as containers see it, too.
fn absolute(out: &Path) -> Result<PathBuf, CliError> {
    let made = std::fs::create_dir_all(out).and_then(|()| out.canonicalize());
    made.map_err(|cause| CliError::Create { path: out.to_owned(), cause })
}
