//! `verify matrix-runs`: makes the runs a matrix orders, in one enclosure, on clusters that outlive a run.

use std::io::{BufRead as _, Write as _};

use delivery_broker::Installation;
use delivery_cluster::enclosure::enclose;
use delivery_faults::{ActsOn, FaultKind, FaultRequest, find_fault};
use delivery_matrix::{Cell, Cells, Job, MatrixFile, cells};
use delivery_runner::{Interrupts, Standing, run_real_on};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::machine::around;
use super::protocol::{Opening, Order, Reply, Told};
use super::watchdog::Watchdog;
use super::{silent, told};
use crate::commit::plan;
use crate::exit::{self, CliError};
use crate::progress::matrix_progress;
use crate::run::{conclude, listen};
use crate::systems;

/// Makes runs until nobody orders any more; returns the exit code.
///
/// # Errors
/// Namespaces that are refused.
pub fn runs() -> Result<i32, CliError> {
    let parent = nix::unistd::getppid();
    // With the matrix goes this process, and with this process everything inside.
    set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| CliError::CouldNotRun(format!("cannot be tied to the matrix: {error}")))?;
    if nix::unistd::getppid() != parent {
        return Ok(exit::STOPPED);
    }
    Ok(enclose(|| match serve() {
        Ok(()) => exit::HOLDS,
        Err(error) => exit::report(&error),
    })?)
}

fn serve() -> Result<(), CliError> {
    let interrupts = listen()?;
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    let Some(opening) = lines.next() else { return Ok(()) };
    let opening: Opening = read(&opening)?;
    let file = MatrixFile::parse(&opening.file, &opening.text)?;
    let Cells { run: cells, .. } = cells(&file, systems::ALL, opening.repeat)?;
    let runs = Runs { cells, quiet: opening.quiet, interrupts };
    // The cluster of the run before.
    let mut standing = None;
    for line in lines {
        let told = runs.make(read(&line)?, &mut standing);
        reply(&Reply::Ended(told))?;
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, CliError> {
    serde_json::from_str(line)
        .map_err(|error| CliError::Usage(format!("this is for `verify matrix` itself, and no order: {error}")))
}

fn reply(reply: &Reply) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    let line = serde_json::to_string(reply).unwrap_or_default();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(CliError::Output)
}

struct Runs {
    cells: Vec<Cell>,
    quiet: bool,
    interrupts: Interrupts,
}

impl Runs {
    fn make(&self, order: Order, standing: &mut Option<Standing>) -> Told {
        if order.fresh {
            *standing = None;
        }
        let cells: Vec<&Cell> = order.cells.iter().filter_map(|name| self.cell(name)).collect();
        if cells.is_empty() || cells.len() < order.cells.len() {
            return Told::trouble(String::from("a cell is not in the file any more"));
        }
        let job = Job::of(cells, order.out, order.seed, order.number, order.fresh);
        let system = job.cells[0].system;
        let planned = match plan(system, &job.request) {
            Ok(planned) => planned,
            Err(error) => return Told::trouble(error.to_string()),
        };
        if let Err(error) = reply(&Reply::Began(planned.manifest.run_id.clone())) {
            return Told::trouble(error.to_string());
        }
        let installation = Installation::from(order.installed);
        let watchdog = Watchdog::of_process(job.limit, &self.interrupts);
        let mut shown = matrix_progress(around(&job, order.standing, self.quiet));
        let ran =
            run_real_on(standing, &planned, &job.request.out, system, &installation, &self.interrupts, shown.as_mut());
        if changes_the_product(&job) {
            *standing = None;
        }
        let ran = ran.map_err(CliError::from).and_then(|ran| conclude(&ran, shown, &silent()));
        watchdog.judge(told(ran, &self.interrupts))
    }

    fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.entry.name == name)
    }
}

/// What a cluster was asked for (members, leaders, replicas elsewhere) may last: the next run starts from a new one.
fn changes_the_product(job: &Job<'_>) -> bool {
    let acts_on = |fault: &FaultRequest| find_fault(fault.fault).map(FaultKind::acts_on);
    job.request.faults.iter().any(|fault| acts_on(fault).is_ok_and(|on| on == ActsOn::Product))
}
