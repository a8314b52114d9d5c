//! Events judged a second on one core, in memory: `cargo bench -p delivery-checks --bench judge`.
//!
//! `delivery`: only whether messages arrive, over a log (`log`, eight events a message) and a fan-out (five). `all`:
//! every check over a log. `random`: every check, messages delivered in any order. `all/queue`: every check of competing
//! consumers (seven events a message). 100 million events take 3.2 GB.

mod scenes;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use delivery_checks::{Guarantee, Judgement, Options, Scope, Verdict, judge_with};
use delivery_history::manifest::Workload;
use scenes::{Order, Scene};

/// Events of a history.
const SIZES: [u64; 3] = [1_000_000, 10_000_000, 100_000_000];

/// What is measured must be what a healthy run costs.
fn assert_healthy(judged: &Judgement) {
    let guarantees = judged.lanes[0].guarantees.iter();
    let open: Vec<_> = guarantees.filter(|one| one.verdict != Verdict::Holds).collect();
    assert!(open.is_empty(), "the history that is judged must be a healthy one: {open:?}");
    assert!(judged.lanes[0].verdict(Guarantee::Durability).is_some());
}

fn bench(criterion: &mut Criterion) {
    let groups = [
        ("delivery/log", Workload::Log, Order::Dense, Scope::Delivery),
        ("delivery/fanout", Workload::Fanout, Order::Dense, Scope::Delivery),
        ("all/log", Workload::Log, Order::Dense, Scope::All),
        ("all/fanout", Workload::Fanout, Order::Dense, Scope::All),
        ("all/queue", Workload::Queue, Order::Dense, Scope::All),
        ("random/log", Workload::Log, Order::Random, Scope::All),
    ];
    let options = |scope: Scope| Options { scope, threads: 1, ..Options::default() };
    for (name, workload, order, scope) in groups {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for events in SIZES {
            let scene = Scene::new(workload, order, events);
            let history = scene.view();
            assert_healthy(&judge_with(&history, &options(scope)));
            group.throughput(Throughput::Elements(scene.events()));
            group.bench_with_input(BenchmarkId::from_parameter(events), &history, |bencher, history| {
                bencher.iter(|| judge_with(black_box(history), &options(scope)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
