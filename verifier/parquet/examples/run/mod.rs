//! A run of one lane over one log, made up.

use std::collections::BTreeMap;

use delivery_history::manifest::{Destination, Group, Host, Lane, Role, RunManifest, RunStatus, Worker, Workload};

/// The worker that sends.
pub(crate) const PRODUCER: u16 = 1;
/// The worker that reads.
pub(crate) const CONSUMER: u16 = 2;
/// The worker that reads every replica at the end.
#[allow(dead_code, reason = "only some of those that use this file have one")]
pub(crate) const AUDIT: u16 = 3;

/// Who took part.
pub(crate) fn manifest(run_id: &str, load_ms: u64) -> RunManifest {
    let worker = |name: &str, role: Role, lane: Option<u16>, group: Option<u16>| Worker {
        name: name.into(),
        role,
        lane,
        group,
        host: 101,
        succeeds: None,
    };
    let host = |id: u32| Host { id, name: format!("n{id}"), address: String::new() };
    RunManifest {
        tool_version: String::new(),
        backend: "local".into(),
        seed: 0,
        rate_per_s: 1_000,
        size_bytes: 100,
        load_ms,
        lanes: vec![Lane {
            name: "orders".into(),
            workload: Workload::Log,
            config: BTreeMap::new(),
            settings: String::new(),
            defaults_of: String::new(),
            acknowledged: true,
            resends: false,
            automatic_ack: false,
            not_applied: vec![],
        }],
        nodes: vec![host(1), host(2), host(3)],
        client_hosts: vec![host(101)],
        workers: vec![
            worker("runner", Role::Runner, None, None),
            worker("producer", Role::Producer, Some(0), None),
            worker("consumer", Role::Consumer, Some(0), Some(0)),
            worker("audit", Role::Audit, None, None),
            worker("sentinel", Role::Sentinel, None, None),
        ],
        destinations: vec![Destination {
            lane: 0,
            name: "orders".into(),
            partition: Some(0),
            dead_letters_of: None,
            output_of: None,
            added: false,
        }],
        groups: vec![Group {
            lane: 0,
            name: "readers".into(),
            session_timeout_ms: 6_000,
            read_uncommitted: false,
            reads_outputs: false,
            beside: false,
        }],
        status: RunStatus::Finished { took_ms: 1 },
        ..RunManifest::blank(run_id, "kafka")
    }
}
