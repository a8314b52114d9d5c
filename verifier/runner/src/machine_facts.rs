//! What a published figure must say of the machine it was measured on.

use std::fs;

/// Cores, memory, kernel, as far as they can be read: elsewhere than on Linux, cores and the system's name.
pub fn machine_facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_gib(&text));
    let memory = memory.map_or(String::from("memory unknown"), |gib| format!("{gib} GiB"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    let kernel = kernel.map_or(std::env::consts::OS.to_owned(), |release| format!("Linux {}", release.trim()));
    format!("{cores} cores, {memory}, {kernel}")
}

fn total_gib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}
