//! The disk that forgets: what a cut of its power takes and what it leaves, through the kernel.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use delivery_broker::{HostPlan, NodeCommand, NodeSpec};
use delivery_cluster::disk::{Dropped, UnsyncedDisk, refusal};
use delivery_cluster::enclosure::enclose;
use delivery_cluster::local::{LocalCluster, LocalHost, NodeEvent};
use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;
use delivery_history::{Clock, Event, EventKind, Recorder};
use support::{Talker, enclosed, marker, piped, processes_with, role, wait_until};

fn main() {
    match support::asked_role() {
        Some(role) => play(&role),
        None if is_missing() => {}
        None => support::run(&[
            ("what_was_not_synced_is_gone", what_was_not_synced_is_gone),
            ("files_go_back_to_their_last_sync_whatever_was_done_to_them", files_go_back_to_their_last_sync),
            ("every_way_to_sync_keeps_what_was_written", every_way_to_sync_keeps),
            ("names_are_there_at_once_and_data_is_not", names_are_there_at_once),
            ("memory_maps_work_and_lose_what_they_held", memory_maps_lose_what_they_held),
            ("it_behaves_like_a_file_system", it_behaves_like_a_file_system),
            ("nothing_is_taken_while_the_power_is_off", nothing_is_taken_without_power),
            ("what_it_holds_is_below_when_it_is_taken_off", what_it_holds_is_below),
            ("what_is_settled_was_written_back", what_is_settled_was_written_back),
            ("a_node_loses_its_power_and_starts_again", a_node_loses_its_power),
            ("sigkill_leaves_no_process_that_uses_it", sigkill_leaves_no_process),
        ]),
    }
}

/// Says why the cases are not tried; with `VERIFY_REQUIRE=fuse` that is a failure, unless this is the second round of
/// a root's tests, as a plain user, whom many machines do not let open the device.
fn is_missing() -> bool {
    let Some(reason) = refusal() else { return false };
    println!("skipped: {reason}");
    let second_round = std::env::var("HOME").is_ok_and(|home| home == "/");
    if std::env::var("VERIFY_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == "fuse")) && !second_round {
        println!("VERIFY_REQUIRE makes that a failure");
        std::process::exit(1);
    }
    true
}

fn play(role: &[String]) {
    let code = enclose(|| {
        let directory = tempfile::tempdir().unwrap();
        let _disk = UnsyncedDisk::mount(directory.path()).unwrap();
        write_for_ever(directory.path(), &role[1])
    });
    std::process::exit(code.unwrap_or(99));
}

/// Writes by a process of its own, with this one's file system between it and the disk.
fn write_for_ever(directory: &Path, marker: &str) -> i32 {
    let script = format!(": {marker}; while :; do echo more >> file; cat file > copy; done");
    let mut child =
        std::process::Command::new("sh").args(["-c", &script, marker]).current_dir(directory).spawn().unwrap();
    wait_until("something is written", || fs::metadata(directory.join("copy")).is_ok_and(|copy| copy.len() > 0));
    println!("busy");
    child.wait().unwrap().code().unwrap_or(1)
}

/// A directory with a disk over it.
fn with_disk(inside: impl FnOnce(&Path, &UnsyncedDisk)) {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let disk = UnsyncedDisk::mount(directory.path()).unwrap();
        inside(directory.path(), &disk);
    });
}

fn lose_power(disk: &UnsyncedDisk) {
    disk.cut_power().unwrap();
    disk.restore_power().unwrap();
}

fn what_was_not_synced_is_gone() {
    with_disk(|directory, disk| {
        let path = directory.join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"synced").unwrap();
        file.sync_all().unwrap();
        file.write_all(b", not").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"synced, not", "whoever reads before the cut sees all");
        lose_power(disk);
        assert_eq!(fs::read(&path).unwrap(), b"synced");
        assert_eq!(disk.dropped(), Dropped { writes: 1, bytes: 5 });
        // Life goes on from there.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b" again").unwrap();
        file.sync_data().unwrap();
        lose_power(disk);
        assert_eq!(fs::read(&path).unwrap(), b"synced again");
        assert_eq!(disk.dropped().writes, 1, "nothing was unsynced the second time");
    });
}

fn files_go_back_to_their_last_sync() {
    with_disk(|directory, disk| {
        let path = directory.join("file");
        let synced: Vec<u8> = (0..300_000_u32).map(|place| (place % 251) as u8).collect();
        fs::write(&path, &synced).unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        file.sync_all().unwrap();
        file.write_all_at(&[255; 10_000], 5_000).unwrap();
        file.set_len(7_000).unwrap();
        file.write_all_at(&[254; 400_000], 6_000).unwrap();
        file.seek(SeekFrom::Start(4_990)).unwrap();
        file.write_all(&[253; 20]).unwrap();
        lose_power(disk);
        assert!(fs::read(&path).unwrap() == synced);
        // Opened to be overwritten from its start.
        fs::write(&path, b"short").unwrap();
        lose_power(disk);
        assert!(fs::read(&path).unwrap() == synced);
    });
}

fn every_way_to_sync_keeps() {
    with_disk(|directory, disk| {
        for (name, flags) in [("o_sync", nix::libc::O_SYNC), ("o_dsync", nix::libc::O_DSYNC)] {
            let mut file =
                OpenOptions::new().create(true).write(true).custom_flags(flags).open(directory.join(name)).unwrap();
            file.write_all(b"kept").unwrap();
        }
        let mut file = File::create(directory.join("fdatasync")).unwrap();
        file.write_all(b"kept").unwrap();
        file.sync_data().unwrap();
        drop(file);
        // By another descriptor than the one that wrote.
        fs::write(directory.join("other"), b"kept").unwrap();
        File::open(directory.join("other")).unwrap().sync_all().unwrap();
        fs::write(directory.join("none"), b"lost").unwrap();
        lose_power(disk);
        for name in ["o_sync", "o_dsync", "fdatasync", "other"] {
            assert_eq!(fs::read(directory.join(name)).unwrap(), b"kept", "{name}");
        }
        assert_eq!(fs::read(directory.join("none")).unwrap(), b"", "closing syncs nothing");
    });
}

fn names_are_there_at_once() {
    with_disk(|directory, disk| {
        let at = |name: &str| directory.join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/new"), b"never synced").unwrap();
        fs::write(at("d/old"), b"replaced").unwrap();
        File::open(at("d/old")).unwrap().sync_all().unwrap();
        fs::rename(at("d/new"), at("d/old")).unwrap();
        fs::write(at("removed"), b"x").unwrap();
        fs::remove_file(at("removed")).unwrap();
        fs::rename(at("d"), at("e")).unwrap();
        lose_power(disk);
        assert_eq!(fs::read(at("e/old")).unwrap(), b"", "a rename without a sync leaves an empty file");
        assert!(!at("removed").exists() && !at("d").exists() && !at("e/new").exists());
        assert_eq!(disk.dropped().writes, 1, "what was removed was not lost to the cut");
    });
}

fn memory_maps_lose_what_they_held() {
    with_disk(|directory, disk| {
        let path = directory.join("events");
        // A recorder writes through a shared memory map, and cuts its file to size at its end.
        let mut recorder = Recorder::create(&path, 0, Clock::Monotonic).unwrap();
        recorder.record(Event::new(EventKind::WorkerStarted)).unwrap();
        recorder.close().unwrap();
        let closed = fs::read(&path).unwrap();
        assert!(closed.iter().any(|byte| *byte != 0), "what was written through the map is read");
        File::open(&path).unwrap().sync_all().unwrap();
        lose_power(disk);
        assert!(fs::read(&path).unwrap() == closed);

        let path = directory.join("more");
        let mut recorder = Recorder::create(&path, 0, Clock::Monotonic).unwrap();
        recorder.record(Event::new(EventKind::WorkerStarted)).unwrap();
        drop(recorder);
        lose_power(disk);
        assert_eq!(fs::read(&path).unwrap(), b"", "pages the kernel still had are gone too");
    });
}

fn it_behaves_like_a_file_system() {
    with_disk(|directory, _| {
        let at = |name: &str| directory.join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        let names: Vec<String> = (0..500).map(|number| format!("file-{number:03}")).collect();
        names.iter().for_each(|name| fs::write(at("a/b").join(name), name).unwrap());
        let mut listed: Vec<String> =
            fs::read_dir(at("a/b")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        listed.sort();
        assert_eq!(listed, names);
        std::os::unix::fs::symlink("b/file-001", at("a/link")).unwrap();
        fs::hard_link(at("a/b/file-002"), at("a/hard")).unwrap();
        fs::remove_file(at("a/b/file-002")).unwrap();
        assert_eq!(fs::read_to_string(at("a/link")).unwrap(), "file-001");
        assert_eq!(fs::read_to_string(at("a/hard")).unwrap(), "file-002");
        fs::set_permissions(at("a/hard"), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(fs::metadata(at("a/hard")).unwrap().permissions().mode() & 0o777, 0o640);
        // An open file outlives its name.
        let mut open = OpenOptions::new().read(true).write(true).open(at("a/b/file-003")).unwrap();
        fs::remove_file(at("a/b/file-003")).unwrap();
        open.seek(SeekFrom::End(0)).unwrap();
        open.write_all(b"!").unwrap();
        open.set_len(4).unwrap();
        open.rewind().unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), open.metadata().unwrap().len()), ("file", 4));
        assert!(fs::remove_dir(at("a/b")).is_err(), "it is not empty");
        assert!(File::options().write(true).create_new(true).open(at("a/hard")).is_err(), "it is there");
        fs::remove_dir_all(at("a")).unwrap();
        assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    });
}

fn nothing_is_taken_without_power() {
    with_disk(|directory, disk| {
        let path = directory.join("file");
        let mut file = File::create(&path).unwrap();
        disk.cut_power().unwrap();
        file.write_all(b"forgotten").unwrap();
        assert!(file.sync_all().is_err(), "nobody is told that it was synced");
        assert!(fs::create_dir(directory.join("d")).is_err());
        assert!(fs::remove_file(&path).is_err());
        disk.restore_power().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(disk.dropped(), Dropped { writes: 1, bytes: 9 });
        disk.restore_power().unwrap();
    });
}

fn what_is_settled_was_written_back() {
    with_disk(|directory, disk| {
        let path = directory.join("file");
        fs::write(&path, b"long ago").unwrap();
        disk.settle();
        fs::write(&path, b"just now").unwrap();
        lose_power(disk);
        assert_eq!(fs::read(&path).unwrap(), b"long ago");
    });
}

fn what_it_holds_is_below() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("before"), b"was there").unwrap();
        let disk = UnsyncedDisk::mount(directory.path()).unwrap();
        assert_eq!(fs::read(directory.path().join("before")).unwrap(), b"was there");
        assert!(mounts().contains(directory.path().to_str().unwrap()));
        fs::write(directory.path().join("after"), b"unsynced").unwrap();
        drop(disk);
        assert!(!mounts().contains(directory.path().to_str().unwrap()));
        assert_eq!(fs::read(directory.path().join("after")).unwrap(), b"unsynced");
    });
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mounts").unwrap()
}

/// A node that says what it finds, then writes a part that it syncs and a part that it does not.
fn a_node_loses_its_power() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        let host = LocalHost { id: 1, name: "host-1".into(), address: "198.18.0.1".into() };
        let mut cluster = LocalCluster::create(&[host], Vec::new()).unwrap();
        cluster.use_layered_disks();
        cluster.start_nodes(&[node(directory.path())], &logs, &|| false).unwrap();
        await_ready(&mut cluster);
        assert_eq!(cluster.dropped(1), Some(Dropped::default()));
        cluster.strike(1, Blow::PowerLoss).unwrap();
        wait_until("it is gone", || cluster.state(1) == ProcessState::Gone);
        assert_eq!(cluster.poll_nodes(), [], "that it ended is the fault's doing");
        let dropped = cluster.dropped(1).unwrap();
        assert!(dropped.writes >= 1 && dropped.bytes >= 9, "{dropped:?}");
        cluster.start_again(1).unwrap();
        await_ready(&mut cluster);
        let log = fs::read_to_string(logs.join("host-1.log")).unwrap();
        assert_eq!(log, "found prepared\nnow ready\nfound prepared and synced\nnow ready\n");
        cluster.stop();
        assert!(!mounts().contains("fuse"), "{}", mounts());
    });
}

fn await_ready(cluster: &mut LocalCluster) {
    let mut events = Vec::new();
    wait_until("the node is ready", || {
        events.extend(cluster.poll_nodes());
        !events.is_empty()
    });
    assert_eq!(events, [NodeEvent::Ready { id: 1 }]);
}

fn node(directory: &Path) -> NodeSpec {
    let shell = |script: &str| NodeCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: BTreeMap::from([(String::from("PATH"), String::from("/usr/bin:/bin"))]),
    };
    let script = "echo found $(cat file); echo and synced >> file; sync file; echo unsynced >> file; \
                  echo now ready; while :; do echo more >> other; sleep 0.01; done";
    NodeSpec {
        rootfs: None,
        host: HostPlan { id: 1, name: "host-1".into(), address: "198.18.0.1".into(), data_dir: directory.join("data") },
        files: Vec::new(),
        storage: None,
        prepare: vec![shell("echo prepared > file")],
        command: shell(script),
        ready_line: "now ready".into(),
        ready_limit_ms: 60_000,
        ports: vec![9092],
        image: None,
    }
}

fn sigkill_leaves_no_process() {
    let marker = marker("disk");
    let mut busy = Talker::new(piped(role(&["busy", &marker])).spawn().unwrap());
    assert_eq!(busy.hear(), "busy");
    wait_until("all run", || processes_with(&marker).len() >= 5);
    busy.child.kill().unwrap();
    busy.child.wait().unwrap();
    wait_until("no process is left", || processes_with(&marker).is_empty());
    assert!(!mounts().contains("fuse.verify"));
}
