//! Tells the program which commit it is built from.

use std::path::Path;
use std::process::Command;

/// What the program is made of, from this directory.
const SOURCES: [&str; 5] =
    ["../../Cargo.lock", "../../Cargo.toml", "../../adapters", "../../verifier", "../../workloads/src"];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // A commit changes what the sources differ from. A path that is not there would have this run every time.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    println!("cargo:rustc-env=VERIFY_COMMIT={}", commit().unwrap_or_default());
}

/// The commit; nothing where this is no checkout, or there is no git.
fn commit() -> Option<String> {
    // Sources that were unpacked inside of somebody else's repository are not that repository's.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let differs =
        !git(&[&["status", "--porcelain", "--untracked-files=no", "--"][..], &SOURCES[..]].concat())?.is_empty();
    Some(if differs { format!("{commit}-dirty") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
