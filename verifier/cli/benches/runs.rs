//! Whole runs, start to verdict, from the outside: `cargo bench -p delivery-verifier --bench runs`.
//!
//! Budgets: three Kafka nodes up within 12 s and `kafka --faults netsplit` within 60 s on two cores;
//! `pubsub --faults netsplit`, 60 simulated seconds and 5 hosts, within 1 s.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PUBSUB_RUNS: usize = 11;
const KAFKA_RUNS: usize = 3;

/// From the start of the program to the end of a phase, and to its own end.
struct Timed {
    up: Duration,
    whole: Duration,
}

fn main() {
    let out = tempfile::tempdir().expect("a temporary directory can be made");
    let pubsub = timed(PUBSUB_RUNS, &["pubsub", "--faults", "netsplit", "--seed", "7"], out.path());
    println!("pubsub --faults netsplit: {}", spread(pubsub.iter().map(|run| run.whole)));
    if !kafka_can_run() {
        println!("kafka: this machine cannot run it; `verify doctor kafka` says why");
        return;
    }
    let kafka = timed(KAFKA_RUNS, &["kafka", "--faults", "netsplit"], out.path());
    println!("kafka, start to baseline: {}", spread(kafka.iter().map(|run| run.up)));
    println!("kafka --faults netsplit: {}", spread(kafka.iter().map(|run| run.whole)));
}

fn timed(runs: usize, arguments: &[&str], out: &Path) -> Vec<Timed> {
    (0..runs).map(|_| one(arguments, out)).collect()
}

fn one(arguments: &[&str], out: &Path) -> Timed {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(arguments)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut up = Duration::ZERO;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("] baseline") {
                up = began.elapsed();
            }
        }
    }
    let status = child.wait().expect("the program ends");
    assert_eq!(status.code(), Some(0), "{arguments:?} ends with a verdict");
    Timed { up, whole: began.elapsed() }
}

fn kafka_can_run() -> bool {
    let doctor = Command::new(env!("CARGO_BIN_EXE_verify")).args(["doctor", "kafka"]).stdout(Stdio::null()).status();
    doctor.is_ok_and(|status| status.success())
}

fn spread(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    format!(
        "median {:.2} s, fastest {:.2} s, slowest {:.2} s of {} runs",
        times[times.len() / 2],
        times[0],
        times[times.len() - 1],
        times.len()
    )
}
