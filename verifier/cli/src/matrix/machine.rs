//! Makes the runs of a matrix on this machine: simulations in this process, real clusters in one of their own.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use delivery_broker::{InstallRequest, Installation};
use delivery_matrix::{Ahead, Bench, Cell, Job, Ran, remove};
use delivery_report::Document;
use delivery_runner::{Interrupts, Quiet, RunPlan, run_simulated};

use super::protocol::{AheadOf, Installed, Opening, Order, Told};
use super::session::{Answer, Session};
use super::watchdog::Watchdog;
use super::{silent, told};
use crate::commit::plan;
use crate::exit::CliError;
use crate::progress::{MatrixProgress, matrix_progress};
use crate::real::make_ready;
use crate::run::{cache_dir, conclude, listen};

/// How the folder of a cluster begins that outlives a run; it lies beside the runs.
const CLUSTER_PREFIX: &str = ".cluster-";

/// Makes runs on this machine.
pub(super) struct Machine {
    installations: BTreeMap<(&'static str, Option<String>), Installation>,
    directory: PathBuf,
    opening: Opening,
    interrupts: Interrupts,
    quiet: bool,
    began: Instant,
    /// Makes runs of real clusters, once there is one to be made.
    session: Option<Session>,
}

impl Machine {
    pub(super) fn new(quiet: bool) -> Result<Self, CliError> {
        Ok(Self {
            installations: BTreeMap::new(),
            directory: PathBuf::new(),
            opening: Opening::default(),
            interrupts: listen()?,
            quiet,
            began: Instant::now(),
            session: None,
        })
    }

    /// Where the matrix stands, and which it is.
    pub(super) fn work_in(&mut self, directory: &Path, opening: Opening) -> Result<(), CliError> {
        let absolute = directory.canonicalize();
        self.directory = absolute.map_err(|cause| CliError::Input { path: directory.to_owned(), cause })?;
        self.opening = opening;
        self.take_away_clusters();
        Ok(())
    }

    /// What a matrix that was killed left of its clusters: nobody else writes here, as its journal is ours.
    fn take_away_clusters(&self) {
        let Ok(entries) = std::fs::read_dir(self.directory.join("runs")) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(CLUSTER_PREFIX) {
                // A leftover costs space, not truth.
                let _ = remove(&entry.path());
            }
        }
    }

    /// The version a cell runs on, made ready; nothing for a simulation.
    pub(super) fn install(&mut self, cell: &Cell) -> Result<Option<&Installation>, CliError> {
        if cell.system.simulated().is_some() {
            return Ok(None);
        }
        let key = (cell.system.info().name, cell.entry.version.clone());
        if !self.installations.contains_key(&key) {
            let request = InstallRequest { version: key.1.clone(), dist: None, rootfs: None, cache_dir: cache_dir() };
            let installation = make_ready(cell.system, &request, self.quiet)?;
            self.installations.insert(key.clone(), installation);
        }
        Ok(self.installations.get(&key))
    }

    /// Has a run made in the process of the runs; one that was lost is replaced.
    fn order(&mut self, job: &Job<'_>, ahead: &Ahead) -> Answer {
        let lost = |text: String| Answer { run_id: None, told: Told::trouble(text), lost: true };
        let first = &job.cells[0];
        let Some(installation) = self.installations.get(&(first.system.info().name, first.entry.version.clone()))
        else {
            return lost(String::from("its version was not made ready"));
        };
        let order = Order {
            cells: job.cells.iter().map(|cell| cell.entry.name.clone()).collect(),
            seed: job.request.seed,
            number: job.number,
            fresh: job.fresh,
            out: self.directory.join("runs"),
            installed: Installed::from(installation),
            standing: AheadOf::new(ahead, self.began.elapsed()),
        };
        let mut session = match self.session.take().map_or_else(|| Session::start(&self.opening), Ok) {
            Ok(session) => session,
            Err(error) => return lost(format!("the process of the runs cannot be started: {error}")),
        };
        let answer = session.run(&order, &self.interrupts);
        self.session = Some(session).filter(|_| !answer.lost);
        answer
    }

    fn simulated(&self, job: &Job<'_>, planned: &RunPlan, ahead: &Ahead) -> Told {
        let Some(simulated) = job.cells[0].system.simulated() else {
            return Told::trouble(String::from("it runs neither here nor in a simulation"));
        };
        let watchdog = Watchdog::of_simulation(job.limit, &self.interrupts);
        let mut shown = matrix_progress(around(job, AheadOf::new(ahead, self.began.elapsed()), self.quiet));
        let run = || {
            let ran = run_simulated(planned, &job.request.out, simulated, &self.interrupts, shown.as_mut())?;
            conclude(&ran, Box::new(Quiet), &silent())
        };
        // A defect that one cell meets is that cell's.
        let ran = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(CliError::CouldNotRun(String::from("the run panicked: this is a bug in verify"))));
        watchdog.judge(told(ran, &self.interrupts))
    }
}

impl Bench for Machine {
    fn run(&mut self, job: &Job<'_>, ahead: &Ahead) -> Ran {
        if self.interrupts.were_asked() {
            return Ran { stopped: true, ..Ran::default() };
        }
        let (run_id, told) = if job.cells[0].system.simulated().is_some() {
            match plan(job.cells[0].system, &job.request) {
                Ok(planned) => (Some(planned.manifest.run_id.clone()), self.simulated(job, &planned, ahead)),
                Err(error) => (None, Told::trouble(error.to_string())),
            }
        } else {
            let answer = self.order(job, ahead);
            (answer.run_id, answer.told)
        };
        let run = run_id.map(|run_id| format!("runs/{run_id}"));
        let directory = run.as_ref().map(|run| self.directory.join(run));
        Ran {
            document: directory.as_deref().filter(|_| told.trouble.is_none()).and_then(read),
            run: run.filter(|_| directory.is_some_and(|directory| directory.join("run.json").is_file())),
            trouble: told.trouble,
            stopped: told.stopped || self.interrupts.were_asked(),
        }
    }
}

/// What a run was found to show.
fn read(run_dir: &Path) -> Option<Document> {
    let text = std::fs::read(run_dir.join("findings.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A run, and what lies around it, for whoever watches.
pub(super) fn around(job: &Job<'_>, ahead: AheadOf, quiet: bool) -> MatrixProgress {
    let first = &job.cells[0].entry;
    let lanes: Vec<&str> = job.cells.iter().map(|cell| cell.entry.lane.as_str()).collect();
    let version = first.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    MatrixProgress {
        quiet,
        title: format!("{}{version} {} under {}", first.system, lanes.join(", "), first.faults),
        settled: ahead.settled,
        cells: ahead.cells,
        spent: ahead.spent,
        expected: job.expected,
        left: ahead.left,
    }
}
