//! Root file systems that `verify rootfs` has made.

use std::fs;
use std::path::Path;

use delivery_broker::{ConfigError, InstallError, Installation, rootfs_dir};

use super::tree::installation_in;
use super::version::Version;
use super::{NAME, SUITES};

/// Every usable root file system in the cache, newest release first.
pub(super) fn all(cache_dir: &Path) -> Vec<Installation> {
    let entries = fs::read_dir(rootfs_dir(cache_dir, NAME)).into_iter().flatten().flatten();
    let whole = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    // One whose files no longer fit together is as good as none here; --rootfs says what is wrong with it.
    let mut found: Vec<Installation> = whole.filter_map(|entry| installation_in(&entry.path()).ok()).collect();
    found.sort_by_key(|installation| std::cmp::Reverse(Version::parse(&installation.version).ok()));
    found
}

/// The one with `version`.
///
/// # Errors
/// There is none: which there are, and the command that makes it.
pub(super) fn with(version: Version, cache_dir: &Path) -> Result<Installation, InstallError> {
    let all = all(cache_dir);
    let wanted = version.to_string();
    if let Some(found) = all.iter().find(|installation| installation.version == wanted) {
        return Ok(found.clone());
    }
    let there: Vec<&str> = all.iter().map(|installation| installation.version.as_str()).collect();
    let there = if there.is_empty() { String::from("none") } else { there.join(", ") };
    Err(ConfigError::Contradiction(format!(
        "RabbitMQ {version} is neither installed on this machine nor in a root file system of the cache (there: {there}). {}",
        how_to_get(version)
    ))
    .into())
}

/// The command that brings a release.
pub(super) fn how_to_get(version: Version) -> String {
    let wanted = version.to_string();
    match SUITES.iter().find(|(_, carries)| *carries == wanted) {
        Some((suite, _)) => format!("`verify rootfs {NAME} --suite {suite}` makes one with it."),
        None => {
            let suites: Vec<String> =
                SUITES.iter().map(|(suite, carries)| format!("{suite} carries {carries}")).collect();
            format!(
                "`verify rootfs {NAME} --suite SUITE` makes one ({}); for any other release give the vendor's archive with --dist or a root file system with --rootfs.",
                suites.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::make_tree;
    use super::{all, with};
    use crate::install::version::Version;

    #[test]
    fn a_version_is_found_or_the_command_that_makes_it_is_told() {
        let cache = tempfile::tempdir().unwrap();
        let told = |version: &str| with(Version::parse(version).unwrap(), cache.path()).unwrap_err().to_string();
        insta::assert_snapshot!("none_in_the_cache", told("4.0.5"));
        make_tree(&cache.path().join("rootfs/rabbitmq/trixie"), "4.0.5", "27.3.4");
        make_tree(&cache.path().join("rootfs/rabbitmq/bookworm"), "3.10.8", "25.2.3");
        make_tree(&cache.path().join("rootfs/rabbitmq/.partial-sid"), "4.3.6", "28.1");
        make_tree(&cache.path().join("rootfs/rabbitmq/broken"), "4.1.0", "");
        let found = with(Version::parse("4.0.5").unwrap(), cache.path()).unwrap();
        assert!(found.rootfs.unwrap().ends_with("trixie"));
        let versions: Vec<String> = all(cache.path()).into_iter().map(|found| found.version).collect();
        assert_eq!(versions, ["4.0.5", "3.10.8"], "newest first, neither half-made nor broken ones");
        insta::assert_snapshot!("others_in_the_cache", told("4.3.6"));
        insta::assert_snapshot!("no_suite_carries_it", told("3.13.7"));
    }
}
