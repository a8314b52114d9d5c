//! Runs on real brokers, which take Linux. Elsewhere `elsewhere` stands in for this.

use std::path::Path;

use delivery_broker::{InstallRequest, Installation, System};
use delivery_cluster::enclosure::enclose;
use delivery_cluster::rootfs::check_owners;
use delivery_history::RunManifest;
use delivery_runner::{RunPlan, run_real};

#[cfg(feature = "docker")]
use crate::args::Backend;
use crate::args::{OutputArgs, ReplayArgs, RunArgs};
use crate::exit::{self, CliError};
use crate::progress::progress;
use crate::run::{announce, cache_dir, check_lanes, conclude, listen};

pub(crate) use crate::external::run as run_outside;
pub(crate) use crate::matrix::runs as matrix_runs;
pub(crate) use crate::ready::make_all;
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
pub(crate) use crate::rootfs::rootfs;
pub(crate) use crate::versions::run as run_versions;
pub(crate) use crate::worker::worker;
pub(crate) use delivery_cluster::probe::probes;

/// Whether real brokers run here.
///
/// # Errors
/// None on Linux.
pub(crate) fn check() -> Result<(), CliError> {
    Ok(())
}

/// Runs what was planned, on nodes of its own; returns the exit code.
///
/// # Errors
/// What keeps it from a verdict.
pub(crate) fn run(system: &'static dyn System, args: &RunArgs, out: &Path, planned: RunPlan) -> Result<i32, CliError> {
    #[cfg(feature = "docker")]
    if args.backend == Backend::Docker {
        return crate::docker::run(system, args, out, planned);
    }
    let installation = install(system, args, args.broker_version.first())?;
    run_installed(system, &planned, out, &installation, &args.output)
}

/// Runs a recorded run again, on the version it ran on unless another was asked for; returns the exit code.
///
/// # Errors
/// What keeps it from a verdict.
pub(crate) fn run_again(
    system: &'static dyn System,
    planned: &RunPlan,
    args: &ReplayArgs,
    recorded: &RunManifest,
) -> Result<i32, CliError> {
    let other = args.dist.is_some() || args.rootfs.is_some();
    let request = InstallRequest {
        version: (!other).then(|| recorded.broker_version.clone()),
        dist: args.dist.clone(),
        rootfs: args.rootfs.clone(),
        cache_dir: cache_dir(),
    };
    let installation = make_ready(system, &request, args.output.quiet)?;
    run_installed(system, planned, &args.out, &installation, &args.output)
}

fn run_installed(
    system: &'static dyn System,
    planned: &RunPlan,
    out: &Path,
    installation: &Installation,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    check_lanes(system, planned, installation)?;
    announce(planned, output.quiet);
    // Everything from here on happens in namespaces that end with it, so nothing stays behind.
    let code = enclose(|| match run_enclosed(planned, out, system, installation, output) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    })?;
    Ok(code)
}

pub(crate) fn run_enclosed(
    planned: &RunPlan,
    out: &Path,
    system: &dyn System,
    installation: &Installation,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    let interrupts = listen()?;
    let mut shown = progress(output.quiet);
    let completed = run_real(planned, out, system, installation, &interrupts, shown.as_mut())?;
    conclude(&completed, shown, output)
}

/// Makes one version ready.
pub(crate) fn install(system: &dyn System, args: &RunArgs, version: Option<&String>) -> Result<Installation, CliError> {
    let request = InstallRequest {
        version: version.cloned(),
        dist: args.dist.clone(),
        rootfs: args.rootfs.clone(),
        cache_dir: cache_dir(),
    };
    make_ready(system, &request, args.output.quiet)
}

/// Makes what was asked for ready.
pub(crate) fn make_ready(system: &dyn System, request: &InstallRequest, quiet: bool) -> Result<Installation, CliError> {
    let real = system
        .real()
        .ok_or_else(|| CliError::Usage(format!("{} runs neither here nor in a simulation", system.info().title)))?;
    let installation = real.install(request, &mut |line| {
        if !quiet {
            eprintln!("{line}");
        }
    })?;
    if let Some(tree) = &installation.rootfs {
        check_owners(tree)?;
    }
    Ok(installation)
}
