//! The manifest of a history somebody else recorded: it says only what is known.

use std::collections::BTreeMap;

use crate::manifest::{Host, Lane, MANIFEST_FORMAT, RunManifest, RunStatus, Workload};

/// [`RunManifest::backend`] of a history that was read from a file: nothing is known of where it ran.
pub const FILE_BACKEND: &str = "file";
/// Name of the one lane of such a history, unless the file names others.
pub const LANE: &str = "history";
/// Number of the first client host.
pub(super) const FIRST_CLIENT_HOST: u32 = 101;

/// A manifest for a file of that name and format, with one lane, whose events span this long.
pub fn file_manifest(file: &str, format: &str, acknowledged: bool, spans_ms: u64) -> RunManifest {
    RunManifest {
        format: MANIFEST_FORMAT,
        run_id: file.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        tool_commit: String::new(),
        system: format.to_owned(),
        broker_version: String::from("unknown"),
        features: BTreeMap::new(),
        client: String::from("unknown"),
        backend: FILE_BACKEND.to_owned(),
        simulated: false,
        timings: String::from("unknown"),
        tuned: Vec::new(),
        seed: 0,
        started_at: String::new(),
        machine: String::new(),
        required: Vec::new(),
        user_configuration: false,
        rate_per_s: 0,
        size_bytes: 0,
        load_ms: spans_ms,
        lanes: vec![lane(LANE, Workload::Log, acknowledged)],
        nodes: Vec::new(),
        controllers: Vec::new(),
        client_hosts: vec![Host { id: FIRST_CLIENT_HOST, name: String::from("its host"), address: String::new() }],
        machines: Vec::new(),
        workers: Vec::new(),
        destinations: Vec::new(),
        groups: Vec::new(),
        faults: Vec::new(),
        by_hand: Vec::new(),
        cluster_of: None,
        limits_ms: BTreeMap::new(),
        status: RunStatus::Finished { took_ms: spans_ms },
    }
}

/// A lane nothing more is known of.
pub(super) fn lane(name: &str, workload: Workload, acknowledged: bool) -> Lane {
    Lane {
        name: name.to_owned(),
        workload,
        config: BTreeMap::new(),
        settings: String::from("as recorded"),
        defaults_of: String::new(),
        acknowledged,
        resends: false,
        automatic_ack: false,
        not_applied: Vec::new(),
    }
}
