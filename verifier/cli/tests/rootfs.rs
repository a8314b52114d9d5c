//! `verify rootfs`, as far as it goes without a network.
#![cfg(feature = "rabbitmq")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{told, verify};

fn rootfs(cache: &Path, arguments: &[&str]) -> Output {
    verify().arg("rootfs").args(arguments).env("VERIFY_CACHE_DIR", cache).output().unwrap()
}

/// What it says, the cache's path aside.
fn said(cache: &Path, arguments: &[&str]) -> String {
    told(&rootfs(cache, arguments)).replace(&cache.display().to_string(), "CACHE")
}

#[test]
fn mistakes_are_refused_with_what_there_is() {
    let cache = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("unknown_suite", said(cache.path(), &["rabbitmq", "--suite", "trixy"]));
    insta::assert_snapshot!("unknown_system", said(cache.path(), &["pubsub", "--suite", "trixie"]));
    insta::assert_snapshot!("no_suite_carries_it", said(cache.path(), &["kafka", "--suite", "trixie"]));
    insta::assert_snapshot!("bad_image", said(cache.path(), &["kafka", "--image", "no image"]));
    insta::assert_snapshot!(
        "bad_mirror",
        said(cache.path(), &["rabbitmq", "--suite", "trixie", "--mirror", "no address"])
    );
}

#[test]
fn one_that_is_there_is_told_with_its_release() {
    let cache = tempfile::tempdir().unwrap();
    let tree = cache.path().join("rootfs/rabbitmq/trixie");
    let home = tree.join("usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5");
    for (path, text) in [
        (home.join("sbin/rabbitmq-server"), ""),
        (home.join("plugins/rabbit-4.0.5/ebin/rabbit.app"), "{application, rabbit, [{vsn, \"4.0.5\"}]}."),
        (tree.join("usr/lib/erlang/releases/27/OTP_VERSION"), "27.3.4\n"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    insta::assert_snapshot!("there", said(cache.path(), &["rabbitmq", "--suite", "trixie"]));
    fs::write(tree.join("usr/lib/erlang/releases/27/OTP_VERSION"), "25.3\n").unwrap();
    insta::assert_snapshot!("erlang_out_of_range", said(cache.path(), &["rabbitmq", "--suite", "trixie"]));
}

#[test]
fn a_registry_that_cannot_be_reached_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    // Nothing listens there: ports below 1024 are nobody's by chance.
    let output = rootfs(cache.path(), &["kafka", "--image", "127.0.0.1:9/apache/kafka:4.1.1"]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let left = fs::read_dir(cache.path().join("rootfs/kafka")).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, [".image-127.0.0.1-9-apache-kafka-4.1.1.lock"], "{}", told(&output));
}

#[test]
fn a_mirror_that_cannot_be_reached_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let nowhere = cache.path().join("no-mirror");
    let mirror = format!("file:{}", nowhere.display());
    let output = rootfs(cache.path(), &["rabbitmq", "--suite", "trixie", "--mirror", &mirror]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("apt-get") || error.contains("keyring"), "{error}");
    let left = fs::read_dir(cache.path().join("rootfs/rabbitmq")).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, [".trixie.lock"], "{error}");
}
