//! One run against a real broker, start to finish.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use delivery_broker::{Installation, System};
use delivery_faults::ClusterView;
use delivery_history::manifest::{BiteProof, Role};
use delivery_history::{Clock, Recorder};

use crate::drive::{Run, drive};
use crate::finish::{Completed, RunError, begin, conclude};
use crate::interrupt::Interrupts;
use crate::machine::RunEnd;
use crate::plan::{OBSERVER_HOST, RunPlan};
use crate::progress::Progress;
use crate::real::backend::{Backend, LocalBackend};
use crate::real::driver::RealDriver;
use crate::real::outside::{Outside, Steward};
use crate::real::standing::Standing;

/// Runs inside an enclosure of the local backend.
///
/// # Errors
/// When the run directory cannot be made or written.
pub fn run_real(
    plan: &RunPlan,
    out: &Path,
    system: &dyn System,
    installation: &Installation,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    run_real_in(&LocalBackend, plan, out, system, installation, interrupts, progress)
}

/// As [`run_real`], on a cluster of this backend.
///
/// # Errors
/// When the run directory cannot be made or written.
pub fn run_real_in(
    backend: &dyn Backend,
    plan: &RunPlan,
    out: &Path,
    system: &dyn System,
    installation: &Installation,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    let setting = Setting { system, installation, backend };
    run_and_leave(plan, out, &setting, interrupts, progress, Ground::Own)
}

/// Runs against a cluster that somebody else runs: its clients are processes of this machine, with no enclosure around them.
/// What the run made there is taken away on every way out; what could not be is given back, each with the reason.
///
/// # Errors
/// When the run directory cannot be made or written.
pub fn run_outside(
    plan: &RunPlan,
    out: &Path,
    system: &dyn System,
    outside: &Outside,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<(Completed, Vec<(String, String)>), RunError> {
    let mut left = Vec::new();
    let installation = Installation {
        rootfs: None,
        home: PathBuf::new(),
        version: plan.manifest.broker_version.clone(),
        runtime: PathBuf::new(),
        image: None,
    };
    let ground = Ground::Outside(outside, &mut left);
    let setting = Setting { system, installation: &installation, backend: &LocalBackend };
    let completed = run_and_leave(plan, out, &setting, interrupts, progress, ground)?;
    Ok((completed, left))
}

/// Whose cluster it is.
enum Ground<'a> {
    /// One of this run's own.
    Own,
    /// One that may stand already, and may go on standing.
    Shared(&'a mut Option<Standing>),
    /// Somebody else's, and what is left there in the end.
    Outside(&'a Outside, &'a mut Vec<(String, String)>),
}

/// As [`run_real`], on the cluster that stands if it is one that this run wants, and leaves a cluster that is as good as
/// new standing there for the next one. Runs that share a cluster need names of their own ([`crate::RunRequest`]).
///
/// # Errors
/// When the run directory cannot be made or written.
pub fn run_real_on(
    standing: &mut Option<Standing>,
    plan: &RunPlan,
    out: &Path,
    system: &dyn System,
    installation: &Installation,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    let setting = Setting { system, installation, backend: &LocalBackend };
    run_and_leave(plan, out, &setting, interrupts, progress, Ground::Shared(standing))
}

/// What runs, and where.
struct Setting<'a> {
    system: &'a dyn System,
    installation: &'a Installation,
    backend: &'a dyn Backend,
}

fn run_and_leave(
    plan: &RunPlan,
    out: &Path,
    setting: &Setting<'_>,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
    mut ground: Ground<'_>,
) -> Result<Completed, RunError> {
    let Setting { system, installation, backend } = *setting;
    let mut manifest = plan.manifest.clone();
    manifest.broker_version.clone_from(&installation.version);
    let (run_dir, began) = begin(out, &manifest)?;
    let runner = plan.runner_worker();
    let path = run_dir.event_path(&manifest.workers[usize::from(runner)].name);
    let mut recorder = Recorder::create(&path, runner, Clock::Monotonic)?;
    let nodes = manifest.nodes.iter().map(|node| node.id).collect();
    let clients = manifest.client_hosts.iter().map(|host| host.id).filter(|host| *host != OBSERVER_HOST).collect();
    let mut view = ClusterView::new(nodes, clients, false);
    view.controllers = manifest.controllers.iter().map(|node| node.id).collect();
    view.replication_ports = system.info().replication_ports.to_vec();
    let mut driver = RealDriver::new(plan, system, installation, &run_dir, interrupts, backend);
    let mut steward = None;
    match &mut ground {
        Ground::Own => {}
        // A run's name is one part: a folder beside it, out of sight.
        Ground::Shared(standing) => {
            driver.share_cluster(standing.take(), out.join(format!(".cluster-{}", manifest.run_id)));
        }
        Ground::Outside(outside, _) => match Steward::hire(outside, &manifest, &driver.administrator_spec()) {
            Ok(hired) => {
                let hired = Rc::new(RefCell::new(hired));
                driver.go_outside((*outside).clone(), hired.clone());
                steward = Some(hired);
            }
            Err(reason) => {
                drop(driver);
                recorder.close()?;
                return conclude(run_dir, manifest, RunEnd::CouldNotRun(reason), began);
            }
        },
    }
    debug_assert!(!plan.worker_numbers(Role::Observer).is_empty(), "faults aim by observations");
    let end = drive(
        plan.machine.clone(),
        view,
        &mut driver,
        &mut Run { manifest: &mut manifest, run_dir: Some(&run_dir), recorder: &mut recorder, progress },
    );
    // A client that does not say goodbye keeps its group from being taken away until its session has timed out.
    let polite = end == RunEnd::Finished || (steward.is_some() && end != RunEnd::Stopped);
    let left = driver.leave(polite);
    // A node that had to be helped, or that left and joined again, is not as good as new.
    let has_left = manifest.faults.iter().any(|fault| fault.bites_by == BiteProof::MemberLeft);
    let is_as_new = end == RunEnd::Finished && manifest.by_hand.is_empty() && !has_left;
    drop(driver);
    if let Ground::Outside(Outside { joined: Some(joined), .. }, _) = &ground {
        joined.finish(&mut manifest.machines, &run_dir.logs_dir());
    }
    match ground {
        Ground::Shared(standing) => *standing = left.filter(|_| is_as_new),
        Ground::Own => drop(left),
        // Who was told to stop at once goes on in the background.
        Ground::Outside(..) if end == RunEnd::Stopped => drop(steward),
        Ground::Outside(_, still_there) => {
            still_there.extend(steward.map(|steward| steward.borrow_mut().tidy()).unwrap_or_default());
        }
    }
    recorder.close()?;
    conclude(run_dir, manifest, end, began)
}
