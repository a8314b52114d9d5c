//! What a directory of jars says about itself.

use std::path::Path;

/// The version of the broker whose jars stand in `libs`, from the name of the broker's own jar.
pub(super) fn version_in(libs: &Path) -> Option<String> {
    let mut versions: Vec<String> = std::fs::read_dir(libs)
        .ok()?
        .filter_map(|entry| version_of_jar(entry.ok()?.file_name().to_str()?).map(str::to_owned))
        .collect();
    versions.sort();
    versions.pop()
}

/// The version in `kafka_2.13-4.1.1.jar`; jars with tests, sources and signatures are others.
pub(super) fn version_of_jar(name: &str) -> Option<&str> {
    let (scala, version) = name.strip_prefix("kafka_")?.strip_suffix(".jar")?.split_once('-')?;
    let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let others = ["-test", "-sources", "-javadoc", "-scaladoc"];
    let is_other = others.iter().any(|other| version.ends_with(other));
    (is_version(scala) && is_version(version) && !is_other).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::{version_in, version_of_jar};

    #[test]
    fn the_brokers_own_jar_says_the_version() {
        assert_eq!(version_of_jar("kafka_2.13-4.1.1.jar"), Some("4.1.1"));
        assert_eq!(version_of_jar("kafka_2.12-3.9.1.jar"), Some("3.9.1"));
        for other in ["kafka-clients-4.1.1.jar", "kafka_2.13-4.1.1-test.jar", "kafka_2.13-4.1.1.jar.asc", "x.jar"] {
            assert_eq!(version_of_jar(other), None, "{other}");
        }
    }

    #[test]
    fn a_directory_without_it_has_no_version() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(version_in(directory.path()), None);
        assert_eq!(version_in(&directory.path().join("missing")), None);
        std::fs::write(directory.path().join("kafka_2.13-3.9.1.jar"), b"").unwrap();
        assert_eq!(version_in(directory.path()).as_deref(), Some("3.9.1"));
    }
}
