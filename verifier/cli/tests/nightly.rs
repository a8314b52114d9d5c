//! The nightly job: the commands that are told of exist, and a night on one's own machine goes as it is told.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser;
use common::told;
use delivery_verifier::args::Cli;

const FILES: [&str; 3] = ["docs/nightly.md", ".github/workflows/nightly.yml", "contrib/nightly"];

fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Lines a shell is given: of a page, what stands in its blocks.
fn shell_lines(name: &str, text: &str) -> Vec<String> {
    let mut in_block = !name.ends_with(".md");
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if name.ends_with(".md") => in_block = language == "sh",
            _ if in_block => lines.push(line.trim().trim_start_matches("run: ").to_owned()),
            _ => {}
        }
    }
    lines
}

/// The words of the command of ours in a line, if there is one: up to what a shell takes for itself.
fn command(line: &str) -> Option<Vec<String>> {
    let mut words = line.split_whitespace();
    words.by_ref().find(|word| ["verify", "\"$verify\""].contains(word))?;
    let own = words.take_while(|word| !["|", "||", ">", "&&", "#"].contains(word) && !word.starts_with('>'));
    // An option that is there on some nights only.
    let own = own.filter(|word| *word != "\"${since[@]}\"").map(|word| word.trim_matches('"'));
    // A variable stands for a directory, a name or a duration; this can be any of them.
    let own = own.map(|word| String::from(if word.starts_with('$') { "1d" } else { word }));
    Some(own.collect())
}

#[test]
fn every_command_that_is_told_of_exists() {
    let mut told = 0;
    for name in FILES {
        let text = fs::read_to_string(in_repository(name)).unwrap();
        for line in shell_lines(name, &text) {
            // A description, or a name of the unit, is no command.
            if line.starts_with('#') || line.starts_with("description") {
                continue;
            }
            let Some(words) = command(&line) else { continue };
            let arguments: Vec<&str> = std::iter::once("verify").chain(words.iter().map(String::as_str)).collect();
            if let Err(error) = Cli::try_parse_from(&arguments) {
                panic!("{name}: {line}\n{error}");
            }
            told += 1;
        }
    }
    assert!(told >= 12, "{told} commands were found");
    for workload in ["workloads/nightly.toml", "workloads/quick.toml"] {
        assert!(in_repository(workload).is_file(), "{workload} is told of");
    }
}

fn night(home: &Path, matrix: &Path) -> Output {
    let mut command = Command::new(in_repository("contrib/nightly"));
    command.env("VERIFY", env!("CARGO_BIN_EXE_verify")).env("VERIFY_NIGHTLY_DIR", home);
    command.env("VERIFY_NIGHTLY_MATRIX", matrix).env("LC_ALL", "C.UTF-8");
    for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[test]
fn a_night_makes_tables_and_the_next_says_what_changed() {
    let out = tempfile::tempdir().unwrap();
    let (home, matrix) = (out.path().join("nightly"), out.path().join("small.toml"));
    let cell = |lines: &str| {
        format!(
            "[[cell]]\nid = \"small\"\nsystem = \"pubsub\"\npreset = \"at-most-once\"\nset = {{ \"cluster.nodes\" = \"3\" }}\n\
             faults = \"netsplit:leader@1s+5s\"\nduration = \"8s\"\nrate = 50\n{lines}\n"
        )
    };
    let skipped =
        "[[cell]]\nid = \"other\"\nsystem = \"kafka\"\npreset = \"safe\"\nnot-run = \"it is not needed here\"\n";
    fs::write(&matrix, cell("expect = { durability = \"violated\" }") + skipped).unwrap();
    let first = night(&home, &matrix);
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    let page = fs::read_to_string(home.join("results/README.md")).unwrap();
    assert!(page.contains("1 of 1 cell agreed.") && page.contains("it is not needed here"), "{page}");
    let junit = fs::read_to_string(home.join("results/junit.xml")).unwrap();
    assert!(junit.contains("skipped=\"1\""), "{junit}");

    // What is expected is another matter than what is promised: a surprise fails no night.
    fs::write(&matrix, cell("expect = { durability = \"holds\" }")).unwrap();
    let second = night(&home, &matrix);
    assert_eq!(second.status.code(), Some(0), "{}", told(&second));
    assert!(String::from_utf8_lossy(&second.stdout).contains("Nothing changed."), "{}", told(&second));
    assert_eq!(fs::read_dir(home.join("nights")).unwrap().count(), 2);

    fs::write(&matrix, "[[cell]]\nid = 7\n").unwrap();
    let broken = night(&home, &matrix);
    assert_eq!(broken.status.code(), Some(2), "{}", told(&broken));
    assert_eq!(fs::read_to_string(home.join("results/junit.xml")).unwrap().matches("<testcase").count(), 1);
}
