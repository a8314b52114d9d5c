//! From a request to everything that is known before anything starts.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::external::PREFIX;
use delivery_broker::{
    ChangeKind, ConfigError, LanePlan, LaneRequest, NodeAddress, System, SystemInfo, Timings, TransactionPlan,
};
use delivery_checks::judgement::Guarantee;
use delivery_cluster::machines::Need;
use delivery_faults::random::{Lot, draw};
use delivery_faults::schedule::Defaults;
use delivery_faults::{FaultKind, FaultRequest, LoadPlan, Shape, find_fault, hook, plan_load};
use delivery_history::WorkerMachine;
use delivery_history::manifest::{
    BiteProof, Destination, Fault, Group, Host, MANIFEST_FORMAT, Requirement, Role, RunManifest, RunStatus, Worker,
    Workload,
};
use delivery_workloads::handler::processing;

use crate::disk_size::check_memory;
use crate::machine::{FaultWindow, Limits, MachinePlan};
use crate::machine_facts::machine_facts;
use crate::request::{AuditMode, JoinedMachine, OutsideCluster, PlanError, RunRequest};
use crate::seats::{plan_clients_hit, plan_clients_of_nodes, plan_destinations_added};

/// First client host's number; the observer's host comes after all of them.
pub const FIRST_CLIENT_HOST: u32 = 101;
/// The host no fault cuts: observer, sentinels and audit.
pub const OBSERVER_HOST: u32 = 201;
/// Most machines that may join a run: each is a client host.
pub const MAX_MACHINES: u16 = (OBSERVER_HOST - FIRST_CLIENT_HOST) as u16;
/// Client hosts that faults may cut.
const CLIENT_HOSTS: u32 = 2;
/// Keys a producer uses.
pub const KEYS: u32 = 64;
/// Largest number of clients of one kind a lane may have.
const MAX_CLIENTS: u16 = 32;

/// A run that can start.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// What stands in `run.json` from the start.
    pub manifest: RunManifest,
    /// Lanes with what only adapters need.
    pub lanes: Vec<LanePlan>,
    /// Phases and limits.
    pub machine: MachinePlan,
    /// Timings in force.
    pub timings: Timings,
    /// How much the audit reads.
    pub audit: AuditMode,
    /// In every payload.
    pub run_tag: u64,
    /// Node that is to lead every lane when the load begins; nothing leaves that to the adapter.
    pub leader: Option<u32>,
    /// Broker settings of the run, by full name.
    pub broker_config: BTreeMap<String, String>,
    /// Leave the nodes' data.
    pub keep_data: bool,
    /// Start to verdict as expected, milliseconds of wall-clock time; nothing for a simulation.
    pub expected_ms: Option<u64>,
}

impl RunPlan {
    /// The same run from another seed: in a simulation another history.
    pub fn with_seed(&self, seed: u64) -> Self {
        let mut plan = self.clone();
        plan.manifest.seed = seed;
        if plan.manifest.simulated {
            plan.run_tag = seed;
        }
        plan
    }

    /// Number of the runner's own stream.
    pub fn runner_worker(&self) -> u16 {
        self.worker_numbers(Role::Runner)[0]
    }

    /// Numbers of the workers with this role.
    pub fn worker_numbers(&self, role: Role) -> Vec<u16> {
        (0u16..).zip(&self.manifest.workers).filter(|(_, worker)| worker.role == role).map(|(index, _)| index).collect()
    }

    /// Where what comes of each of a lane's destinations ends, by that destination.
    pub fn outputs_of(&self, lane: u16) -> BTreeMap<u16, u16> {
        let destinations = (0u16..).zip(&self.manifest.destinations);
        let of_lane = destinations.filter(|(_, destination)| destination.lane == lane);
        of_lane.filter_map(|(index, destination)| Some((destination.output_of?, index))).collect()
    }

    /// Numbers of the destinations a group reads.
    pub fn destinations_read_by(&self, group: u16) -> Vec<u16> {
        let group = &self.manifest.groups[usize::from(group)];
        let mut destinations = self.destinations_of(group.lane);
        let is_output = |index: u16| self.manifest.destinations[usize::from(index)].output_of.is_some();
        destinations.retain(|index| is_output(*index) == group.reads_outputs);
        destinations
    }

    /// Numbers of a lane's destinations that are sent to.
    pub fn destinations_of(&self, lane: u16) -> Vec<u16> {
        (0u16..)
            .zip(&self.manifest.destinations)
            .filter(|(_, destination)| destination.lane == lane && destination.dead_letters_of.is_none())
            .map(|(index, _)| index)
            .collect()
    }

    /// Name of the queue in which a lane's dead letters end, where it has one.
    pub fn dead_letters_of(&self, lane: u16) -> Option<String> {
        let mut destinations = self.manifest.destinations.iter();
        let dead_letters =
            destinations.find(|destination| destination.lane == lane && destination.dead_letters_of.is_some());
        dead_letters.map(|destination| destination.name.clone())
    }

    /// What a lane's destinations are.
    pub fn workload_of(&self, lane: u16) -> Workload {
        self.manifest.lanes[usize::from(lane)].workload
    }
}

/// Resolves names, times and defaults; refuses what cannot be run.
///
/// # Errors
/// See [`PlanError`]; nothing was started.
pub fn plan(system: &dyn System, request: &RunRequest) -> Result<RunPlan, PlanError> {
    check_ranges(request)?;
    let info = system.info();
    let mut lanes = plan_lanes(system, &info, request)?;
    if let Some(outside) = &request.outside {
        fit_outside(system, request, outside, &mut lanes)?;
    }
    let broker_config = common_broker_config(&lanes)?;
    check_faults(system, request, &lanes, node_count(&info, &lanes))?;
    let session_timeout_ms = longest_session_timeout_ms(&lanes);
    let load = plan_load(
        &request.faults,
        request.duration_ms,
        Defaults {
            baseline_ms: info.baseline_ms,
            after_heal_ms: info.after_heal_ms,
            detection_ms: system.detection_ms(request.timings),
            session_timeout_ms,
        },
    )?;
    let backlog_ms = longest_backlog_ms(&lanes, request, load.load_ms);
    let limits = limits(&info, &lanes, backlog_ms + discovery_ms(request, &lanes));
    let manifest = manifest(system, &info, request, &lanes, &load, &limits)?;
    if request.outside.is_none() && needs(&manifest.faults, Need::BoundedDisk) {
        check_memory(&manifest)?;
    }
    let windows = windows(&load.faults);
    let run_tag = if manifest.simulated { request.seed } else { tag_of(&manifest.run_id) };
    let start_ms = if request.outside.is_some() { 0 } else { info.start_ms };
    let around_ms = start_ms + AROUND_LOAD_MS;
    Ok(RunPlan {
        expected_ms: (!manifest.simulated).then_some(load.load_ms + around_ms),
        machine: MachinePlan { load_ms: load.load_ms, faults: windows, limits },
        manifest,
        lanes,
        timings: request.timings,
        audit: request.audit,
        run_tag,
        leader: None,
        broker_config,
        keep_data: request.keep_data,
    })
}

/// Expected length of everything that is neither cluster start nor load: destinations, clients,
/// recovery, drain, audit, judging.
pub(crate) const AROUND_LOAD_MS: u64 = 14_000;

/// Whether any of the faults needs it of the nodes' machines.
pub(crate) fn needs(faults: &[Fault], need: Need) -> bool {
    faults.iter().any(|fault| find_fault(&fault.fault).is_ok_and(|kind| kind.needs() == Some(need)))
}

/// When each fault is on.
pub(crate) fn windows(faults: &[Fault]) -> Vec<FaultWindow> {
    faults.iter().map(|fault| FaultWindow { start_ms: fault.start_ms, duration_ms: fault.duration_ms }).collect()
}

/// Longest wait for consumers that take their time, milliseconds; who needs longer does not drain.
const MAX_BACKLOG_MS: u64 = 900_000;

fn check_ranges(request: &RunRequest) -> Result<(), PlanError> {
    let clients = [("--producers", request.producers.unwrap_or(1)), ("--consumers", request.consumers)];
    for (option, value) in clients {
        if value == 0 || value > MAX_CLIENTS {
            return Err(PlanError::OutOfRange { option, value: value.into(), range: "1 to 32" });
        }
    }
    if request.rate_per_s == 0 || request.rate_per_s > 1_000_000 {
        return Err(PlanError::OutOfRange {
            option: "--rate",
            value: request.rate_per_s.into(),
            range: "1 to 1000000 messages a second and lane",
        });
    }
    if request.size_bytes < delivery_broker::payload::HEADER_BYTES as u32 || request.size_bytes > 64 << 20 {
        return Err(PlanError::OutOfRange {
            option: "--size",
            value: request.size_bytes.into(),
            range: "28 bytes (a message's identity) to 64 MiB",
        });
    }
    Ok(())
}

fn plan_lanes(system: &dyn System, info: &SystemInfo, request: &RunRequest) -> Result<Vec<LanePlan>, PlanError> {
    let tour = || {
        let in_tour = info.presets.iter().filter(|preset| preset.in_tour);
        in_tour.map(|preset| LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() }).collect()
    };
    let requests: Vec<LaneRequest> = if request.lanes.is_empty() { tour() } else { request.lanes.clone() };
    let mut lanes: Vec<LanePlan> = Vec::new();
    for lane in &requests {
        let planned = system.lane(lane)?;
        if lanes.iter().any(|known| known.lane.name == planned.lane.name) {
            return Err(ConfigError::Contradiction(format!(
                "lane `{}` was asked for twice; one is enough, or give one of them a --set",
                planned.lane.name
            ))
            .into());
        }
        lanes.push(planned);
    }
    Ok(lanes)
}

fn broker_settings(lane: &LanePlan) -> BTreeMap<String, String> {
    let config = lane.lane.config.iter();
    let of_cluster = |name: &str| name.starts_with("broker.") || name.starts_with("cluster.");
    config.filter(|(name, _)| of_cluster(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// All lanes share one cluster, so they must agree on its settings.
pub(crate) fn common_broker_config(lanes: &[LanePlan]) -> Result<BTreeMap<String, String>, ConfigError> {
    let first = lanes.first().map(broker_settings).unwrap_or_default();
    match lanes.iter().find(|lane| broker_settings(lane) != first) {
        None => Ok(first),
        Some(other) => Err(ConfigError::Contradiction(format!(
            "lanes `{}` and `{}` want different broker or cluster settings, but share one cluster; run them one after the other",
            lanes[0].lane.name, other.lane.name
        ))),
    }
}

fn longest_session_timeout_ms(lanes: &[LanePlan]) -> u64 {
    lanes.iter().map(|lane| lane.session_timeout_ms).max().unwrap_or(0)
}

/// How long the slowest lane's consumers work on all that is sent, milliseconds, where a message takes them time.
fn longest_backlog_ms(lanes: &[LanePlan], request: &RunRequest, load_ms: u64) -> u64 {
    let backlog_ms = |lane: &LanePlan| {
        let processing_ms = u64::try_from(processing(&lane.lane.config).as_millis()).unwrap_or(u64::MAX);
        let messages = u64::from(request.rate_per_s).saturating_mul(load_ms) / 1_000;
        let workers = u64::from(request.consumers).min(lane.partitions.into()).max(1);
        messages.saturating_mul(processing_ms) / workers
    };
    lanes.iter().map(backlog_ms).max().unwrap_or(0).min(MAX_BACKLOG_MS)
}

/// How often librdkafka asks for partitions it does not know of, milliseconds (its default).
const VENDOR_REFRESH_MS: u64 = 300_000;

/// What the backend cannot inject is refused, never skipped.
fn check_faults(system: &dyn System, request: &RunRequest, lanes: &[LanePlan], nodes: u32) -> Result<(), ConfigError> {
    let info = system.info();
    for fault in &request.faults {
        let kind = find_fault(fault.fault)?;
        let why_not = why_not(system, &info, kind, fault.shape, nodes);
        if let Some(reason) = why_not.or_else(|| why_no_lane(system, kind, fault.shape, lanes)) {
            let (label, title) = (fault.label(), info.title);
            return Err(ConfigError::Contradiction(format!("`{label}` has no meaning for {title}: {reason}")));
        }
        if let Some(outside) = &request.outside {
            if let Some(reason) = why_not_outside(kind, fault.shape, outside.has_hook) {
                let label = fault.label();
                return Err(ConfigError::Contradiction(format!(
                    "`{label}` cannot be had with --backend external: {reason}"
                )));
            }
            continue;
        }
        if let Some(reason) = kind.refusal().filter(|_| system.simulated().is_none()) {
            let label = fault.label();
            return Err(ConfigError::Contradiction(format!("`{label}` cannot be had on this machine: {reason}")));
        }
        if request.keep_data && kind.needs() == Some(Need::BoundedDisk) {
            let label = fault.label();
            return Err(ConfigError::Contradiction(format!(
                "`{label}` and --keep-data exclude each other: the nodes' disks lie in memory and end with the run"
            )));
        }
    }
    Ok(())
}

/// Lanes as they can be had on a cluster of somebody else's.
fn fit_outside(
    system: &dyn System,
    request: &RunRequest,
    outside: &OutsideCluster,
    lanes: &mut [LanePlan],
) -> Result<(), ConfigError> {
    let external = system.real().and_then(|real| real.external()).ok_or_else(|| {
        ConfigError::Contradiction(format!("a cluster of {} that runs elsewhere cannot be used", system.info().title))
    })?;
    if request.timings != Timings::Vendor || request.keep_data {
        return Err(ConfigError::Contradiction(String::from(
            "--timings and --keep-data are about nodes that verify starts: with --backend external they are somebody else's",
        )));
    }
    let nodes = u32::try_from(outside.nodes.len()).unwrap_or(u32::MAX);
    lanes.iter_mut().try_for_each(|lane| external.fit(lane, nodes))
}

/// Why a fault cannot be had on a cluster of somebody else's; nothing where it can.
fn why_not_outside(kind: &dyn FaultKind, shape: &str, has_hook: bool) -> Option<&'static str> {
    if let Some(ChangeKind::Leave | ChangeKind::Rebalance) = kind.change(shape) {
        return Some("it would change what others have on that cluster");
    }
    if !hook::is_hooked(kind, shape) {
        return None;
    }
    let needed = "name the command that injects it: --fault-hook CMD (contrib/hooks/ has some)";
    hook::why_not_hooked(kind, shape).or((!has_hook).then_some(needed))
}

/// Every shape of every fault that a cluster of this many nodes can be given.
fn choices(system: &dyn System, nodes: u32) -> Vec<(&'static dyn FaultKind, Shape)> {
    let info = system.info();
    let shapes = |kind: &'static dyn FaultKind| kind.shapes().iter().map(move |shape| (kind, *shape));
    let all = delivery_faults::kind::ALL.iter().flat_map(|kind| shapes(*kind));
    let can = |kind: &dyn FaultKind| kind.is_drawn() && (system.simulated().is_some() || kind.refusal().is_none());
    all.filter(|(kind, shape)| why_not(system, &info, *kind, shape.name, nodes).is_none() && can(*kind)).collect()
}

/// Draws faults from all that the backend can inject, the same for the same seed; they end by `last_end_ms`.
///
/// # Errors
/// Lanes that cannot be planned.
pub fn draw_faults(
    system: &dyn System,
    request: &RunRequest,
    first_start_ms: Option<u64>,
    last_end_ms: Option<u64>,
) -> Result<Vec<FaultRequest>, PlanError> {
    let info = system.info();
    let lanes = plan_lanes(system, &info, request)?;
    let mut choices = choices(system, node_count(&info, &lanes));
    choices.retain(|(kind, shape)| why_no_lane(system, *kind, shape.name, &lanes).is_none());
    let lot = Lot {
        choices: &choices,
        first_start_ms: first_start_ms.unwrap_or(info.baseline_ms),
        last_end_ms,
        detection_ms: system.detection_ms(request.timings),
    };
    Ok(draw(request.seed, &lot))
}

/// Why a system cannot be given a fault; nothing when it can.
fn why_not(
    system: &dyn System,
    info: &SystemInfo,
    kind: &dyn FaultKind,
    shape: &str,
    nodes: u32,
) -> Option<&'static str> {
    if kind.adds_destinations() && !info.grows {
        return Some("it needs topics of partitions, and there are none");
    }
    if let Some(change) = kind.change(shape).filter(|change| !info.changes.contains(change)) {
        return Some(why_no_change(change));
    }
    match shape {
        _ if kind.change(shape) == Some(ChangeKind::Reassign) && nodes <= REPLICAS => {
            return Some("every node holds a replica already; more nodes are needed (cluster.nodes=5)");
        }
        "controller" if !info.has_controller => return Some("it has no controller"),
        "coordinator" if !info.has_controller => return Some("its groups have no coordinator"),
        "ring" if nodes != 5 => return Some("a ring of majorities takes five nodes (cluster.nodes=5)"),
        "bridge" if nodes < 3 => return Some("a bridge stands between two halves: three nodes are needed"),
        _ => {}
    }
    if system.simulated().is_some() { why_not_simulated(kind.name(), shape) } else { None }
}

/// Why no lane has anything that a fault could change; nothing where one has.
fn why_no_lane(system: &dyn System, kind: &dyn FaultKind, shape: &str, lanes: &[LanePlan]) -> Option<&'static str> {
    let change = kind.change(shape)?;
    let mut reasons = lanes.iter().map(|lane| system.why_no_change(change, lane));
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

/// Replicas of a partition where nobody says otherwise.
const REPLICAS: u32 = 3;

/// Why a system that cannot be asked for it cannot be asked for it.
const fn why_no_change(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::TransferLeaders => "it has no leaders that could be moved",
        ChangeKind::ElectPreferred => "none of its replicas is to lead before the others",
        ChangeKind::ElectUnclean => "it cannot be told to let a replica lead that is not in sync",
        ChangeKind::Rebalance => "it has no queues whose leaders it could spread",
        ChangeKind::Reassign => "its replicas cannot be given to another node",
        ChangeKind::Leave => "a node cannot be told to leave it",
    }
}

/// Why a simulated bus whose clients live on its nodes cannot be given it; nothing when it can.
fn why_not_simulated(kind: &str, shape: &str) -> Option<&'static str> {
    match (kind, shape) {
        ("power-loss", _) => Some("it stores nothing that could be lost with the power"),
        ("disk-full" | "slow-disk", _) => Some("its nodes write nothing to a disk"),
        ("clock", _) => Some("there is one clock, that of the simulation"),
        ("restart", _) => Some("simulated software has no orderly end; take kill"),
        ("stop", _) => Some("simulated software has no orderly end; take kill"),
        ("reset", _) => Some("its nodes send each other datagrams, and there is no connection to reset; take netsplit"),
        ("bandwidth", _) => Some("simulated links carry any number of datagrams at once; take delay or loss"),
        ("netsplit", "client") => Some("its clients live on its nodes, with no network in between"),
        (_, "producer" | "consumer") => Some("its clients share the fate of the node they live on; hit a node"),
        _ => None,
    }
}

fn node_count(info: &SystemInfo, lanes: &[LanePlan]) -> u32 {
    lanes.first().and_then(|lane| lane.lane.config.get("cluster.nodes")?.parse().ok()).unwrap_or(info.nodes)
}

/// How long consumers may take to learn of partitions that a fault adds, milliseconds.
fn discovery_ms(request: &RunRequest, lanes: &[LanePlan]) -> u64 {
    let adds = |fault: &FaultRequest| find_fault(fault.fault).is_ok_and(FaultKind::adds_destinations);
    if !request.faults.iter().any(adds) {
        return 0;
    }
    let refresh = |lane: &LanePlan| lane.lane.config.get("consumer.topic.metadata.refresh.interval.ms")?.parse().ok();
    lanes.iter().map(|lane| refresh(lane).unwrap_or(VENDOR_REFRESH_MS)).max().unwrap_or(0)
}

fn limits(info: &SystemInfo, lanes: &[LanePlan], backlog_ms: u64) -> Limits {
    let session_timeout_ms = longest_session_timeout_ms(lanes);
    let transactions = lanes.iter().filter_map(|lane| lane.transactions);
    let transactions_ms = transactions.map(|plan| plan.timeout_ms + plan.cleanup_ms).max();
    let has_queues = lanes.iter().any(|lane| lane.lane.workload == Workload::Queue);
    Limits {
        start_ms: 120_000,
        prepare_ms: 60_000,
        clients_ms: 60_000,
        recover_ms: info.recover_ms,
        flush_ms: 20_000,
        sentinels_ms: 30_000,
        // A group goes on without a dead member only once its session has timed out.
        // A dead worker's transaction ends when the broker ends it, and readers of committed messages wait for that.
        drain_ms: 30_000 + 2 * session_timeout_ms + 2 * transactions_ms.unwrap_or(0) + backlog_ms,
        // The audit of a queue begins with its drain.
        audit_ms: if has_queues { 180_000 + 2 * session_timeout_ms } else { 120_000 },
        transactions_ms,
    }
}

pub(crate) fn limits_by_name(limits: &Limits) -> BTreeMap<String, u64> {
    [
        ("start", limits.start_ms),
        ("prepare", limits.prepare_ms),
        ("clients", limits.clients_ms),
        ("recover", limits.recover_ms),
        ("flush", limits.flush_ms),
        ("sentinels", limits.sentinels_ms),
        ("drain", limits.drain_ms),
        ("audit", limits.audit_ms),
    ]
    .into_iter()
    .chain(limits.transactions_ms.map(|limit_ms| ("transactions", limit_ms)))
    .map(|(name, limit_ms)| (name.to_owned(), limit_ms))
    .collect()
}

fn manifest(
    system: &dyn System,
    info: &SystemInfo,
    request: &RunRequest,
    lanes: &[LanePlan],
    load: &LoadPlan,
    limits: &Limits,
) -> Result<RunManifest, PlanError> {
    let simulated = system.simulated().is_some();
    let user_configuration = !request.lanes.is_empty();
    let now = jiff::Timestamp::now();
    let run_id = run_id(info.name, now);
    let prefix = request.outside.as_ref().map_or_else(String::new, |_| prefix_of(&run_id));
    let mut topology = topology(info, request, lanes, simulated, prefix);
    let mut faults = load.faults.clone();
    plan_clients_hit(&mut topology.workers, &mut faults);
    if simulated {
        plan_clients_of_nodes(&mut topology.workers, &topology.nodes, &faults)?;
    }
    plan_destinations_added(&mut topology.destinations, &mut faults);
    if request.outside.is_some() {
        faults.iter_mut().for_each(mark_hooked);
    }
    Ok(RunManifest {
        format: MANIFEST_FORMAT,
        run_id,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        tool_commit: String::new(),
        system: info.name.to_owned(),
        broker_version: request.outside.as_ref().map_or(info.default_version, |outside| &outside.version).to_owned(),
        features: BTreeMap::new(),
        client: info.client.clone(),
        backend: String::from(match &request.outside {
            Some(_) => "external",
            None if simulated => "simulated",
            None => "local",
        }),
        simulated,
        timings: String::from(match request.timings {
            _ if request.outside.is_some() => OWN_TIMINGS,
            Timings::Vendor => "vendor",
            Timings::Short => "short",
        }),
        tuned: system.tuned(request.timings),
        seed: request.seed,
        started_at: now.to_string(),
        machine: machine_facts(),
        required: required(request, user_configuration, lanes)?,
        user_configuration,
        rate_per_s: request.rate_per_s,
        size_bytes: request.size_bytes,
        load_ms: load.load_ms,
        lanes: lanes.iter().map(|lane| lane.lane.clone()).collect(),
        nodes: topology.nodes,
        controllers: topology.controllers,
        client_hosts: topology.client_hosts,
        machines: machines(request),
        workers: topology.workers,
        destinations: topology.destinations,
        groups: topology.groups,
        faults,
        by_hand: Vec::new(),
        cluster_of: None,
        limits_ms: limits_by_name(limits),
        status: RunStatus::Running,
    })
}

fn required(
    request: &RunRequest,
    user_configuration: bool,
    lanes: &[LanePlan],
) -> Result<Vec<Requirement>, ConfigError> {
    let Some(required) = &request.required else {
        let durability = Requirement { lane: None, guarantee: Guarantee::Durability.label().to_owned() };
        return Ok(if user_configuration { vec![durability] } else { Vec::new() });
    };
    check_requirements(required, lanes.iter().map(|lane| lane.lane.name.as_str()))?;
    Ok(required.clone())
}

/// Whether every requirement names a guarantee there is, and one of these lanes.
///
/// # Errors
/// An unknown name, with the nearest valid ones.
pub fn check_requirements<'a>(
    required: &[Requirement],
    lanes: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), ConfigError> {
    for requirement in required {
        if Guarantee::from_label(&requirement.guarantee).is_none() {
            let names = Guarantee::ALL.iter().map(|guarantee| guarantee.label());
            return Err(ConfigError::unknown("guarantee", &requirement.guarantee, names));
        }
        if let Some(lane) = requirement.lane.as_deref().filter(|lane| !lanes.clone().any(|name| name == *lane)) {
            return Err(ConfigError::unknown("lane", lane, lanes));
        }
    }
    Ok(())
}

/// What is told of the timings of a cluster that somebody else runs: nobody asked it for them.
const OWN_TIMINGS: &str = "its own";

/// A command of the user's injects faults of nodes: whether one was felt, clients tell, too.
fn mark_hooked(fault: &mut Fault) {
    if find_fault(&fault.fault).is_ok_and(|kind| hook::is_hooked(kind, &fault.shape)) {
        (fault.bites_by, fault.gray) = (BiteProof::HookFelt, true);
    }
}

/// How the names of everything begin that the run of this name makes on a cluster of somebody else's.
fn prefix_of(run_id: &str) -> String {
    let mut rest = tag_of(run_id);
    let letters = (0..8).map(|_| {
        let letter = char::from_digit((rest % 36) as u32, 36).unwrap_or('0');
        rest /= 36;
        letter
    });
    format!("{PREFIX}{}-", letters.collect::<String>())
}

fn machine_host((id, machine): (u32, &JoinedMachine)) -> Host {
    Host { id, name: machine.name.clone(), address: machine.address.clone() }
}

/// Nothing is known of their clocks yet, and nothing was taken over.
fn machines(request: &RunRequest) -> Vec<WorkerMachine> {
    let joined = request.outside.as_ref().map_or(&[][..], |outside| &outside.machines);
    (FIRST_CLIENT_HOST..)
        .zip(joined)
        .map(|(host, machine)| WorkerMachine {
            name: machine.name.clone(),
            host,
            facts: machine.facts.clone(),
            clock: None,
            complete: false,
        })
        .collect()
}

/// Who takes part.
struct Topology {
    /// Begins every name.
    prefix: String,
    nodes: Vec<Host>,
    controllers: Vec<Host>,
    client_hosts: Vec<Host>,
    workers: Vec<Worker>,
    destinations: Vec<Destination>,
    groups: Vec<Group>,
}

fn topology(info: &SystemInfo, request: &RunRequest, lanes: &[LanePlan], simulated: bool, prefix: String) -> Topology {
    let node = |id: u32| Host { id, name: format!("n{id}"), address: format!("198.18.0.{}", 10 + id) };
    let asked = |name: &str| lanes.first().and_then(|lane| lane.lane.config.get(name)?.parse::<u32>().ok());
    let brokers = node_count(info, lanes);
    let theirs = |known: &NodeAddress| Host { address: known.address.clone(), ..node(known.id) };
    let nodes: Vec<Host> = match &request.outside {
        Some(outside) => outside.nodes.iter().map(theirs).collect(),
        None => (1..=brokers).map(node).collect(),
    };
    let controller =
        |id: u32| Host { id, name: format!("k{}", id - brokers), address: format!("198.18.0.{}", 100 + id) };
    let controllers =
        (1..=asked("cluster.controllers").unwrap_or(0)).map(|place| controller(brokers + place)).collect();
    let client = |id: u32| Host { id, name: format!("c{}", id - 100), address: format!("198.18.1.{}", id - 100) };
    let machines = request.outside.as_ref().map_or(&[][..], |outside| &outside.machines);
    let mut client_hosts: Vec<Host> = (FIRST_CLIENT_HOST..).zip(machines).map(machine_host).collect();
    if !simulated {
        if machines.is_empty() {
            client_hosts.extend((FIRST_CLIENT_HOST..FIRST_CLIENT_HOST + CLIENT_HOSTS).map(client));
        }
        client_hosts.push(Host {
            id: OBSERVER_HOST,
            name: String::from("observer"),
            address: String::from("198.18.2.1"),
        });
    }
    let mut topology = Topology {
        prefix,
        nodes,
        controllers,
        client_hosts,
        workers: Vec::new(),
        destinations: Vec::new(),
        groups: Vec::new(),
    };
    let runner_host = if simulated { topology.nodes[0].id } else { OBSERVER_HOST };
    topology.add_worker("runner", Role::Runner, None, None, runner_host);
    topology.add_worker("observer", Role::Observer, None, None, runner_host);
    for (index, lane) in (0u16..).zip(lanes) {
        topology.add_lane(index, lane, request, info);
    }
    if simulated {
        for node in topology.nodes.clone() {
            topology.add_worker(&format!("sentinel-{}", node.name), Role::Sentinel, None, None, node.id);
        }
    } else {
        topology.add_worker("sentinel", Role::Sentinel, None, None, OBSERVER_HOST);
        topology.add_output_sentinels();
    }
    if lanes.iter().any(|lane| lane.lane.workload != Workload::Fanout) {
        topology.add_worker("audit", Role::Audit, None, None, OBSERVER_HOST);
    }
    topology
}

impl Topology {
    fn add_worker(&mut self, name: &str, role: Role, lane: Option<u16>, group: Option<u16>, host: u32) {
        self.workers.push(Worker { name: name.to_owned(), role, lane, group, host, succeeds: None });
    }

    fn add_group(&mut self, lane: u16, name: String, session_timeout_ms: u64) -> u16 {
        self.groups.push(Group {
            lane,
            name,
            session_timeout_ms,
            read_uncommitted: false,
            reads_outputs: false,
            beside: false,
        });
        (self.groups.len() - 1) as u16
    }

    fn add_lane(&mut self, index: u16, plan: &LanePlan, request: &RunRequest, info: &SystemInfo) {
        let simulated = self.client_hosts.is_empty();
        let name = self.unused_name(&plan.lane.name, &request.name_suffix);
        for partition in 0..plan.partitions {
            let partition = matches!(plan.lane.workload, Workload::Log | Workload::Transactions).then_some(partition);
            self.destinations.push(Destination {
                lane: index,
                name: name.clone(),
                partition,
                dead_letters_of: None,
                output_of: None,
                added: false,
            });
        }
        if plan.transactions.is_some() {
            self.add_outputs(index, &name);
        }
        if plan.dead_letters {
            let of = (self.destinations.len() - 1) as u16;
            let name = format!("{name}.dead");
            self.destinations.push(Destination {
                lane: index,
                name,
                partition: None,
                dead_letters_of: Some(of),
                output_of: None,
                added: false,
            });
        }
        let hosts: Vec<u32> = if simulated {
            self.nodes.iter().map(|node| node.id).collect()
        } else {
            self.client_hosts.iter().map(|host| host.id).filter(|host| *host != OBSERVER_HOST).collect()
        };
        // Before those that send what they transform: a fault on a producer hits the first of a lane.
        if let Some(transactions) = &plan.transactions {
            self.add_transformers(index, &name, plan, transactions, &hosts);
        }
        for number in 0..request.producers.unwrap_or_else(|| needed_producers(request, info, simulated)) {
            let host = hosts[usize::from(number) % hosts.len()];
            self.add_worker(&format!("{name}-producer-{}", number + 1), Role::Producer, Some(index), None, host);
        }
        if plan.lane.workload == Workload::Fanout {
            // Every subscriber is owed everything: one on each node.
            for host in hosts {
                let group = self.add_group(index, format!("{name}-subscriber-n{host}"), plan.session_timeout_ms);
                let worker = format!("{name}-subscriber-n{host}");
                self.add_worker(&worker, Role::Consumer, Some(index), Some(group), host);
            }
            return;
        }
        let mut group = self.add_group(index, format!("{name}-group"), plan.session_timeout_ms);
        if let Some(transactions) = &plan.transactions {
            self.read_outputs(group, transactions.read_uncommitted, false);
            self.add_readers_beside(index, &name, plan, transactions, hosts[0]);
        }
        for number in 0..request.consumers {
            if number > 0 && plan.readers_apart {
                group = self.add_group(index, format!("{name}-group-{}", number + 1), plan.session_timeout_ms);
            }
            // The first consumer is on the second host, away from the host `leader-clients` cuts off.
            let host = hosts[(usize::from(number) + 1) % hosts.len()];
            self.add_worker(&format!("{name}-consumer-{}", number + 1), Role::Consumer, Some(index), Some(group), host);
        }
    }

    /// One output for each partition so far.
    fn add_outputs(&mut self, lane: u16, name: &str) {
        let inputs: Vec<(u16, Option<u32>)> = (0u16..)
            .zip(&self.destinations)
            .filter(|(_, destination)| destination.lane == lane)
            .map(|(index, destination)| (index, destination.partition))
            .collect();
        for (input, partition) in inputs {
            let name = format!("{name}.out");
            let output_of = Some(input);
            self.destinations.push(Destination {
                lane,
                name,
                partition,
                dead_letters_of: None,
                output_of,
                added: false,
            });
        }
    }

    fn add_transformers(
        &mut self,
        lane: u16,
        name: &str,
        plan: &LanePlan,
        transactions: &TransactionPlan,
        hosts: &[u32],
    ) {
        let group = self.add_group(lane, format!("{name}-transformers"), plan.session_timeout_ms);
        for number in 0..transactions.workers {
            let host = hosts[usize::from(number) % hosts.len()];
            let worker = format!("{name}-transformer-{}", number + 1);
            self.add_worker(&worker, Role::Producer, Some(lane), Some(group), host);
        }
    }

    /// One reader of the other isolation, to show what that gives.
    fn add_readers_beside(
        &mut self,
        lane: u16,
        name: &str,
        plan: &LanePlan,
        transactions: &TransactionPlan,
        host: u32,
    ) {
        let isolation = if transactions.read_uncommitted { "committed" } else { "uncommitted" };
        let group = self.add_group(lane, format!("{name}-group-{isolation}"), plan.session_timeout_ms);
        self.read_outputs(group, !transactions.read_uncommitted, true);
        let worker = format!("{name}-consumer-{isolation}");
        self.add_worker(&worker, Role::Consumer, Some(lane), Some(group), host);
    }

    fn read_outputs(&mut self, group: u16, read_uncommitted: bool, beside: bool) {
        let group = &mut self.groups[usize::from(group)];
        (group.reads_outputs, group.read_uncommitted, group.beside) = (true, read_uncommitted, beside);
    }

    /// What comes of messages ends only once all of them are transformed: its sentinels are written later.
    fn add_output_sentinels(&mut self) {
        let with_outputs = self.destinations.iter().filter(|destination| destination.output_of.is_some());
        let lanes: BTreeSet<u16> = with_outputs.map(|destination| destination.lane).collect();
        for lane in lanes {
            let name = self.destinations.iter().find(|destination| destination.lane == lane);
            let name = name.map_or_else(String::new, |destination| format!("{}-sentinel", destination.name));
            self.add_worker(&name, Role::Sentinel, Some(lane), None, OBSERVER_HOST);
        }
    }

    /// The lane's name as a file, topic and group name.
    fn unused_name(&self, lane: &str, suffix: &str) -> String {
        let plain: String = [&self.prefix, lane, suffix]
            .concat()
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' })
            .collect();
        let taken = |name: &str| self.destinations.iter().any(|destination| destination.name == name);
        if !taken(&plain) {
            return plain;
        }
        format!("{plain}-{}", self.destinations.len())
    }
}

/// One, unless a side of a cut would have none: clients of a simulated node share its side, some shapes confine a
/// client host, and clients of some products stay with the node they are connected to.
fn needed_producers(request: &RunRequest, info: &SystemInfo, simulated: bool) -> u16 {
    let confines = |fault: &FaultRequest| find_fault(fault.fault).is_ok_and(|kind| kind.confines_clients(fault.shape));
    let stay = info.clients_stay && !request.faults.is_empty();
    let machines = request.outside.as_ref().map_or(0, |outside| outside.machines.len() as u16);
    let needed = if simulated || stay || request.faults.iter().any(confines) { 2 } else { 1 };
    // Each machine is there to send.
    machines.max(needed)
}

pub(crate) fn run_id(system: &str, now: jiff::Timestamp) -> String {
    let time = now.strftime("%Y%m%d-%H%M%S");
    format!("{time}-{system}-{:04x}", (now.subsec_nanosecond() / 1_000) & 0xffff)
}

/// FNV-1a: any well-spread number of the run's name will do.
pub(crate) fn tag_of(run_id: &str) -> u64 {
    run_id.bytes().fold(0xcbf2_9ce4_8422_2325, |tag, byte| (tag ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
