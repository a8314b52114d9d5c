//! Runs of the embedded PubSub through the real runner: a short load under a netsplit, one seed.

use delivery_broker::{LaneRequest, System, Timings};
use delivery_faults::FaultRequest;
use delivery_history::History;
use delivery_pubsub::PubSub;
use delivery_runner::{AuditMode, Interrupts, Quiet, RunEnd, RunRequest, plan, run_simulated};

use crate::recorded::Recorded;

/// One netsplit that outlasts detection.
const FAULTS: &str = "netsplit@3s+6s";
/// Load, simulated milliseconds.
const LOAD_MS: u64 = 12_000;
const RATE_PER_S: u32 = 100;
const SEED: u64 = 11;

/// A bus to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus {
    pub(crate) preset: &'static str,
    pub(crate) system: &'static PubSub,
}

impl Bus {
    /// Runs it; its files are gone afterwards. What went wrong, in words.
    pub(crate) fn run(&self) -> Result<Recorded, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let out = tempfile::tempdir().map_err(|error| words(&error))?;
        let system = self.system;
        let lane = LaneRequest { preset: Some(self.preset.to_owned()), ..LaneRequest::default() };
        let request = RunRequest {
            lanes: vec![lane],
            faults: FaultRequest::parse_list(FAULTS).map_err(|error| words(&error))?,
            duration_ms: Some(LOAD_MS),
            rate_per_s: RATE_PER_S,
            size_bytes: 64,
            producers: None,
            consumers: 1,
            seed: SEED,
            timings: Timings::Vendor,
            required: None,
            audit: AuditMode::Full,
            out: out.path().to_owned(),
            keep_data: false,
            name_suffix: String::new(),
            outside: None,
        };
        let planned = plan(system, &request).map_err(|error| words(&error))?;
        let simulated = system.simulated().ok_or("it does not run in a simulation")?;
        let completed = run_simulated(&planned, &request.out, simulated, &Interrupts::default(), &mut Quiet)
            .map_err(|error| words(&error))?;
        if completed.end != RunEnd::Finished {
            return Err(format!("the run ended otherwise than it should: {:?}", completed.end));
        }
        let history = History::open(&completed.run_dir).map_err(|error| words(&error))?;
        Ok(in_memory(&history))
    }
}

fn in_memory(history: &History) -> Recorded {
    let view = history.view();
    let mut streams = vec![Vec::new(); history.manifest().workers.len()];
    for stream in &view.streams {
        if let Some(place) = streams.get_mut(usize::from(stream.worker)) {
            *place = stream.events.to_vec();
        }
    }
    Recorded { manifest: history.manifest().clone(), streams, damage: view.damage }
}
