//! Disks of nodes that fill up and that take their time, and clocks that go wrong, through the kernel.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use delivery_broker::{HostPlan, NodeCommand, NodeSpec};
use delivery_cluster::bounded::BoundedDisk;
use delivery_cluster::clock::{self, Setting};
use delivery_cluster::disk::{UnsyncedDisk, refusal};
use delivery_cluster::local::{LocalCluster, LocalHost, NodeEvent};
use delivery_cluster::machines::Machines;
use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;
use support::{enclosed, wait_until};

/// Size of the disks.
const BYTES: u64 = 1 << 20;
/// A page, which is what a tmpfs gives.
const PAGE: u64 = 4_096;

fn main() {
    support::run(&[
        ("a_disk_is_filled_to_its_last_page_again_and_again", a_disk_is_filled),
        ("a_node_whose_disk_is_full_halts_and_is_told_of_once_there_is_space", a_node_halts),
        ("a_slow_disk_holds_up_every_write_and_sync", a_slow_disk_holds_up),
        ("a_disk_of_bounded_size_can_be_slow_too", both_disks),
        ("a_clock_goes_as_it_is_set_and_leaves_nothing_behind", a_clock_goes_as_it_is_set),
    ]);
}

/// Whether this machine has no FUSE.
fn has_no_fuse() -> bool {
    is_lacking("fuse", refusal())
}

/// Whether this machine has no libfaketime.
fn has_no_clocks() -> bool {
    is_lacking("clock", clock::refusal())
}

/// Whether this machine lacks something; said where it does, a failure where `VERIFY_REQUIRE` has its word. A plain user
/// may lack what root has.
fn is_lacking(word: &str, lacks: Option<String>) -> bool {
    let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.split(',').any(|name| name == word));
    let required = required && nix::unistd::geteuid().is_root();
    assert!(lacks.is_none() || !required, "VERIFY_REQUIRE asks for {word}: {lacks:?}");
    if let Some(lacks) = &lacks {
        println!("skipped: {lacks}");
    }
    lacks.is_some()
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mounts").unwrap()
}

fn a_disk_is_filled() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = BoundedDisk::mount(directory.path(), BYTES).unwrap();
        let kept = directory.path().join("kept");
        fs::write(&kept, vec![1; 10 * PAGE as usize]).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), BYTES - 10 * PAGE);
        disk.fill().unwrap();
        assert!(disk.is_filled() && disk.free_bytes().unwrap() == 0);
        assert!(fs::write(directory.path().join("more"), b"x").is_err(), "nothing more can be written");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "what fills it has no name");
        fs::remove_file(&kept).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 10 * PAGE);
        disk.fill().unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 0, "what became free is taken, too");
        disk.free();
        assert!(!disk.is_filled());
        fs::write(directory.path().join("more"), vec![1; 100 * PAGE as usize]).unwrap();
        drop(disk);
        assert!(!mounts().contains(directory.path().to_str().unwrap()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "what it held is gone with it");
    });
}

fn cluster(directory: &Path, give: impl FnOnce(&mut LocalCluster)) -> LocalCluster {
    let host = LocalHost { id: 1, name: "host-1".into(), address: "198.18.0.1".into() };
    let mut cluster = LocalCluster::create(&[host], Vec::new()).unwrap();
    give(&mut cluster);
    cluster.start_nodes(&[node(directory)], &directory.join("logs"), &|| false).unwrap();
    await_event(&mut cluster, &NodeEvent::Ready { id: 1 });
    cluster
}

fn await_event(cluster: &mut LocalCluster, wanted: &NodeEvent) {
    let mut events = Vec::new();
    wait_until("something happens to the node", || {
        events.extend(cluster.poll_nodes());
        !events.is_empty()
    });
    assert_eq!(events, std::slice::from_ref(wanted));
}

/// A node that writes and syncs, and ends when it cannot.
fn node(directory: &Path) -> NodeSpec {
    let script = "echo now ready; while :; do head -c 4096 /dev/zero > file && sync file || exit 3; \
                  head -c 4096 /dev/zero >> more || exit 3; sleep 0.01; done";
    NodeSpec {
        rootfs: None,
        host: HostPlan { id: 1, name: "host-1".into(), address: "198.18.0.1".into(), data_dir: directory.join("data") },
        files: Vec::new(),
        storage: None,
        prepare: Vec::new(),
        command: NodeCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: BTreeMap::from([(String::from("PATH"), String::from("/usr/bin:/bin"))]),
        },
        ready_line: "now ready".into(),
        ready_limit_ms: 60_000,
        ports: vec![9092],
        image: None,
    }
}

fn a_node_halts() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = cluster(directory.path(), |cluster| cluster.use_bounded_disks(64 * BYTES));
        assert!(cluster.free_bytes(1).unwrap() > BYTES);
        cluster.fill_disk(1).unwrap();
        wait_until("the node has ended", || {
            assert_eq!(cluster.poll_nodes(), [], "that it ended is the fault's doing");
            cluster.state(1) == ProcessState::Gone
        });
        cluster.fill_disk(1).unwrap();
        assert_eq!(cluster.free_bytes(1), Some(0));
        assert_eq!(cluster.poll_nodes(), [], "its disk is full still");
        cluster.free_disk(1);
        await_event(&mut cluster, &NodeEvent::Halted { id: 1, status: "exit code 3".into() });
        cluster.start_again(1).unwrap();
        await_event(&mut cluster, &NodeEvent::Ready { id: 1 });
        assert!(directory.path().join("data/file").exists(), "it runs on the data it left");
        cluster.stop();
        assert!(!mounts().contains(directory.path().to_str().unwrap()), "{}", mounts());
    });
}

fn a_slow_disk_holds_up() {
    if has_no_fuse() {
        return;
    }
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let disk = UnsyncedDisk::mount(directory.path()).unwrap();
        let mut file = File::create(directory.path().join("file")).unwrap();
        file.write_all(b"at once").unwrap();
        assert_eq!(disk.held_up(), 0);
        let delay = Duration::from_millis(50);
        disk.slow_down(delay, Duration::ZERO);
        let began = Instant::now();
        file.write_all(b"later").unwrap();
        file.sync_all().unwrap();
        assert!(began.elapsed() >= 2 * delay);
        assert_eq!(disk.held_up(), 2);
        assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"at oncelater", "what is read is not held up");
        disk.slow_down(Duration::from_secs(3_600), Duration::ZERO);
        let late = std::thread::spawn(move || file.sync_all());
        disk.slow_down(Duration::ZERO, Duration::ZERO);
        late.join().unwrap().unwrap();
        drop(disk);
        assert!(!mounts().contains(directory.path().to_str().unwrap()));
    });
}

fn both_disks() {
    if has_no_fuse() {
        return;
    }
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = cluster(directory.path(), |cluster| {
            cluster.use_bounded_disks(64 * BYTES);
            cluster.use_layered_disks();
        });
        cluster.slow_disk(1, 2, 1).unwrap();
        wait_until("it was held up", || cluster.held_up(1).is_some_and(|held| held > 10));
        cluster.slow_disk(1, 0, 0).unwrap();
        cluster.fill_disk(1).unwrap();
        wait_until("the node has ended", || cluster.state(1) == ProcessState::Gone);
        cluster.free_disk(1);
        await_event(&mut cluster, &NodeEvent::Halted { id: 1, status: "exit code 3".into() });
        cluster.stop();
        assert!(!mounts().contains(directory.path().to_str().unwrap()), "{}", mounts());
    });
}

/// A node that says what time it is, again and again, by its own clock and after real waits.
fn clock_node(directory: &Path) -> NodeSpec {
    let script = "echo now ready; while :; do date +%s.%N > next && mv next said; sleep 0.01; done";
    let mut spec = node(directory);
    spec.command.arguments = vec!["-c".into(), script.into()];
    spec
}

/// How far ahead of ours the clock is that the node goes by, seconds; nothing where it has said nothing yet.
fn ahead_s(directory: &Path) -> Option<f64> {
    let said = fs::read_to_string(directory.join("data/said")).ok()?.trim().parse::<f64>().ok()?;
    Some(said - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64())
}

fn a_clock_goes_as_it_is_set() {
    if has_no_clocks() {
        return;
    }
    let before = shared();
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let host = LocalHost { id: 1, name: "host-1".into(), address: "198.18.0.1".into() };
        let mut cluster = LocalCluster::create(&[host], Vec::new()).unwrap();
        cluster.use_clocks(clock::library().unwrap()).unwrap();
        cluster.start_nodes(&[clock_node(directory.path())], &directory.path().join("logs"), &|| false).unwrap();
        await_event(&mut cluster, &NodeEvent::Ready { id: 1 });
        let goes = |what: &str, from_s: f64, to_s: f64| {
            wait_until(what, || ahead_s(directory.path()).is_some_and(|ahead_s| (from_s..to_s).contains(&ahead_s)));
        };
        goes("it goes right", -60.0, 1.0);
        cluster.set_clock(1, Setting::Ahead(3_600_500)).unwrap();
        goes("it is an hour ahead", 3_540.0, 3_601.0);
        cluster.set_clock(1, Setting::Ahead(-3_600_500)).unwrap();
        goes("it is an hour behind", -3_661.0, -3_600.0);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        cluster.set_clock(1, Setting::StandsAt(at)).unwrap();
        wait_until("it stands still", || {
            let said = || fs::read_to_string(directory.path().join("data/said")).unwrap_or_default();
            said() == format!("{at}.000000000\n")
        });
        goes("it falls behind", -3_600.0, -2.0);
        cluster.set_clock(1, Setting::Ahead(0)).unwrap();
        goes("it goes right again", -60.0, 1.0);
        // What it shares with its children has the numbers of processes, and stays where it is killed.
        cluster.strike(1, Blow::Kill).unwrap();
        assert!(!shared().is_empty(), "it shares nothing, so nothing is shown");
        cluster.start_again(1).unwrap();
        await_event(&mut cluster, &NodeEvent::Ready { id: 1 });
        cluster.stop();
    });
    assert_eq!(shared(), before, "nothing of it is left on the machine");
}

/// Names of what processes share for their clocks.
fn shared() -> Vec<OsString> {
    let names = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
    let mut ours: Vec<OsString> = names.filter(|name| name.to_string_lossy().contains("faketime")).collect();
    ours.sort();
    ours
}
