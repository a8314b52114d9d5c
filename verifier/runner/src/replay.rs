//! A recorded run, planned again: the very same lanes, settings, seed, times and targets.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::{ConfigError, LanePlan, System, Timings};
use delivery_history::manifest::{Role, RunStatus, Worker, Workload};
use delivery_history::{Event, EventKind, RunDir, RunManifest, read_events};

use crate::machine::{Limits, MachinePlan};
use crate::machine_facts::machine_facts;
use crate::plan::{AROUND_LOAD_MS, RunPlan, common_broker_config, run_id, tag_of, windows};
use crate::request::{AuditMode, PlanError};

/// Plans the run of `recorded` again. Faults that had started there hit whom they hit then, whoever holds the role now.
///
/// # Errors
/// When `system` is another one, or the manifest contradicts itself.
pub fn replan(system: &dyn System, recorded: &RunManifest) -> Result<RunPlan, PlanError> {
    let info = system.info();
    if recorded.system != info.name {
        return Err(ConfigError::Contradiction(format!(
            "the run is one of {}, and cannot be run again with {}",
            recorded.system, info.title
        ))
        .into());
    }
    if recorded.backend == "external" {
        return Err(ConfigError::Contradiction(String::from(
            "the run was one on a cluster that somebody else runs, and how to get in is not recorded: run it anew, with \
             its schedule.toml (`--schedule`)",
        ))
        .into());
    }
    if let Some(lane) = recorded.lanes.iter().find(|lane| lane.workload == Workload::Transactions) {
        return Err(ConfigError::Contradiction(format!(
            "lane `{}` works in transactions, and how is not recorded: run it anew, with its schedule.toml (`--schedule`)",
            lane.name
        ))
        .into());
    }
    check_references(recorded)?;
    let now = jiff::Timestamp::now();
    let mut manifest = recorded.clone();
    manifest.run_id = run_id(info.name, now);
    manifest.started_at = now.to_string();
    manifest.tool_version = env!("CARGO_PKG_VERSION").to_owned();
    manifest.tool_commit.clear();
    manifest.machine = machine_facts();
    manifest.client.clone_from(&info.client);
    manifest.features.clear();
    manifest.by_hand.clear();
    manifest.cluster_of = None;
    manifest.status = RunStatus::Running;
    let lanes: Vec<LanePlan> = (0u16..).zip(&recorded.lanes).map(|(lane, _)| lane_plan(recorded, lane)).collect();
    Ok(RunPlan {
        expected_ms: (!manifest.simulated).then_some(manifest.load_ms + info.start_ms + AROUND_LOAD_MS),
        machine: MachinePlan {
            load_ms: manifest.load_ms,
            faults: windows(&manifest.faults),
            limits: limits(recorded)?,
        },
        leader: None,
        broker_config: common_broker_config(&lanes)?,
        lanes,
        timings: if manifest.timings == "short" { Timings::Short } else { Timings::Vendor },
        // Which audit was asked for is not recorded; the full one shows whatever a quick one shows.
        audit: AuditMode::Full,
        run_tag: if manifest.simulated { manifest.seed } else { tag_of(&manifest.run_id) },
        keep_data: false,
        manifest,
    })
}

/// The node that led most of a recorded run's destinations when it was first asked; nothing where nobody was, or none led.
///
/// A fault that hit the leader then is to hit the leader again: who leads at first is up to chance otherwise.
pub fn first_leader(run_dir: &RunDir, recorded: &RunManifest) -> Option<u32> {
    let observers = (0u16..).zip(&recorded.workers).filter(|(_, worker)| worker.role == Role::Observer);
    let read =
        |(number, worker): (u16, &Worker)| read_events(&run_dir.event_path(&worker.name), number).unwrap_or_default();
    let nodes: BTreeSet<u32> = recorded.nodes.iter().map(|node| node.id).collect();
    most_led(&observers.flat_map(read).collect::<Vec<_>>(), &nodes)
}

/// Who led most destinations when each was first told of; the lowest number where several did.
fn most_led(events: &[Event], nodes: &BTreeSet<u32>) -> Option<u32> {
    let mut leaders: BTreeMap<u16, u32> = BTreeMap::new();
    let named = events.iter().filter(|event| event.kind() == Some(EventKind::ObservedLeader));
    for event in named.filter(|event| nodes.contains(&event.detail)) {
        leaders.entry(event.destination).or_insert(event.detail);
    }
    let times = |node: u32| leaders.values().filter(|leader| **leader == node).count();
    leaders.values().copied().max_by_key(|node| (times(*node), std::cmp::Reverse(*node)))
}

/// What an adapter once made of the lane, read back from what became of it.
fn lane_plan(recorded: &RunManifest, number: u16) -> LanePlan {
    let lane = recorded.lanes[usize::from(number)].clone();
    let places = || recorded.destinations.iter().filter(|place| place.lane == number && !place.added);
    let groups = || recorded.groups.iter().filter(|group| group.lane == number);
    LanePlan {
        partitions: places().filter(|place| place.dead_letters_of.is_none()).count().try_into().unwrap_or(u32::MAX),
        dead_letters: places().any(|place| place.dead_letters_of.is_some()),
        readers_apart: lane.workload != Workload::Fanout && groups().count() > 1,
        transactions: None,
        session_timeout_ms: groups().map(|group| group.session_timeout_ms).max().unwrap_or(0),
        lane,
    }
}

fn limits(recorded: &RunManifest) -> Result<Limits, ConfigError> {
    let limit = |name: &str| {
        recorded.limits_ms.get(name).copied().ok_or_else(|| damaged(&format!("it has no limit called `{name}`")))
    };
    Ok(Limits {
        start_ms: limit("start")?,
        prepare_ms: limit("prepare")?,
        clients_ms: limit("clients")?,
        recover_ms: limit("recover")?,
        flush_ms: limit("flush")?,
        sentinels_ms: limit("sentinels")?,
        drain_ms: limit("drain")?,
        audit_ms: limit("audit")?,
        transactions_ms: recorded.limits_ms.get("transactions").copied(),
    })
}

/// A manifest may have been written by hand: nothing in it may name what is not there.
fn check_references(recorded: &RunManifest) -> Result<(), ConfigError> {
    let lane = |lane: u16| usize::from(lane) < recorded.lanes.len();
    let group = |group: u16| usize::from(group) < recorded.groups.len();
    let node = |host: u32| recorded.nodes.iter().chain(&recorded.controllers).any(|known| known.id == host);
    let host = |host: u32| node(host) || recorded.client_hosts.iter().any(|known| known.id == host);
    let worker = |worker: &u16| usize::from(*worker) < recorded.workers.len();
    let well = !recorded.nodes.is_empty()
        && recorded.workers.iter().any(|worker| worker.role == Role::Runner)
        && recorded.destinations.iter().all(|place| lane(place.lane))
        && recorded.groups.iter().all(|one| lane(one.lane))
        && recorded.workers.iter().all(|one| {
            one.lane.is_none_or(lane)
                && one.group.is_none_or(group)
                && host(one.host)
                && one.succeeds.iter().all(worker)
        })
        && recorded.faults.iter().all(|fault| {
            let ends_ms = fault.start_ms.checked_add(fault.duration_ms);
            ends_ms.is_some_and(|ends_ms| ends_ms <= recorded.load_ms)
                && fault.targets.iter().all(|target| node(*target))
                && fault.cut.iter().all(|(from, to)| host(*from) && host(*to))
                && fault.workers.iter().all(worker)
                && fault.adds.iter().all(|place| usize::from(*place) < recorded.destinations.len())
        });
    let in_order = recorded.faults.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms);
    match well && in_order {
        true => Ok(()),
        false => Err(damaged("it names lanes, groups, hosts, workers or times that are not there")),
    }
}

fn damaged(why: &str) -> ConfigError {
    ConfigError::Contradiction(format!(
        "the run cannot be run again from its run.json: {why}. Run it anew, with its schedule.toml (`--schedule`)."
    ))
}

#[cfg(test)]
mod tests {
    use delivery_history::NO_NODE;

    use super::*;

    #[test]
    fn whoever_led_at_first_leads_again_and_not_who_took_over() {
        let led = |destination: u16, leader: u32| {
            Event::new(EventKind::ObservedLeader).destination(destination).detail(leader)
        };
        let nodes = BTreeSet::from([1, 2, 3]);
        let told = [led(0, NO_NODE), led(0, 2), led(1, 2), led(2, 3), led(0, 1), led(1, 1), led(2, 1)];
        assert_eq!(most_led(&told, &nodes), Some(2));
        assert_eq!(most_led(&[led(0, 3), led(1, 2)], &nodes), Some(2));
        assert_eq!(most_led(&[led(0, NO_NODE), led(0, 9)], &nodes), None);
    }
}
