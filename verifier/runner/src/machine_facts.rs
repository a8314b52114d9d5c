//! What a published figure must say of the machine it was measured on.

use std::fs;

/// Cores, memory, kernel, as far as they can be read.
pub fn machine_facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_gib(&text));
    let memory = memory.map_or(String::from("memory unknown"), |gib| format!("{gib} GiB"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {memory}, Linux {}", kernel.trim())
}

fn total_gib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}
