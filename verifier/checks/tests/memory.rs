//! Memory of a judgement, beyond the history itself: at most 8 bytes a message, and 1 more for each further group.

#[path = "../benches/scenes/mod.rs"]
mod scenes;

use delivery_checks::{Options, judge_with};
use delivery_history::manifest::Workload;
use peak_alloc::PeakAlloc;
use scenes::{Order, Scene};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most bytes that were allocated at once while a history of so many messages was judged.
fn peak_bytes(workload: Workload, order: Order, messages: u64, groups: u16) -> u64 {
    let events_per_message = if workload == Workload::Log { 8 } else { 5 };
    let scene = Scene::new(workload, order, messages * events_per_message).read_by(groups);
    let history = scene.view();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let judged = judge_with(&history, &Options { threads: 1, ..Options::default() });
    assert_eq!(judged.lanes[0].stats.acked, messages);
    (MEMORY.peak_usage() - before) as u64
}

/// Tables of fixed size fall out of the difference.
fn bytes_a_message(workload: Workload, order: Order, groups: u16) -> f64 {
    const MESSAGES: u64 = 30_000;
    let few = peak_bytes(workload, order, MESSAGES, groups);
    let many = peak_bytes(workload, order, 3 * MESSAGES, groups);
    many.saturating_sub(few) as f64 / (2 * MESSAGES) as f64
}

#[test]
fn a_message_takes_eight_bytes_and_one_for_each_further_group() {
    for (workload, order) in
        [(Workload::Log, Order::Dense), (Workload::Fanout, Order::Dense), (Workload::Log, Order::Random)]
    {
        for groups in [1, 2, 4] {
            let bytes = bytes_a_message(workload, order, groups);
            let budget = 8.0 + f64::from(groups - 1);
            assert!(bytes <= budget, "{workload:?} {order:?} by {groups} groups: {bytes} bytes a message");
            assert!(bytes > 4.0, "nothing was measured: {bytes}");
        }
    }
}
