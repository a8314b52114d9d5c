//! Bad usage, and everything that is printed without a run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{run, told, verify};

/// Standard error of a refused command; nothing may have been started.
fn refused(arguments: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    let output = run(arguments, &out.path().join("runs"));
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(!out.path().join("runs").exists(), "a refused run leaves no directory");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn mistakes_are_refused_with_the_nearest_valid_names() {
    insta::assert_snapshot!(refused(&["pubsub", "--preset", "exactly-onec"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplot"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit:leeder"]));
    insta::assert_snapshot!(refused(&["pubsub", "--require", "durabilty"]));
    insta::assert_snapshot!(refused(&["pubsub", "--require", "fats:durability"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit@9s", "--duration", "5s"]));
    insta::assert_snapshot!(refused(&["pubsub", "--rate", "0"]));
    insta::assert_snapshot!(refused(&["pubsub", "--broker-version", "1.2.3"]));
    insta::assert_snapshot!(refused(&["pubsub", "--backend", "local"]));
    insta::assert_snapshot!(refused(&["pubsub", "--set", "bus.retyr.ms=5"]));
}

#[cfg(feature = "kafka")]
#[test]
fn mistakes_with_kafka_are_refused_before_anything_is_looked_for() {
    insta::assert_snapshot!(refused(&["kafka", "--preset", "saef"]));
    insta::assert_snapshot!(refused(&["kafka", "--set", "min.insync.replica=2"]));
    insta::assert_snapshot!(refused(&["kafka", "--set", "producer.enable.idempotence=true", "--set", "acks=1"]));
    insta::assert_snapshot!(refused(&["kafka", "--broker-version", "2.8.0"]));
    insta::assert_snapshot!(refused(&["kafka", "--backend", "simulated"]));
    insta::assert_snapshot!(refused(&["kafka", "--preset", "safe,safe"]));
}

#[test]
fn a_directory_without_a_run_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let output = verify().arg("check").arg(empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no run directory"));
}

#[cfg(feature = "kafka")]
#[test]
fn a_missing_java_or_maven_is_named_with_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let without = |path: &std::path::Path| {
        let mut command = verify();
        command.args(["kafka", "--faults", "none"]).arg("--out").arg(empty.path().join("runs"));
        command.env("PATH", path).env_remove("JAVA_HOME").env_remove("KAFKA_HOME");
        command.env("VERIFY_CACHE_DIR", empty.path().join("cache"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", told(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    let told_of_java = without(&empty.path().join("nowhere"));
    assert!(told_of_java.contains("openjdk-17-jre-headless"), "{told_of_java}");
    let Some(java) = find("java") else {
        println!("skipped: there is no Java here that could be found while Maven is not");
        return;
    };
    let bin = empty.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(java, bin.join("java")).unwrap();
    let told_of_maven = without(&bin);
    assert!(told_of_maven.contains("apt-get install maven"), "{told_of_maven}");
}

#[cfg(feature = "kafka")]
fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

#[test]
fn a_full_disk_ends_a_run_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=24m tmpfs \"$1\" && exec \"$2\" pubsub --duration 60s --out \"$1/runs\"";
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .arg(directory.path())
        .arg(env!("CARGO_BIN_EXE_verify"))
        .output()
        .unwrap();
    if output.status.code() == Some(1) {
        let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| !required.is_empty());
        assert!(!required, "VERIFY_REQUIRE is set, but there is no small file system to fill: {}", told(&output));
        println!("skipped: user namespaces are not permitted here, so there is no small file system to fill");
        return;
    }
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the disk is full") && !stderr.contains("crashed"), "{stderr}");
}

#[test]
fn what_there_is_is_listed() {
    for topic in ["presets", "faults", "settings", "guarantees"] {
        let output = verify().args(["list", topic, "pubsub"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        insta::assert_snapshot!(format!("list-{topic}"), String::from_utf8(output.stdout).unwrap());
    }
}

#[cfg(feature = "kafka")]
#[test]
fn what_there_is_for_kafka_is_listed() {
    let output = verify().args(["list", "presets", "kafka"]).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[cfg(feature = "rabbitmq")]
#[test]
fn what_there_is_for_rabbitmq_is_listed() {
    for topic in ["presets", "settings"] {
        let output = verify().args(["list", topic, "rabbitmq"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        insta::assert_snapshot!(format!("list-{topic}-rabbitmq"), String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn completions_and_the_manual_page_come_from_the_arguments_themselves() {
    let printed = |arguments: &[&str]| String::from_utf8(verify().args(arguments).output().unwrap().stdout).unwrap();
    assert!(printed(&["completions", "bash"]).contains("pubsub"));
    assert!(printed(&["man"]).contains(".TH verify 1"));
}

#[cfg(all(feature = "kafka", feature = "rabbitmq"))]
#[test]
fn what_a_product_cannot_be_asked_for_starts_nothing() {
    let mut refusals = String::new();
    for arguments in [
        &["kafka", "--faults=rebalance-queues"][..],
        &["kafka", "--faults=reassign"],
        &["rabbitmq", "--faults=unclean-election"],
        &["rabbitmq", "--faults=leader-transfer:preferred"],
        &["rabbitmq", "--faults=reassign"],
        &["rabbitmq", "--faults=leader-transfer", "--preset=classic", "--set=queue.mirrored=false"],
        &["pubsub", "--faults=leader-transfer"],
        &["pubsub", "--faults=leave"],
    ] {
        let out = tempfile::tempdir().unwrap();
        let output = verify().args(arguments).arg("--out").arg(out.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing was started");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        refusals.push_str(&format!("{}\n{}\n", arguments.join(" "), stderr.trim_end()));
    }
    insta::assert_snapshot!(refusals);
}
