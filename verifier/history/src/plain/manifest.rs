//! The manifest of a history somebody else recorded: it says only what is known.

use std::collections::BTreeMap;

use crate::manifest::{Host, Lane, RunManifest, RunStatus, Workload};

/// [`RunManifest::backend`] of a history that was read from a file: nothing is known of where it ran.
pub const FILE_BACKEND: &str = "file";
/// Name of the one lane of such a history, unless the file names others.
pub const LANE: &str = "history";
/// Number of the first client host.
pub(super) const FIRST_CLIENT_HOST: u32 = 101;

/// A manifest for a file of that name and format, with one lane, whose events span this long.
pub fn file_manifest(file: &str, format: &str, acknowledged: bool, spans_ms: u64) -> RunManifest {
    RunManifest {
        broker_version: String::from("unknown"),
        client: String::from("unknown"),
        backend: FILE_BACKEND.to_owned(),
        timings: String::from("unknown"),
        seed: 0,
        load_ms: spans_ms,
        lanes: vec![lane(LANE, Workload::Log, acknowledged)],
        client_hosts: vec![Host { id: FIRST_CLIENT_HOST, name: String::from("its host"), address: String::new() }],
        status: RunStatus::Finished { took_ms: spans_ms },
        ..RunManifest::blank(file, format)
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
