//! Events judged a second on one core, in memory: `cargo bench -p delivery-checks`.
//!
//! `delivery`: the delivery checks, without audits. `all`: every check, dense. `random`: every
//! check, messages stored and read in any order. `queue`: every check of competing consumers.

mod scenes;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use delivery_checks::{Guarantee, Judgement, Verdict, judge};
use delivery_history::manifest::Workload;
use scenes::{Order, Scene};

/// What is measured must be what a healthy run costs.
fn assert_healthy(judged: &Judgement, order: Order) {
    let guarantees = judged.lanes[0].guarantees.iter();
    let open: Vec<_> = guarantees
        .filter(|one| one.verdict != Verdict::Holds && (order == Order::Dense || one.name != Guarantee::Ordering))
        .collect();
    assert!(open.is_empty(), "the history that is judged must be a healthy one: {open:?}");
}

fn bench(criterion: &mut Criterion) {
    let groups = [
        ("delivery", Workload::Fanout, Order::Dense),
        ("all", Workload::Log, Order::Dense),
        ("random", Workload::Log, Order::Random),
        ("queue", Workload::Queue, Order::Dense),
    ];
    for (name, workload, order) in groups {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for events in [1_000_000u64, 10_000_000] {
            let scene = Scene::new(workload, order, events);
            let history = scene.view();
            assert_healthy(&judge(&history), order);
            group.throughput(Throughput::Elements(scene.events()));
            group.bench_with_input(BenchmarkId::from_parameter(events), &history, |bencher, history| {
                bencher.iter(|| judge(black_box(history)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
