//! Queueing disciplines on both ends of a host's link (`tc`): what it says waits at its own end, what it hears at the
//! bridge's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde_json::Value;

use super::tools::{TC, run};
use crate::process::Place;

/// Longest a packet waits in a queue before its kind is dropped, milliseconds.
const LONGEST_WAIT_MS: u32 = 500;
/// Bytes that may go at once, at least: two full frames.
const LEAST_BURST_BYTES: u32 = 3_100;
/// Packets that a delayed link holds; more than any run sends in the longest delay.
const DELAYED_PACKETS: u32 = 100_000;

/// One end of a link.
#[derive(Clone, Debug)]
pub(crate) struct LinkEnd {
    /// The namespace it is in.
    pub(crate) namespace: Arc<OwnedFd>,
    /// Its name there.
    pub(crate) device: String,
}

/// What a discipline counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    /// Packets that left it.
    pub(crate) packets: u64,
    /// Times it held a packet back.
    pub(crate) overlimits: u64,
    /// Packets its queue had no room for.
    pub(crate) drops: u64,
}

/// A token bucket of this rate (tc-tbf(8)).
pub(crate) fn bandwidth(kbit_per_s: u32) -> String {
    // What the slowest timer lets through at once: a hundredth of a second's worth.
    let burst_bytes = LEAST_BURST_BYTES.max(kbit_per_s.saturating_mul(1_000 / 8) / 100);
    format!("tbf rate {kbit_per_s}kbit burst {burst_bytes} latency {LONGEST_WAIT_MS}ms")
}

/// A delay with jitter (tc-netem(8)).
pub(crate) fn delay(delay_ms: u32, jitter_ms: u32) -> String {
    format!("netem limit {DELAYED_PACKETS} delay {delay_ms}ms {jitter_ms}ms")
}

impl LinkEnd {
    fn tc(&self, arguments: &[&str]) -> Result<String, String> {
        let program = TC.find().map_err(|error| error.to_string())?;
        run(&program, arguments, Place::network(&self.namespace), "")
    }

    /// Makes `discipline` this end's own.
    ///
    /// # Errors
    /// What `tc` said: another one is there, or the kernel does not know it.
    pub(crate) fn add(&self, discipline: &str) -> Result<(), String> {
        let place = ["qdisc", "add", "dev", &self.device, "root"];
        let words: Vec<&str> = place.into_iter().chain(discipline.split(' ')).collect();
        self.tc(&words).map(drop)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// What `tc` said.
    pub(crate) fn remove(&self) -> Result<(), String> {
        self.tc(&["qdisc", "del", "dev", &self.device, "root"]).map(drop)
    }

    /// Reads its counts.
    ///
    /// # Errors
    /// What `tc` said, or what is missing from it.
    pub(crate) fn counts(&self) -> Result<QueueCounts, String> {
        parse_counts(&self.tc(&["-s", "-j", "qdisc", "show", "dev", &self.device, "root"])?)
    }
}

fn parse_counts(json: &str) -> Result<QueueCounts, String> {
    let document: Value = serde_json::from_str(json).map_err(|error| format!("tc printed no JSON: {error}"))?;
    let known = |discipline: &&Value| ["tbf", "netem"].iter().any(|kind| discipline["kind"] == *kind);
    let disciplines = document.as_array().ok_or("tc printed no list of disciplines")?;
    let mine = disciplines.iter().find(known).ok_or("tc printed no discipline of a fault")?;
    let count = |name: &str| mine[name].as_u64().ok_or_else(|| format!("tc printed no count `{name}`"));
    Ok(QueueCounts { packets: count("packets")?, overlimits: count("overlimits")?, drops: count("drops")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_takes_two_frames_and_a_hundredth_of_a_second() {
        assert_eq!(bandwidth(64), "tbf rate 64kbit burst 3100 latency 500ms");
        assert_eq!(bandwidth(100_000), "tbf rate 100000kbit burst 125000 latency 500ms");
    }

    #[test]
    fn counts_are_read_from_the_faults_own_discipline_and_a_missing_one_is_no_zero() {
        let printed = r#"[{"kind":"noqueue","packets":0},{"kind":"tbf","handle":"8001:","bytes":90,"packets":3,
            "drops":1,"overlimits":7,"requeues":0}]"#;
        assert_eq!(parse_counts(printed), Ok(QueueCounts { packets: 3, overlimits: 7, drops: 1 }));
        for missing in ["", "[]", r#"[{"kind":"noqueue","packets":0}]"#, r#"[{"kind":"tbf","packets":3}]"#] {
            assert!(parse_counts(missing).is_err(), "{missing}");
        }
    }
}
