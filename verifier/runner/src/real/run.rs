//! One run against a real broker, start to finish.

use delivery_broker::{Installation, System};
use delivery_faults::ClusterView;
use delivery_history::manifest::Role;
use delivery_history::{Clock, Recorder};

use crate::drive::{Run, drive};
use crate::finish::{Completed, RunError, begin, conclude};
use crate::interrupt::Interrupts;
use crate::machine::RunEnd;
use crate::plan::{OBSERVER_HOST, RunPlan};
use crate::progress::Progress;
use crate::real::driver::RealDriver;
use crate::request::RunRequest;

/// Runs inside an enclosure of the local backend.
///
/// # Errors
/// When the run directory cannot be made or written.
pub fn run_real(
    plan: &RunPlan,
    request: &RunRequest,
    system: &dyn System,
    installation: &Installation,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    let mut manifest = plan.manifest.clone();
    manifest.broker_version.clone_from(&installation.version);
    let (run_dir, began) = begin(&request.out, &manifest)?;
    let runner = plan.runner_worker();
    let path = run_dir.event_path(&manifest.workers[usize::from(runner)].name);
    let mut recorder = Recorder::create(&path, runner, Clock::Monotonic)?;
    let nodes = manifest.nodes.iter().map(|node| node.id).collect();
    let clients = manifest.client_hosts.iter().map(|host| host.id).filter(|host| *host != OBSERVER_HOST).collect();
    let mut view = ClusterView::new(nodes, clients, false);
    view.controllers = manifest.controllers.iter().map(|node| node.id).collect();
    view.replication_ports = system.info().replication_ports.to_vec();
    let mut driver = RealDriver::new(plan, system, installation, &run_dir, interrupts);
    debug_assert!(!plan.worker_numbers(Role::Observer).is_empty(), "faults aim by observations");
    let end = drive(
        plan.machine.clone(),
        view,
        &mut driver,
        &mut Run { manifest: &mut manifest, run_dir: &run_dir, recorder: &mut recorder, progress },
    );
    driver.shut_down(end == RunEnd::Finished);
    drop(driver);
    recorder.close()?;
    if !plan.keep_data {
        // A leftover costs space, not truth.
        let _ = std::fs::remove_dir_all(RealDriver::data_dir(&run_dir));
    }
    conclude(run_dir, manifest, end, began)
}
