//! `verify check` without its printing: a run directory judged from its files, with the findings written back.
//! `cargo bench -p delivery-verifier --bench check`.
//!
//! Budget: at least 20 million events a second from files that are in the page cache.

#[path = "../../checks/benches/scenes/mod.rs"]
mod scenes;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use delivery_checks::judge;
use delivery_claims::judge_claims;
use delivery_history::manifest::{RunManifest, Workload};
use delivery_history::{Event, EventKind, History, RunDir};
use delivery_report::{Exporter, Json, Report};
use scenes::{Order, Scene};

const EVENTS: u64 = 40_000_000;
const RUNS: usize = 7;
/// One message in so many is missing from every audit: there is something to find and to tell.
const LOST_ONE_IN: usize = 10_000;

fn main() {
    let out = tempfile::tempdir().expect("a temporary directory can be made");
    let run_dir = write_run(out.path());
    let mut rates: Vec<f64> = (0..RUNS).map(|_| check(&run_dir)).collect();
    rates.sort_by(f64::total_cmp);
    let (median, slowest, fastest) = (rates[RUNS / 2], rates[0], rates[RUNS - 1]);
    println!(
        "check from file, {EVENTS} events: median {median:.1} M events/s ({slowest:.1}-{fastest:.1}, {RUNS} runs)"
    );
}

fn check(run_dir: &RunDir) -> f64 {
    let began = Instant::now();
    let history = History::open(run_dir).expect("the history was just written");
    let judgement = judge(&history.view());
    let verdict = judge_claims(history.manifest(), &judgement);
    let report = Report { manifest: history.manifest(), judgement: &judgement, verdict: &verdict };
    let mut document = Vec::new();
    Json.export(&report, &mut document).expect("the document fits into memory");
    run_dir.write_text("findings.json", &String::from_utf8_lossy(&document)).expect("the disk has room");
    let took_s = began.elapsed().as_secs_f64();
    assert!(judgement.lanes[0].stats.acked > 0 && !judgement.lanes[0].findings.is_empty());
    history.event_count() as f64 / took_s / 1e6
}

/// A run directory of the same bytes as a recorder writes.
fn write_run(out: &Path) -> RunDir {
    let run_dir = RunDir::create(out, "bench").expect("the directory is new");
    let scene = Scene::new(Workload::Log, Order::Dense, EVENTS);
    let view = scene.view();
    let manifest: &RunManifest = view.manifest;
    run_dir.write_manifest(manifest).expect("the disk has room");
    for (worker, stream) in manifest.workers.iter().zip(&view.streams) {
        let path = run_dir.event_path(&worker.name);
        let mut file = fs::File::create(&path).expect("the directory was just made");
        file.write_all(&delivery_history::format::header_bytes(stream.worker)).expect("the disk has room");
        for block in stream.events.chunks(1 << 16) {
            let kept: Vec<Event> = block.iter().map(without_some).collect();
            file.write_all(bytemuck::cast_slice(&kept)).expect("the disk has room");
        }
    }
    run_dir
}

/// What the audit read, with a control record in the place of some messages.
fn without_some(event: &Event) -> Event {
    let lost = event.kind == EventKind::AuditRead as u8 && (event.offset as usize).is_multiple_of(LOST_ONE_IN);
    if lost { Event { kind: EventKind::AuditControl as u8, ..*event } } else { *event }
}
