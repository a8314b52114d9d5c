//! Enclosing a run: its result, its isolation, and that nothing outlives it.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use delivery_cluster::enclosure::{EncloseError, enclose};
use delivery_cluster::probe::{self, Facility};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use support::{Talker, marker, piped, processes_with, role, wait_until};

fn main() {
    match support::asked_role() {
        Some(role) => play(&role),
        None => support::run(&[
            ("the_exit_code_is_passed_on", the_exit_code_is_passed_on),
            ("a_panic_inside_is_an_exit_code", a_panic_inside_is_an_exit_code),
            ("a_runner_killed_by_a_signal_is_an_error_that_names_it", a_killed_runner_is_an_error),
            ("a_second_thread_is_refused", a_second_thread_is_refused),
            ("the_inside_is_a_world_of_its_own", the_inside_is_a_world_of_its_own),
            ("enclosures_follow_each_other_and_nest", enclosures_follow_each_other_and_nest),
            ("what_the_run_left_running_is_gone_when_it_returns", leftovers_are_gone),
            ("sigkill_of_the_caller_leaves_no_process", sigkill_of_the_caller_leaves_no_process),
            ("sigkill_of_the_keeper_leaves_no_process", sigkill_of_the_keeper_leaves_no_process),
            ("a_polite_signal_reaches_the_runner_as_sigint", a_polite_signal_reaches_the_runner_as_sigint),
            (
                "a_refusal_names_what_was_refused_and_what_permits_it",
                a_refusal_names_what_was_refused_and_what_permits_it,
            ),
            ("every_probe_finds_what_the_other_cases_use", every_probe_finds_what_the_other_cases_use),
        ]),
    }
}

/// What this program does when a case starts it again.
fn play(role: &[String]) {
    let code = match role[0].as_str() {
        "busy" => enclose(|| stay_busy(&role[1])),
        "polite" => enclose(end_on_the_first_signal),
        "refused" => enclose(|| 0),
        "probes" => {
            return probe::probes().iter().for_each(|probe| println!("{}: {} {:?}", probe.name, probe.ok, probe));
        }
        other => panic!("no role {other}"),
    };
    match code {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            println!("error: {error}");
            std::process::exit(99);
        }
    }
}

/// Starts processes that would outlive anything polite, says so and waits for ever.
fn stay_busy(marker: &str) -> i32 {
    start_stubborn(marker);
    println!("busy");
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// A shell in a session of its own that ignores polite signals, with a grandchild.
#[expect(clippy::zombie_processes, reason = "that nobody waits for it is the point")]
fn start_stubborn(marker: &str) {
    let script = format!("trap '' HUP INT TERM; setsid sleep 86400 & : {marker}; wait; sleep 86400");
    Command::new("setsid").args(["sh", "-c", &script, marker]).spawn().unwrap();
}

/// Exits with 41 once a SIGINT has come.
fn end_on_the_first_signal() -> i32 {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.thread_block().unwrap();
    println!("waiting");
    assert_eq!(signals.wait().unwrap(), Signal::SIGINT);
    41
}

fn the_exit_code_is_passed_on() {
    assert_eq!(enclose(|| 0), Ok(0));
    assert_eq!(enclose(|| 7), Ok(7));
}

fn a_panic_inside_is_an_exit_code() {
    let code = enclose(|| {
        std::panic::set_hook(Box::new(|_| ()));
        panic!("on purpose");
    });
    assert_eq!(code, Ok(101));
}

fn a_killed_runner_is_an_error() {
    let kill_self = |signal: Signal| enclose(move || kill(Pid::this(), signal).map_or(1, |()| 2));
    assert_eq!(kill_self(Signal::SIGKILL), Err(EncloseError::Killed { number: 9, name: String::from("SIGKILL") }));
    assert_eq!(kill_self(Signal::SIGTERM), Err(EncloseError::Killed { number: 15, name: String::from("SIGTERM") }));
}

fn a_second_thread_is_refused() {
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || ended.recv());
    assert_eq!(enclose(|| 0), Err(EncloseError::Threads { count: 2 }));
    drop(end);
    let _ = thread.join();
    // The kernel counts a thread a little longer than `join` waits.
    wait_until("the thread is gone", || fs::read_to_string("/proc/self/status").unwrap().contains("Threads:\t1\n"));
}

fn the_inside_is_a_world_of_its_own() {
    let namespaces = ["mnt", "net", "uts", "ipc", "pid"];
    let links = || namespaces.map(|name| fs::read_link(format!("/proc/self/ns/{name}")).unwrap());
    let outside = links();
    support::enclosed(move || {
        for (outside, inside) in outside.iter().zip(links()) {
            assert_ne!(*outside, inside);
        }
        assert_eq!(fs::read_link("/proc/self").unwrap().to_str(), Some(std::process::id().to_string().as_str()));
        assert_eq!(fs::read_link("/proc/1/ns/pid").unwrap(), fs::read_link("/proc/self/ns/pid").unwrap());
        assert!(nix::unistd::geteuid().is_root());
        let interfaces = fs::read_to_string("/proc/net/dev").unwrap();
        let names: Vec<&str> =
            interfaces.lines().filter_map(|line| line.split_once(':')).map(|pair| pair.0.trim()).collect();
        assert_eq!(names, ["lo"]);
        // Loopback is up: a connection to it is refused, not unreachable.
        let refused = std::net::TcpStream::connect(("127.0.0.1", 9)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

fn enclosures_follow_each_other_and_nest() {
    let namespace = || fs::read_link("/proc/self/ns/pid").unwrap();
    let before = namespace();
    for code in 1..4 {
        assert_eq!(enclose(|| code), Ok(code));
        assert_eq!(namespace(), before);
    }
    // One inside another works as well: process numbers and mounts nest.
    assert_eq!(enclose(|| enclose(|| 5).unwrap_or(1)), Ok(5));
}

fn leftovers_are_gone() {
    let marker = marker("leftover");
    let inside = marker.clone();
    support::enclosed(move || {
        start_stubborn(&inside);
        wait_until("the shell runs", || !processes_with(&inside).is_empty());
    });
    assert_eq!(processes_with(&marker), Vec::<u32>::new());
}

fn start_busy(marker: &str) -> Talker {
    let mut busy = Talker::new(piped(role(&["busy", marker])).spawn().unwrap());
    assert_eq!(busy.hear(), "busy");
    // Caller, keeper, process 1, runner and at least the stubborn shell.
    wait_until("all five run", || processes_with(marker).len() >= 5);
    busy
}

fn sigkill_of_the_caller_leaves_no_process() {
    let marker = marker("caller");
    let mut busy = start_busy(&marker);
    busy.child.kill().unwrap();
    busy.child.wait().unwrap();
    wait_until("no process is left", || processes_with(&marker).is_empty());
}

fn sigkill_of_the_keeper_leaves_no_process() {
    let marker = marker("keeper");
    let mut busy = start_busy(&marker);
    let caller = busy.child.id();
    let children = fs::read_to_string(format!("/proc/{caller}/task/{caller}/children")).unwrap();
    let keeper: i32 = children.trim().parse().unwrap();
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    assert!(busy.hear().starts_with("error: the run ended without a result"));
    assert_eq!(busy.child.wait().unwrap().code(), Some(99));
    wait_until("no process is left", || processes_with(&marker).is_empty());
}

fn a_polite_signal_reaches_the_runner_as_sigint() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // To the caller alone, as `kill` does, and to its whole process group, as a terminal does.
        for sign in [1, -1] {
            let mut command = piped(role(&["polite"]));
            command.process_group(0);
            let mut polite = Talker::new(command.spawn().unwrap());
            assert_eq!(polite.hear(), "waiting");
            kill(Pid::from_raw(sign * polite.child.id().cast_signed()), signal).unwrap();
            assert_eq!(polite.child.wait().unwrap().code(), Some(41), "{signal}");
        }
    }
}

/// A process without privileges whose root directory was changed may not make user namespaces.
fn a_refusal_names_what_was_refused_and_what_permits_it() {
    support::enclosed(|| {
        // Kept, and taken away by `rmdir` alone: a temporary directory that cleaned up after a failed assertion would
        // delete, with this mount in it, the files of the machine.
        let root = tempfile::tempdir().unwrap().keep();
        let none = None::<&str>;
        mount(Some("/"), &root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).unwrap();
        let in_role = |name: &str| {
            let mut command = Command::new("/usr/sbin/chroot");
            command.arg(&root).args(["/usr/bin/setpriv", "--bounding-set=-all"]);
            command.arg(support::this_program()).args(["--role", name]);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let said = in_role("refused");
        assert!(
            said.starts_with("error: making a user namespace was refused: Operation not permitted (EPERM). "),
            "{said}"
        );
        let probes = in_role("probes");
        let failed: Vec<&str> = probes.lines().filter(|line| line.starts_with("user namespace: false")).collect();
        assert_eq!(failed.len(), 1, "{probes}");
        assert_eq!(probes.matches("not tried").count(), 8, "{probes}");
        umount2(&root, MntFlags::MNT_DETACH).unwrap();
        fs::remove_dir(&root).unwrap();
    });
}

fn every_probe_finds_what_the_other_cases_use() {
    let probes = probe::probes();
    assert_eq!(probes.len(), 15);
    let only_for: Vec<&str> = probes.iter().filter_map(|probe| probe.only_for).collect();
    assert_eq!(only_for, ["power-loss, slow-disk", "reset", "bandwidth", "delay", "clock"]);
    for (facility, fault) in
        [(Facility::Reset, "reset"), (Facility::Bandwidth, "bandwidth"), (Facility::Delay, "delay")]
    {
        let probe = probes.iter().find(|probe| probe.only_for == Some(fault)).unwrap();
        assert_eq!(facility.refusal().is_none(), probe.ok, "{probe:?}");
        assert!(facility.refusal().is_none_or(|reason| reason.contains("modprobe")));
    }
    // What only some faults need is tried by cases of their own, who say where it is missing.
    for probe in probes.into_iter().filter(|probe| probe.only_for.is_none()) {
        assert!(probe.ok && probe.remedy.is_none(), "{probe:?}");
    }
    // The caller is as it was: it can still enclose a run.
    assert_eq!(enclose(|| 3), Ok(3));
}
