//! A `run.json` of anybody's making, with no events at all.
#![no_main]

use delivery_checks::judge;
use delivery_history::{HistoryView, RunManifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(manifest) = serde_json::from_str::<RunManifest>(text) else { return };
    let judgement = judge(&HistoryView { manifest: &manifest, streams: Vec::new(), damage: Vec::new() });
    assert_eq!(judgement.lanes.len(), manifest.lanes.len());
});
