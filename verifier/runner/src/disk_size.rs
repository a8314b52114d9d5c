//! How large the disks of nodes are where they have a bound, and whether the machine has room for them.
//!
//! They lie in memory, which a fault that fills them takes whole.

use std::fs;

use delivery_broker::ConfigError;
use delivery_history::RunManifest;

/// Of a node without any message: logs of its own, and what brokers want to be free at all times (RabbitMQ: 50 MB).
const BASE_BYTES: u64 = 160 << 20;
/// What a message takes beside its payload, at most, in every copy and index of it.
const ENVELOPE_BYTES: u64 = 512;
/// Copies of a message that a node may have at once: in a log that is written ahead, and where it stays.
const COPIES: u64 = 3;

/// Size of each node's disk, bytes: all that a run sends is on it, and what the fault fills is left.
pub(crate) fn bounded_disk_bytes(manifest: &RunManifest) -> u64 {
    let a_message = u64::from(manifest.size_bytes) + ENVELOPE_BYTES;
    let messages = u64::from(manifest.rate_per_s) * manifest.lanes.len() as u64 * (manifest.load_ms / 1_000 + 1);
    BASE_BYTES.saturating_add(messages.saturating_mul(a_message).saturating_mul(COPIES))
}

/// Refuses disks that the machine has no memory for.
///
/// # Errors
/// With what they take and what there is.
pub(crate) fn check_memory(manifest: &RunManifest) -> Result<(), ConfigError> {
    let Some(available_bytes) = available_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default()) else {
        return Ok(());
    };
    check(manifest, available_bytes)
}

fn check(manifest: &RunManifest, available_bytes: u64) -> Result<(), ConfigError> {
    let nodes = (manifest.nodes.len() + manifest.controllers.len()) as u64;
    let bytes = bounded_disk_bytes(manifest).saturating_mul(nodes);
    // The nodes themselves need some, too.
    if bytes <= available_bytes / 2 {
        return Ok(());
    }
    Err(ConfigError::Contradiction(format!(
        "`disk-full` cannot be had on this machine: the disks of {nodes} nodes lie in memory and take {} MiB, and half of the {} MiB available is all they may take; give the run a lower --rate, a smaller --size or a shorter --duration",
        bytes >> 20,
        available_bytes >> 20
    )))
}

/// `MemAvailable` of `/proc/meminfo` (proc(5)), bytes.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use delivery_history::manifest::Host;

    use super::*;

    fn manifest(rate_per_s: u32) -> RunManifest {
        let host = |id| Host { id, name: format!("n{id}"), address: String::new() };
        RunManifest {
            tool_version: String::new(),
            backend: String::from("local"),
            timings: String::new(),
            rate_per_s,
            size_bytes: 100,
            load_ms: 24_000,
            nodes: (1..=3).map(host).collect(),
            ..RunManifest::blank("", "kafka")
        }
    }

    #[test]
    fn disks_that_memory_has_no_room_for_are_refused() {
        assert_eq!(check(&manifest(1_000), 960 << 20), Ok(()));
        let told = check(&manifest(1_000), 959 << 20).unwrap_err().to_string();
        assert!(told.contains("take 480 MiB") && told.contains("959 MiB available"), "{told}");
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24684612 kB\nMemFree:         2610000 kB\nMemAvailable:   23398000 kB\n";
        assert_eq!(available_bytes(text), Some(23_398_000 * 1_024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }
}
