//! Any events at all, spread over the workers of a real run: judged without a panic and without
//! taking memory for what is only claimed.
#![no_main]

use std::sync::OnceLock;

use delivery_checks::judge;
use delivery_history::{Event, HistoryView, RunManifest, StreamView};
use libfuzzer_sys::fuzz_target;

fn manifest() -> &'static RunManifest {
    static MANIFEST: OnceLock<RunManifest> = OnceLock::new();
    MANIFEST.get_or_init(|| serde_json::from_str(include_str!("../run.json")).expect("the manifest is one of ours"))
}

fuzz_target!(|bytes: &[u8]| {
    let manifest = manifest();
    let workers = manifest.workers.len();
    let mut streams: Vec<Vec<Event>> = vec![Vec::new(); workers];
    for chunk in bytes.chunks_exact(1 + size_of::<Event>()) {
        let mut event: Event = bytemuck::pod_read_unaligned(&chunk[1..]);
        event.time_ns = event.time_ns.max(1);
        streams[usize::from(chunk[0]) % workers].push(event);
    }
    let streams = (0u16..).zip(&streams).map(|(worker, events)| StreamView { worker, events }).collect();
    let _ = judge(&HistoryView { manifest, streams, damage: Vec::new() });
});
