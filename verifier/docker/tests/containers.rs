//! The conformance suite on containers, and that nothing is left of them.
#![allow(clippy::unwrap_used)]

#[path = "../../cluster/tests/conformance/mod.rs"]
mod conformance;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use conformance::{BROKER_PORT, Bench, CASES, wait_until};
use delivery_broker::NodeSpec;
use delivery_cluster::cluster::{Cluster, ClusterHost};
use delivery_docker::{DockerCluster, DockerRun, Engine, EngineError, ImageName, image};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};

/// What nodes of the cases call.
const PROGRAMS: [(&str, &str); 11] = [
    ("sh", "dash"),
    ("cat", "coreutils"),
    ("env", "coreutils"),
    ("getent", "libc-bin"),
    ("hostname", "hostname"),
    ("mkdir", "coreutils"),
    ("ps", "procps"),
    ("seq", "coreutils"),
    ("sleep", "coreutils"),
    ("tr", "coreutils"),
    ("rm", "coreutils"),
];

/// A case of this backend alone.
type OwnCase = fn(&Engine);

fn main() {
    delivery_docker::init();
    match conformance::asked_role() {
        Some(role) if role[0] == "run" => hold_a_run(&role[1], Path::new(&role[2])),
        Some(role) => conformance::play(&role),
        None => run_all(),
    }
}

fn run_all() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let own: [(&'static str, OwnCase); 6] = [
        ("nothing_is_left_of_a_run_that_ends", nothing_is_left_of_a_run_that_ends),
        ("nothing_is_left_of_a_run_that_is_killed", nothing_is_left_of_a_run_that_is_killed),
        ("nothing_is_left_of_a_run_that_is_interrupted", nothing_is_left_of_a_run_that_is_interrupted),
        ("runs_have_networks_of_their_own_side_by_side", runs_lie_side_by_side),
        ("an_image_that_cannot_be_had_is_named", an_image_that_cannot_be_had_is_named),
        ("bad_hosts_are_refused", bad_hosts_are_refused),
    ];
    let names = CASES.iter().map(|(name, _)| *name).chain(own.iter().map(|(name, _)| *name));
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    if std::env::args().any(|word| word == "--list") {
        names.filter(|name| is_chosen(name)).for_each(|name| println!("{name}: test"));
        return;
    }
    let engine = match Engine::connect() {
        Ok(engine) => engine,
        Err(error) => return skip(&error),
    };
    let mut failed = Vec::new();
    let mut try_one = |name: &'static str, case: &dyn Fn()| {
        if is_chosen(name) {
            let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed.extend((!passed).then_some(name));
        }
    };
    for (name, case) in CASES {
        try_one(name, &|| case(&DockerBench::new(&engine)));
    }
    for (name, case) in own {
        try_one(name, &|| case(&engine));
    }
    println!("{} failed: {failed:?}", failed.len());
    if !failed.is_empty() {
        std::process::exit(1);
    }
}

fn skip(error: &EngineError) {
    println!("skipped: {error}");
    let required = std::env::var("VERIFY_REQUIRE").unwrap_or_default();
    if required.split(',').any(|name| name == "docker") {
        println!("VERIFY_REQUIRE={required} makes that a failure");
        std::process::exit(1);
    }
}

/// A name no other run has.
fn run_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Clusters of containers.
struct DockerBench {
    // Before the directory, which hosts have mounted.
    run: DockerRun,
    directory: tempfile::TempDir,
}

impl DockerBench {
    fn new(engine: &Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = DockerRun::open(engine, &run_id(), vec![directory.path().to_owned()], &PROGRAMS).unwrap();
        Self { run, directory }
    }
}

impl Bench for DockerBench {
    fn address(&self, host: u32) -> String {
        self.run.address(&format!("198.18.0.{host}")).unwrap()
    }

    fn cluster(&self, hosts: &[ClusterHost], ports: Vec<u16>) -> Box<dyn Cluster> {
        Box::new(DockerCluster::create(&self.run, hosts, ports).unwrap())
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn fit(&self, spec: &mut NodeSpec) {
        spec.host.data_dir = "/data".into();
        spec.image = Some(self.run.host_image().to_string());
    }
}

/// How much bears the run's label.
fn left_of(engine: &Engine, run_id: &str) -> usize {
    let filters = HashMap::from([(String::from("label"), vec![format!("delivery-verifier.run={run_id}")])]);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = engine.wait(engine.docker().list_containers(Some(containers))).unwrap();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = engine.wait(engine.docker().list_networks(Some(networks))).unwrap();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = engine.wait(engine.docker().list_volumes(Some(volumes))).unwrap();
    containers.len() + networks.len() + volumes.volumes.unwrap_or_default().len()
}

/// A run with two hosts and a node.
fn small_run(engine: &Engine, run_id: &str, directory: &Path) -> DockerCluster {
    let run = DockerRun::open(engine, run_id, vec![directory.to_owned()], &PROGRAMS).unwrap();
    let address = |id: u32| run.address(&format!("198.18.0.{id}")).unwrap();
    let host = |id: u32| ClusterHost { id, name: format!("host-{id}"), address: address(id) };
    let mut cluster = DockerCluster::create(&run, &[host(1), host(2)], vec![BROKER_PORT]).unwrap();
    let mut spec = conformance::sleeping_node(&address(1));
    spec.host.data_dir = "/data".into();
    spec.image = Some(run.host_image().to_string());
    cluster.start_nodes(&[spec], directory, &|| false).unwrap();
    cluster
}

fn nothing_is_left_of_a_run_that_ends(engine: &Engine) {
    let (directory, run_id) = (tempfile::tempdir().unwrap(), run_id());
    let cluster = small_run(engine, &run_id, directory.path());
    assert_eq!(left_of(engine, &run_id), 5, "two hosts, a node, its volume and the network");
    drop(cluster);
    assert_eq!(left_of(engine, &run_id), 0);
}

/// Makes a run and never ends.
fn hold_a_run(run_id: &str, directory: &Path) {
    let _cluster = small_run(&Engine::connect().unwrap(), run_id, directory);
    println!("holds");
    loop {
        std::thread::park();
    }
}

fn nothing_is_left_of_a_run_that_is_killed(engine: &Engine) {
    nothing_is_left_after(engine, "-KILL");
}

fn nothing_is_left_of_a_run_that_is_interrupted(engine: &Engine) {
    nothing_is_left_after(engine, "-INT");
}

fn nothing_is_left_after(engine: &Engine, signal: &str) {
    let (directory, run_id) = (tempfile::tempdir().unwrap(), run_id());
    let mut child = Command::new("env")
        .arg("--default-signal=INT")
        .arg(std::env::current_exe().unwrap())
        .args(["--role", "run", &run_id])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut said).unwrap();
    assert_eq!(said, "holds\n");
    assert_eq!(left_of(engine, &run_id), 5);
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    wait_until("nothing of the run is left", || left_of(engine, &run_id) == 0);
}

fn runs_lie_side_by_side(engine: &Engine) {
    let (first, second) = (DockerBench::new(engine), DockerBench::new(engine));
    assert_ne!(first.address(1), second.address(1));
    for bench in [&first, &second] {
        conformance::CASES[0].1(bench);
    }
}

fn an_image_that_cannot_be_had_is_named(engine: &Engine) {
    let missing = ImageName::parse("localhost:1/no/such-image:7", "latest").unwrap();
    let error = image::ensure(engine, &missing, &mut |_| {}).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("localhost:1/no/such-image:7") && told.contains("--image"), "{told}");
}

fn bad_hosts_are_refused(engine: &Engine) {
    let run_id = run_id();
    let run = DockerRun::open(engine, &run_id, Vec::new(), &PROGRAMS).unwrap();
    let host = |name: &str, address: &str| ClusterHost { id: 1, name: name.into(), address: address.into() };
    for bad in [host("one", "10.0.0.1"), host("o ne", "198.18.0.1")] {
        assert!(DockerCluster::create(&run, &[bad], Vec::new()).is_err());
    }
    drop(run);
    assert_eq!(left_of(engine, &run_id), 0);
}
