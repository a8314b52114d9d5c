//! `verify` as a library: a program of your own that runs a cluster and looks at the judgement.
//!
//! `cargo run --release --example library -- RUNS_DIR`

use std::process::ExitCode;

use delivery_broker::{InstallRequest, LaneRequest, System, Timings};
use delivery_checks::judgement::{FindingKind, Guarantee};
use delivery_cluster::enclosure::enclose;
use delivery_faults::FaultRequest;
use delivery_history::History;
use delivery_kafka::Kafka;
use delivery_runner::{AuditMode, Interrupts, Quiet, RunRequest, init, plan, run_real};

type AnyError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // First of all: the workers of a run are this very program, started again.
    init(&[&Kafka]);
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), AnyError> {
    let request = RunRequest {
        lanes: vec![LaneRequest { preset: Some(String::from("safe")), ..LaneRequest::default() }],
        faults: FaultRequest::parse_list("none")?,
        duration_ms: Some(4_000),
        rate_per_s: 500,
        size_bytes: 128,
        producers: None,
        consumers: 1,
        seed: 1,
        timings: Timings::Vendor,
        required: None,
        audit: AuditMode::Full,
        out: std::env::args().nth(1).unwrap_or_else(|| String::from("runs")).into(),
        keep_data: false,
        name_suffix: String::new(),
        outside: None,
    };
    let planned = plan(&Kafka, &request)?;
    let install = InstallRequest { cache_dir: delivery_verifier::run::cache_dir(), ..InstallRequest::default() };
    let kafka = Kafka.real().ok_or("Kafka runs as processes")?;
    let installation = kafka.install(&install, &mut |line| eprintln!("{line}"))?;
    let code = enclose(|| {
        let judged = Interrupts::listen().map_err(AnyError::from).and_then(|interrupts| {
            let completed = run_real(&planned, &request.out, &Kafka, &installation, &interrupts, &mut Quiet)?;
            let history = History::open(&completed.run_dir)?;
            Ok(delivery_checks::judge(&history.view()))
        });
        match judged {
            Ok(judgement) => {
                for lane in &judgement.lanes {
                    let durability = lane.verdict(Guarantee::Durability).map(|judged| judged.verdict);
                    println!("{}: lost {}, durability {durability:?}", lane.lane, lane.count(FindingKind::Lost));
                }
                0
            }
            Err(error) => {
                eprintln!("error: {error}");
                1
            }
        }
    })?;
    if code == 0 { Ok(()) } else { Err(format!("the run ended with {code}").into()) }
}
