//! One run of a matrix, on this machine: real clusters in an enclosure of their own, simulations in this process.

mod watchdog;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use delivery_broker::{InstallRequest, Installation, System};
use delivery_cluster::enclosure::enclose;
use delivery_matrix::{Ahead, Bench, Cell, Job, Ran};
use delivery_report::Document;
use delivery_runner::{Interrupts, RunPlan, run_real, run_simulated};
use serde::{Deserialize, Serialize};

use crate::args::{ColorChoice, OutputArgs};
use crate::commit::plan;
use crate::exit::CliError;
use crate::progress::{MatrixProgress, matrix_progress};
use crate::run::{cache_dir, conclude, listen, make_ready};
use watchdog::Watchdog;

/// Most bytes a run may say of itself.
const MAX_TOLD_BYTES: u64 = 64 * 1024;

/// Makes runs on this machine.
pub(super) struct Machine {
    installations: BTreeMap<(&'static str, Option<String>), Installation>,
    directory: PathBuf,
    interrupts: Interrupts,
    quiet: bool,
    began: Instant,
}

/// What an enclosed run says of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    stopped: bool,
    trouble: Option<String>,
}

impl Machine {
    pub(super) fn new(quiet: bool) -> Result<Self, CliError> {
        Ok(Self {
            installations: BTreeMap::new(),
            directory: PathBuf::new(),
            interrupts: listen()?,
            quiet,
            began: Instant::now(),
        })
    }

    /// Where the matrix stands.
    pub(super) fn work_in(&mut self, directory: &Path) -> Result<(), CliError> {
        let absolute = directory.canonicalize();
        self.directory = absolute.map_err(|cause| CliError::Input { path: directory.to_owned(), cause })?;
        Ok(())
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

    /// Runs in namespaces of its own, which end with it whatever becomes of it.
    fn enclosed(&self, job: &Job<'_>, planned: &RunPlan, ahead: &Ahead) -> Told {
        let system = job.cells[0].system;
        let key = (system.info().name, job.cells[0].entry.version.clone());
        let Some(installation) = self.installations.get(&key) else {
            return trouble(String::from("its version was not made ready"));
        };
        let (mut reader, mut writer) = match std::io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return trouble(format!("cannot make a pipe: {error}")),
        };
        let ended = enclose(move || {
            let told = self.real(system, job, planned, installation, ahead);
            // Where nobody listens any more, nobody is there to be told.
            let _ = serde_json::to_writer(&mut writer, &told).map(|()| writer.flush());
            0
        });
        if let Err(error) = ended {
            return trouble(error.to_string());
        }
        let mut text = String::new();
        let read = reader.by_ref().take(MAX_TOLD_BYTES).read_to_string(&mut text);
        match read.map(|_| serde_json::from_str(&text)) {
            Ok(Ok(told)) => told,
            _ => trouble(format!("it took longer than {} s, and had to be ended", job.limit.as_secs())),
        }
    }

    fn real(
        &self,
        system: &dyn System,
        job: &Job<'_>,
        planned: &RunPlan,
        installation: &Installation,
        ahead: &Ahead,
    ) -> Told {
        let watchdog = Watchdog::of_process(job.limit, &self.interrupts);
        let mut shown = self.progress(job, ahead);
        let ran = run_real(planned, &job.request.out, system, installation, &self.interrupts, shown.as_mut());
        let told = self.told(ran.map_err(CliError::from).and_then(|ran| conclude(&ran, shown, &silent())));
        watchdog.judge(told)
    }

    fn simulated(&self, job: &Job<'_>, planned: &RunPlan, ahead: &Ahead) -> Told {
        let Some(simulated) = job.cells[0].system.simulated() else {
            return trouble(String::from("it runs neither here nor in a simulation"));
        };
        let watchdog = Watchdog::of_simulation(job.limit, &self.interrupts);
        let mut shown = self.progress(job, ahead);
        let run = || {
            let ran = run_simulated(planned, &job.request.out, simulated, &self.interrupts, shown.as_mut())?;
            conclude(&ran, Box::new(delivery_runner::Quiet), &silent())
        };
        // A defect that one cell meets is that cell's.
        let ran = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(CliError::CouldNotRun(String::from("the run panicked: this is a bug in verify"))));
        let told = self.told(ran);
        watchdog.judge(told)
    }

    fn told(&self, ran: Result<i32, CliError>) -> Told {
        let stopped = self.interrupts.were_asked() || matches!(ran, Err(CliError::Stopped));
        Told { stopped, trouble: ran.err().map(|error| error.to_string()) }
    }

    fn progress(&self, job: &Job<'_>, ahead: &Ahead) -> Box<dyn delivery_runner::Progress> {
        let first = &job.cells[0].entry;
        let lanes: Vec<&str> = job.cells.iter().map(|cell| cell.entry.lane.as_str()).collect();
        let version = first.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
        matrix_progress(MatrixProgress {
            quiet: self.quiet,
            title: format!("{}{version} {} under {}", first.system, lanes.join(", "), first.faults),
            settled: ahead.settled,
            cells: ahead.cells,
            spent: self.began.elapsed(),
            expected: job.expected,
            left: ahead.left,
        })
    }
}

impl Bench for Machine {
    fn run(&mut self, job: &Job<'_>, ahead: &Ahead) -> Ran {
        if self.interrupts.were_asked() {
            return Ran { stopped: true, ..Ran::default() };
        }
        let planned = match plan(job.cells[0].system, &job.request) {
            Ok(planned) => planned,
            Err(error) => return Ran { trouble: Some(error.to_string()), ..Ran::default() },
        };
        let told = if job.cells[0].system.simulated().is_some() {
            self.simulated(job, &planned, ahead)
        } else {
            self.enclosed(job, &planned, ahead)
        };
        let run = format!("runs/{}", planned.manifest.run_id);
        let directory = self.directory.join(&run);
        Ran {
            document: if told.trouble.is_some() { None } else { read(&directory) },
            run: directory.join("run.json").is_file().then_some(run),
            trouble: told.trouble,
            stopped: told.stopped || self.interrupts.were_asked(),
        }
    }
}

fn trouble(text: String) -> Told {
    Told { stopped: false, trouble: Some(text) }
}

/// What a run was found to show.
fn read(run_dir: &Path) -> Option<Document> {
    let text = std::fs::read(run_dir.join("findings.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

fn silent() -> OutputArgs {
    OutputArgs { json: false, quiet: true, color: ColorChoice::Never, csv: None, silent: true }
}
