//! What fuzz targets are known to be hard on is tried by every `cargo test`, without a fuzzer.
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/bodies.rs"]
#[allow(unreachable_pub)]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Names of the targets in the manifest of the fuzz crate.
fn targets() -> BTreeSet<String> {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let binaries = manifest.split("[[bin]]").skip(1);
    let name = |binary: &str| binary.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().to_owned();
    binaries.map(|binary| name(binary).trim_matches('"').to_owned()).collect()
}

#[test]
fn every_target_has_a_body_and_a_corpus() {
    let targets = targets();
    let bodies: BTreeSet<String> = bodies::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, bodies, "targets of fuzz/Cargo.toml and bodies of fuzz/bodies.rs");
    let corpora = fs::read_dir(fuzz().join("regressions")).unwrap();
    let corpora: BTreeSet<String> = corpora.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(targets, corpora, "targets of fuzz/Cargo.toml and directories of fuzz/regressions");
    for target in &targets {
        assert!(fuzz().join(format!("fuzz_targets/{target}.rs")).is_file(), "{target} has no target file");
    }
}

#[test]
fn nothing_in_the_regression_corpora_panics() {
    let mut broken = Vec::new();
    for (name, body) in bodies::ALL {
        let directory = fuzz().join("regressions").join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{name} has no regression");
        files.sort();
        for file in files {
            let bytes = fs::read(&file).unwrap();
            if catch_unwind(|| body(&bytes)).is_err() {
                broken.push(file.display().to_string());
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
