//! What stands in a root file system: the broker, and the Java it runs on.

use std::fs;
use std::path::{Component, Path, PathBuf};

use delivery_broker::{ConfigError, InstallError, Installation};

use super::jars;
use crate::version::Version;

/// Where images put the broker: the vendor's own, then another that many use.
const HOMES: [&str; 2] = ["opt/kafka", "opt/bitnami/kafka"];
/// Where Java stands: in images of Temurin (the vendor's are made of them), of others, and as packages put it.
const JAVA_HOMES: [&str; 4] =
    ["opt/java/openjdk", "opt/bitnami/java", "usr/lib/jvm/default-jvm", "usr/lib/jvm/default-java"];
/// Packages of several releases stand side by side there.
const JAVA_LIBRARY: &str = "usr/lib/jvm";
/// Links followed for one path: more is a circle.
const MAX_LINKS: usize = 40;

/// The installation in a root file system.
///
/// # Errors
/// There is no broker or no Java in it, or they do not fit together.
pub(super) fn installation_in(root: &Path) -> Result<Installation, InstallError> {
    let refused = |reason: String| ConfigError::File { path: root.to_owned(), reason };
    if !root.is_dir() {
        return Err(refused(String::from(
            "there is no such directory; `verify rootfs kafka --image apache/kafka:VERSION` makes a root file system",
        ))
        .into());
    }
    let root = std::path::absolute(root).map_err(|error| refused(error.to_string()))?;
    let (home, version) = broker_in(&root).ok_or_else(|| {
        refused(format!("there is no Apache Kafka in this root file system (no kafka_2.*.jar in {})", libraries()))
    })?;
    let (java, major) = java_in(&root).ok_or_else(|| {
        refused(format!(
            "there is an Apache Kafka in this root file system and no Java (looked for bin/java and release in {}, {JAVA_LIBRARY}/*)",
            JAVA_HOMES.join(", ")
        ))
    })?;
    let needed = Version::parse(&version)?.oldest_java();
    if major < needed {
        return Err(InstallError::Missing {
            what: format!("{} has Java {major}, and Apache Kafka {version} needs {needed} or later", root.display()),
            remedy: String::from("Use one whose broker and Java fit."),
        });
    }
    let inside = |path: &str| Path::new("/").join(path);
    Ok(Installation {
        home: inside(home),
        version,
        runtime: inside(&java).join("bin/java"),
        rootfs: Some(root),
        image: None,
    })
}

fn broker_in(root: &Path) -> Option<(&'static str, String)> {
    HOMES.iter().find_map(|home| Some((*home, jars::version_in(&resolve(root, Path::new(home))?.join("libs"))?)))
}

fn libraries() -> String {
    HOMES.map(|home| format!("{home}/libs")).join(", ")
}

/// The first Java that can be called, relative to the root, and its major version.
fn java_in(root: &Path) -> Option<(String, u32)> {
    let mut packaged: Vec<String> = fs::read_dir(root.join(JAVA_LIBRARY))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(format!("{JAVA_LIBRARY}/{}", entry.file_name().to_str()?)))
        .collect();
    packaged.sort();
    let homes = JAVA_HOMES.iter().map(|home| (*home).to_owned()).chain(packaged);
    homes.into_iter().find_map(|home| {
        let found = resolve(root, Path::new(&home))?;
        let major = major_in(&fs::read_to_string(resolve(root, &Path::new(&home).join("release"))?).ok()?)?;
        found.join("bin/java").symlink_metadata().ok()?;
        Some((home, major))
    })
}

/// The number in `JAVA_VERSION="17.0.15"` of a Java's file `release`.
fn major_in(release: &str) -> Option<u32> {
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Where a path of the tree stands outside of it: links in it lead to what is below the root, as they do inside.
fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut left: Vec<PathBuf> = path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect();
    let (mut at, mut links) = (PathBuf::new(), 0);
    while let Some(part) = left.pop() {
        match part.components().next()? {
            Component::RootDir => at = PathBuf::new(),
            Component::ParentDir => drop(at.pop()),
            Component::Normal(name) => {
                let next = at.join(name);
                match fs::read_link(root.join(&next)) {
                    Ok(target) if links < MAX_LINKS => {
                        links += 1;
                        left.extend(target.components().rev().map(|part| PathBuf::from(part.as_os_str())));
                    }
                    Ok(_) => return None,
                    Err(_) => at = next,
                }
            }
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let found = root.join(at);
    found.exists().then_some(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::{installation_in, major_in, resolve};

    fn make(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    const KAFKA: (&str, &str) = ("opt/kafka/libs/kafka_2.13-4.1.1.jar", "");

    #[test]
    fn an_installation_is_described_as_seen_inside() {
        let directory = tempfile::tempdir().unwrap();
        let java = ("opt/java/openjdk/bin/java", "");
        make(directory.path(), &[KAFKA, java, ("opt/java/openjdk/release", "JAVA_VERSION=\"21.0.9\"\n")]);
        let found = installation_in(directory.path()).unwrap();
        assert_eq!(found.rootfs.as_deref(), Some(directory.path()));
        assert_eq!((found.home, found.version.as_str()), (PathBuf::from("/opt/kafka"), "4.1.1"));
        assert_eq!(found.runtime, PathBuf::from("/opt/java/openjdk/bin/java"));
    }

    #[test]
    fn links_lead_to_what_is_below_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        make(root, &[("opt/kafka_2.13-3.9.1/libs/kafka_2.13-3.9.1.jar", ""), ("usr/lib/jvm/java-17/bin/java", "")]);
        make(root, &[("etc/java/release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n")]);
        symlink("/opt/kafka_2.13-3.9.1", root.join("opt/kafka")).unwrap();
        symlink("../../../../../../etc/java/release", root.join("usr/lib/jvm/java-17/release")).unwrap();
        let found = installation_in(root).unwrap();
        assert_eq!((found.version.as_str(), found.runtime), ("3.9.1", PathBuf::from("/usr/lib/jvm/java-17/bin/java")));
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert_eq!(resolve(root, Path::new("a/x")), None);
    }

    #[test]
    fn what_lacks_the_broker_or_a_java_that_is_new_enough_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let told = |path: &Path| installation_in(path).unwrap_err().to_string();
        assert!(told(&root.join("missing")).contains("no such directory"));
        assert!(told(root).contains("no Apache Kafka"), "{}", told(root));
        make(root, &[KAFKA]);
        assert!(told(root).contains("no Java"), "{}", told(root));
        make(root, &[("usr/lib/jvm/a/bin/java", ""), ("usr/lib/jvm/a/release", "JAVA_VERSION=\"11.0.2\"\n")]);
        assert!(told(root).contains("has Java 11, and Apache Kafka 4.1.1 needs 17"), "{}", told(root));
    }

    #[test]
    fn a_release_says_its_java() {
        assert_eq!(major_in("JAVA_VERSION=\"25\"\n"), Some(25));
        assert_eq!(major_in("OS_ARCH=\"x86_64\"\n"), None);
        assert_eq!(major_in("JAVA_VERSION=\"\"\n"), None);
    }
}
