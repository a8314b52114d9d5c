//! Real three-node Kafka clusters from the command line.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::running::start;
use common::{can_run, count, document, guarantee, lane, latest, one_cluster, run, told, verify};

#[test]
fn a_netsplit_loses_what_is_not_replicated_and_nothing_else() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // Clients that are saturated prove nothing. A broker answers a client's requests one after the other, the first of a
    // cold one take up to half a second each on two slow cores, and librdkafka's defaults make each message a request.
    let output = run(&["kafka", "--faults", "netsplit@25s+15s", "--rate", "50", "--json"], out.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document = document(&output);

    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    assert!(fault["packets_dropped"].as_u64().unwrap() > 0, "{fault:#}");
    for name in ["fast", "none"] {
        let lane = lane(&document, name);
        assert!(count(lane, "lost") > 500, "{lane:#}");
        assert_eq!(guarantee(lane, "durability").0, "violated");
    }
    let safe = lane(&document, "safe");
    assert_eq!(count(safe, "lost"), 0);
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert!(safe["stats"]["acked"].as_u64().unwrap() > 1_500, "{safe:#}");

    let run_dir = latest(out.path());
    let again = verify().arg("check").arg(&run_dir).arg("--json").output().unwrap();
    assert_eq!(common::document(&again), document);
    assert!(!run_dir.join("data").exists(), "the nodes' data is deleted");
    let required = verify().arg("check").arg(&run_dir).args(["--require", "fast:durability"]).output().unwrap();
    assert_eq!(required.status.code(), Some(1), "{}", told(&required));
}

#[test]
fn a_cut_below_detection_is_inconclusive() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["kafka", "--preset", "safe,fast", "--duration", "6s", "--faults", "netsplit@2s+1s", "--json"];
    let output = run(&arguments, out.path());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let document = document(&output);
    assert_eq!(document["verdict"], "inconclusive");
    for name in ["safe", "fast"] {
        let (verdict, reason) = guarantee(lane(&document, name), "durability");
        assert_eq!(verdict, "inconclusive", "{document:#}");
        assert!(reason.contains("detection") || reason.contains("notice"), "{reason}");
    }
}

#[test]
fn messages_of_consumers_that_were_killed_are_undelivered_and_not_lost() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let mut running =
        start("kafka", &["--preset", "safe", "--faults", "none", "--duration", "8s", "--json"], out.path());
    running.wait_for("baseline");
    let consumers = running.processes(|cmdline| cmdline.contains("safe-consumer-1"));
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(consumers[0]), nix::sys::signal::Signal::SIGKILL).unwrap();
    let (stdout, code) = running.finish();
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    let safe = lane(&document, "safe");
    assert!(count(safe, "undelivered") > 1_000, "{safe:#}");
    assert_eq!(count(safe, "lost"), 0);
    assert_eq!(guarantee(safe, "at-least-once").0, "inconclusive", "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert_eq!(code, Some(3), "durability holds, but that the group got everything is promised and not shown");
}

#[test]
fn aborted_messages_are_given_only_to_who_asks_for_them() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let presets = "transactions,transactions-uncommitted";
    // Whichever worker transforms draws an abort among its first five transactions: a slow machine makes few of them.
    let arguments = ["kafka", "--preset", presets, "--faults", "none", "--duration", "8s", "--rate", "100", "--json"];
    let output = run(&[&arguments[..], &["--seed", "628"]].concat(), out.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document = document(&output);

    let committed = lane(&document, "transactions");
    for name in ["atomicity", "exactly-once", "durability", "liveness"] {
        assert_eq!(guarantee(committed, name).0, "holds", "{committed:#}");
    }
    assert_eq!(count(committed, "aborted-read"), 0, "{committed:#}");
    assert!(count(committed, "dirty-read") > 0, "its reader beside asks for them: {committed:#}");
    let transactions = &committed["stats"]["transactions"];
    assert!(transactions["committed"].as_u64().unwrap() > 5, "{transactions:#}");
    assert!(transactions["aborted"].as_u64().unwrap() > 0, "{transactions:#}");

    let uncommitted = lane(&document, "transactions-uncommitted");
    assert!(count(uncommitted, "aborted-read") > 0, "{uncommitted:#}");
    assert_eq!(guarantee(uncommitted, "atomicity").0, "violated");
    assert_eq!(guarantee(uncommitted, "exactly-once").0, "holds", "what is committed is so once: {uncommitted:#}");
}

#[test]
fn a_sigkill_in_any_phase_leaves_nothing_behind_and_a_history_that_can_be_judged() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for phase in ["start", "baseline", "fault", "heal", "recover", "drain", "audit", "judge"] {
        let out = tempfile::tempdir().unwrap();
        let mut running =
            start("kafka", &["--preset", "fast", "--faults", "netsplit@1s+2s", "--duration", "5s"], out.path());
        running.wait_for(phase);
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let left = running.processes(|_| true);
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "killed in {phase}: processes {left:?} are still there");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts, "killed in {phase}");
        let check = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
        let code = check.status.code().unwrap();
        let expected: &[i32] = if phase == "judge" { &[0, 1, 3] } else { &[3] };
        assert!(expected.contains(&code), "killed in {phase}: {}", told(&check));
        assert!(document(&check)["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()));
    }
}

#[test]
fn a_node_that_dies_by_itself_makes_the_run_inconclusive_and_shows_its_last_lines() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let mut running = start("kafka", &["--preset", "safe", "--faults", "none", "--json"], out.path());
    running.wait_for("baseline");
    let node = running.processes(|cmdline| cmdline.contains("kafka.Kafka") && cmdline.contains("/n2/"));
    assert_eq!(node.len(), 1, "{node:?}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(node[0]), nix::sys::signal::Signal::SIGKILL).unwrap();
    let (stdout, code) = running.finish();
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!(code, Some(3), "{document:#}");
    let reasons = document["reasons"].to_string();
    assert!(reasons.contains("node n2 ended by itself") && reasons.contains("last lines of its log"), "{reasons}");
}

#[test]
fn a_node_that_does_not_come_up_is_no_run() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let output = run(&["kafka", "--preset", "safe", "--set", "broker.num.network.threads=none"], out.path());
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("num.network.threads") && stderr.contains("logs"), "{stderr}");
}

#[test]
fn a_plain_user_needs_no_privileges() {
    if !can_run("kafka") || !nix::unistd::geteuid().is_root() {
        println!("skipped: whoever runs these tests is a plain user already, or Kafka cannot run here");
        return;
    }
    let _turn = one_cluster();
    // What root's run has fetched, where a plain user can read it.
    let warm = run(
        &["kafka", "--preset", "safe", "--faults", "none", "--duration", "1s"],
        tempfile::tempdir().unwrap().path(),
    );
    assert!(warm.status.code().is_some_and(|code| code == 0 || code == 3), "{}", told(&warm));
    let home = tempfile::tempdir().unwrap();
    let copied = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-rL").arg(from).arg(to).status().unwrap();
        assert!(status.success(), "{}", from.display());
    };
    copied(Path::new(env!("CARGO_BIN_EXE_verify")), &home.path().join("verify"));
    let cache = home.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    // Root file systems are other brokers', and full of links that lead nowhere out here.
    let entries = std::fs::read_dir(delivery_verifier::run::cache_dir()).unwrap().map(|entry| entry.unwrap());
    entries.filter(|entry| entry.file_name() != "rootfs").for_each(|entry| copied(&entry.path(), &cache));
    let chown = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(home.path()).status().unwrap();
    assert!(chown.success());
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(home.path().join("verify"))
        .args(["kafka", "--preset", "safe", "--faults", "none", "--duration", "4s", "--json"])
        .arg("--out")
        .arg(home.path().join("runs"))
        .env("VERIFY_CACHE_DIR", home.path().join("cache"))
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let document = document(&output);
    assert_eq!(document["run"]["status"]["status"], "finished", "{document:#}");
    let safe = lane(&document, "safe");
    assert_eq!(count(safe, "lost"), 0);
    // Everything a calm run can show holds; that nothing comes twice is not put to the test by it, and the exit code says so.
    let mut open = Vec::new();
    for judged in safe["guarantees"].as_array().unwrap() {
        if judged["verdict"] != "holds" {
            assert_eq!(judged["verdict"], "inconclusive", "{judged}");
            assert!(judged["reason"].to_string().contains("could have made a message come twice"), "{judged}");
            open.push(judged["name"].as_str().unwrap());
        }
    }
    assert_eq!(open, ["at-most-once", "exactly-once"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
}

#[test]
fn a_full_disk_is_no_nodes_death() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // Room for three formatted nodes, and for little of what they are sent.
    let script =
        "mount -t tmpfs -o size=14m tmpfs \"$1\" && exec \"$2\" kafka --preset safe --duration 20s --out \"$1/runs\"";
    let output = std::process::Command::new("unshare")
        .arg(if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" })
        .args(["sh", "-c", script, "sh"])
        .arg(out.path())
        .arg(env!("CARGO_BIN_EXE_verify"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the disk is full"), "{}", told(&output));
}

#[test]
fn a_version_is_made_ready_without_a_run() {
    if !can_run("kafka") {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let runs = out.path().join("runs");
    let output = run(&["kafka", "--broker-version", "4.1.1", "--install-only"], &runs);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let home = said.trim_end().strip_prefix("Apache Kafka 4.1.1 is ready in ").unwrap_or_else(|| panic!("{said}"));
    assert!(Path::new(home).join("libs/kafka_2.13-4.1.1.jar").exists(), "{said}");
    assert!(!runs.exists(), "nothing was started");
}

#[test]
fn a_program_of_the_users_own_runs_a_cluster_as_a_library() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(library_example()).arg(out.path()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "safe: lost 0, durability Some(Holds)\n");
}

/// The example program. Cargo builds it with all tests, but not with one alone.
fn library_example() -> std::path::PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_verify")).parent().unwrap();
    let program = profile.join("examples").join("library");
    if !program.exists() {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "delivery-verifier", "--example", "library", "--target-dir"])
            .arg(profile.parent().unwrap())
            .status()
            .unwrap();
        assert!(built.success());
    }
    program
}
