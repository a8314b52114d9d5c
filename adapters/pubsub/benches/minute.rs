//! A simulated minute: 5 hosts, 3 lanes at 1,000 messages a second, a subscriber a node and lane,
//! a cut of 7.5 s in it, everything recorded. The budget is one second.

#[path = "../tests/bus/harness.rs"]
#[expect(dead_code, reason = "the tests ask it more than a benchmark does")]
mod harness;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{Bed, Setup};

fn minute(seed: u64) -> u64 {
    let setup = Setup { rate_per_s: 1_000.0, size_bytes: 128, ..Setup::tour(seed) };
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(20_000);
    bed.cut_first(setup.nodes);
    bed.run_ms(7_500);
    bed.heal();
    bed.run_ms(32_500);
    bed.finish().history.event_count()
}

fn bench(criterion: &mut Criterion) {
    println!("events a run: {}", minute(7));
    let mut group = criterion.benchmark_group("pubsub");
    group.sample_size(10);
    group.bench_function("simulated minute", |bencher| bencher.iter(|| minute(7)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
