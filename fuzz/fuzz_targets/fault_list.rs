//! What somebody types behind `--faults`.
#![no_main]

use delivery_faults::schedule::Defaults;
use delivery_faults::{FaultRequest, plan_load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(requests) = FaultRequest::parse_list(text) else { return };
    let defaults = Defaults { baseline_ms: 8_000, after_heal_ms: 5_000, detection_ms: 11_000 };
    if let Ok(planned) = plan_load(&requests, None, defaults) {
        assert!(planned.faults.iter().all(|fault| fault.start_ms + fault.duration_ms <= planned.load_ms));
    }
});
