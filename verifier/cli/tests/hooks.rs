//! The ready-made fault hooks: what they have other programs do, with stand-ins for those.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Calls of each program are written down, with what it is given on standard input.
const STAND_IN: &str = "#!/bin/sh\n{ echo \"$(basename \"$0\") $*\"; [ -t 0 ] || sed 's/^/    /'; } >>\"$CALLS\"\n\
                        case \"$(basename \"$0\") $1\" in 'curl '*) printf 204 ;; 'docker inspect') printf kafka2 ;; esac\n";

fn hooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/hooks")
}

/// Calls a hook as a run does; gives back what it called.
fn call(hook: &str, step: &str, fault: &str, more: &[(&str, &str)]) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    for program in ["kubectl", "curl", "docker", "ssh"] {
        let path = directory.path().join(program);
        fs::write(&path, STAND_IN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let calls = directory.path().join("calls");
    let output = Command::new(hooks().join(hook))
        .args([step, fault, "2", "b.example.org:9092"])
        .env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()))
        .env("CALLS", &calls)
        .env("VERIFY_TARGETS", "2")
        .env("VERIFY_TARGET_ADDRESSES", "b.example.org:9092")
        .env("VERIFY_OTHERS", "1,3")
        .env("VERIFY_OTHER_ADDRESSES", "a.example.org:9092,c.example.org:9092")
        .env("VERIFY_DURATION_MS", "15000")
        .env("VERIFY_AMOUNT", "")
        .envs(more.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (output, fs::read_to_string(calls).unwrap_or_default())
}

const PODS: (&str, &str) = ("VERIFY_PODS", "1=kafka-0 2=kafka-1 3=kafka-2");
const PROXIES: (&str, &str) = ("VERIFY_PROXIES", "1=n1-peers 2=n2-peers,n2-quorum");

const CONTAINERS: (&str, &str) = ("VERIFY_CONTAINERS", "1=kafka1_1 2=kafka2_1 3=kafka3_1");
const NODE_NETWORK: (&str, &str) = ("VERIFY_NODE_NETWORK", "verify_nodes");

#[test]
fn what_each_hook_has_others_do() {
    let mut shown = String::new();
    for (hook, fault, more) in [
        ("chaos-mesh", "netsplit:leader", &[PODS, ("VERIFY_NAMESPACE", "kafka")][..]),
        ("chaos-mesh", "delay:leader", &[PODS, ("VERIFY_AMOUNT", "200ms~50ms")]),
        ("chaos-mesh", "kill:leader", &[PODS]),
        ("toxiproxy", "netsplit:leader", &[PROXIES]),
        ("toxiproxy", "bandwidth:leader", &[PROXIES, ("VERIFY_AMOUNT", "64kbit")]),
        ("docker-network", "netsplit:leader", &[CONTAINERS, NODE_NETWORK]),
        ("docker-network", "kill:leader", &[CONTAINERS]),
        ("docker-network", "pause:leader", &[CONTAINERS]),
        ("ssh-nft", "netsplit:leader", &[]),
        ("ssh-nft", "netsplit:one-way-in", &[("VERIFY_PEERS", "1=10.0.0.1 3=10.0.0.3"), ("VERIFY_HOSTS", "2=two")]),
        ("ssh-nft", "loss:leader", &[("VERIFY_AMOUNT", "30%")]),
    ] {
        for step in ["start", "heal"] {
            let (output, calls) = call(hook, step, fault, more);
            assert!(output.status.success(), "{hook} {step} {fault}: {}", String::from_utf8_lossy(&output.stderr));
            shown.push_str(&format!("== {hook} {step} {fault}\n{calls}"));
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_a_hook_cannot_do_it_refuses() {
    for (hook, fault, more) in [
        ("chaos-mesh", "clock:leader", &[PODS][..]),
        ("chaos-mesh", "netsplit:leader", &[]),
        ("chaos-mesh", "netsplit:leader", &[("VERIFY_PODS", "1=kafka-0")]),
        ("toxiproxy", "kill:leader", &[PROXIES]),
        ("toxiproxy", "netsplit:leader", &[("VERIFY_PROXIES", "1=n1-peers")]),
        ("docker-network", "loss:leader", &[CONTAINERS, NODE_NETWORK]),
        ("docker-network", "netsplit:leader", &[CONTAINERS]),
        ("docker-network", "netsplit:leader", &[("VERIFY_CONTAINERS", "1=kafka1_1"), NODE_NETWORK]),
        ("ssh-nft", "kill:leader", &[]),
    ] {
        let (output, calls) = call(hook, "start", fault, more);
        assert!(!output.status.success() && calls.is_empty(), "{hook} {fault}: {calls}");
        assert!(!output.stderr.is_empty(), "{hook} {fault} says why");
    }
}

#[test]
fn hooks_are_scripts_any_shell_reads() {
    let shellcheck = Command::new("shellcheck").arg("--version").output().is_ok();
    for entry in fs::read_dir(hooks()).unwrap() {
        let path = entry.unwrap().path();
        let parsed = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(parsed.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&parsed.stderr));
        if shellcheck {
            let checked = Command::new("shellcheck").arg(&path).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        }
    }
    if !shellcheck {
        println!("shellcheck is not installed: scripts were only parsed");
    }
}
