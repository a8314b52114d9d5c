//! Events judged a second on one core, in memory: `cargo bench -p delivery-checks --bench judge [-- GROUP...]`.
//!
//! `delivery`: only whether messages arrive, over a log (eight events a message) and a fan-out (five). `all`: every
//! check; of queues seven events a message. `random`: every check, messages delivered in any order. Time is that of the
//! judging thread on its core, so that others on the machine do not count. 100 million events take 3.2 GB.

mod scenes;

use std::hint::black_box;

use delivery_checks::{Guarantee, Judgement, Options, Scope, Verdict, judge_with};
use delivery_history::manifest::Workload;
use nix::time::{ClockId, clock_gettime};
use scenes::{Order, Scene};

/// Events of a history, and how often it is judged.
const SIZES: [(u64, usize); 3] = [(1_000_000, 31), (10_000_000, 11), (100_000_000, 5)];
const GROUPS: [(&str, Workload, Order, Scope); 6] = [
    ("delivery/log", Workload::Log, Order::Dense, Scope::Delivery),
    ("delivery/fanout", Workload::Fanout, Order::Dense, Scope::Delivery),
    ("all/log", Workload::Log, Order::Dense, Scope::All),
    ("all/fanout", Workload::Fanout, Order::Dense, Scope::All),
    ("all/queue", Workload::Queue, Order::Dense, Scope::All),
    ("random/log", Workload::Log, Order::Random, Scope::All),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, workload, order, scope) in GROUPS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            SIZES.iter().for_each(|(events, runs)| measure(name, &Scene::new(workload, order, *events), scope, *runs));
        }
    }
}

fn measure(name: &str, scene: &Scene, scope: Scope, runs: usize) {
    let history = scene.view();
    let options = Options { scope, threads: 1, ..Options::default() };
    assert_healthy(&judge_with(&history, &options));
    let timed = (0..runs).map(|_| {
        let began_s = cpu_s();
        black_box(judge_with(black_box(&history), &options));
        scene.events() as f64 / (cpu_s() - began_s) / 1e6
    });
    let mut rates: Vec<f64> = timed.collect();
    rates.sort_by(f64::total_cmp);
    let (median, slowest, fastest) = (rates[runs / 2], rates[0], rates[runs - 1]);
    let events = scene.events();
    println!("{name:16} {events:>11} events: {median:6.1} M events/s ({slowest:.1}-{fastest:.1}, {runs} runs)");
}

/// What is measured must be what a healthy run costs.
fn assert_healthy(judged: &Judgement) {
    let guarantees = judged.lanes[0].guarantees.iter();
    let open: Vec<_> = guarantees.filter(|one| one.verdict != Verdict::Holds).collect();
    assert!(open.is_empty(), "the history that is judged must be a healthy one: {open:?}");
    assert!(judged.lanes[0].verdict(Guarantee::Durability).is_some());
}

/// Seconds this thread has spent on a core.
fn cpu_s() -> f64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    spent.tv_sec() as f64 + spent.tv_nsec() as f64 / 1e9
}
