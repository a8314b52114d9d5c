//! Cost of recording one event (budget: 40 ns over 2 M events) and the worst stall.
//!
//! `cargo bench -p delivery-history --bench record`

use std::hint::black_box;
use std::time::{Duration, Instant};

use delivery_history::{Clock, Event, EventKind, Recorder};

const EVENTS: u32 = 2_000_000;
const ROUNDS: usize = 7;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut rounds: Vec<(f64, Duration)> = (0..ROUNDS)
        .map(|round| {
            let path = directory.path().join(format!("{round}.events"));
            let mut recorder = Recorder::create(&path, 0, Clock::Monotonic).expect("the file can be made");
            let measured = measure(&mut recorder);
            recorder.close().expect("the file can be trimmed");
            std::fs::remove_file(&path).expect("the file can be removed");
            measured
        })
        .collect();
    rounds.sort_by(|left, right| left.0.total_cmp(&right.0));
    let worst = rounds.iter().map(|round| round.1).max().unwrap_or_default();
    println!(
        "record one event: median {:.1} ns, fastest {:.1} ns, slowest {:.1} ns over {ROUNDS} rounds of {EVENTS} events; worst stall {:.2} ms",
        rounds[ROUNDS / 2].0,
        rounds[0].0,
        rounds[ROUNDS - 1].0,
        worst.as_secs_f64() * 1e3
    );
}

/// Nanoseconds an event and the longest gap, watched every 1,000 events so that watching costs nothing.
fn measure(recorder: &mut Recorder) -> (f64, Duration) {
    let begin = Instant::now();
    let (mut last, mut worst) = (begin, Duration::ZERO);
    for sequence in 0..EVENTS {
        let event = Event::new(EventKind::SendInvoked).message(1, sequence).destination(3);
        recorder.record(black_box(event)).expect("the disk has room");
        if sequence % 1_000 == 0 {
            let now = Instant::now();
            worst = worst.max(now - last);
            last = now;
        }
    }
    (begin.elapsed().as_nanos() as f64 / f64::from(EVENTS), worst)
}
