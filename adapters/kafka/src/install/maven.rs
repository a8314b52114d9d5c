//! Resolving a version through the user's own Maven, with its settings and mirrors.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery_broker::InstallError;

use super::jars;
use super::java::on_path;
use crate::version::Version;
use delivery_broker::leash::{self, leashed};
use delivery_broker::leftovers;

/// Longest time for a download on a slow line; Maven's own limits are shorter for one file.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Downloads between two lines of progress.
const PROGRESS_EVERY: usize = 20;

/// What to do where Maven is missing or does not work.
pub(super) const REMEDY: &str = "Install Maven (Debian: apt-get install maven), or give an archive with --dist or an \
                                 unpacked one with KAFKA_HOME.";

/// The first `mvn` on the PATH.
///
/// # Errors
/// There is none.
pub(super) fn find() -> Result<PathBuf, InstallError> {
    on_path("mvn").ok_or_else(|| InstallError::Missing {
        what: String::from("Maven is not installed (no `mvn` on the PATH), and it downloads the brokers"),
        remedy: String::from(REMEDY),
    })
}

/// The directory with the jars of `version`, from the cache or downloaded into it. What is being
/// downloaded has another name until it is whole.
///
/// # Errors
/// Maven is missing or fails, or the version does not exist.
pub(super) fn resolve(
    version: Version,
    cache_dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, InstallError> {
    let versions = cache_dir.join("kafka");
    let home = versions.join(version.to_string());
    if is_whole(&home, version) {
        return Ok(home);
    }
    let maven = find()?;
    let disk = |error: std::io::Error| cache_failed(&versions, &error);
    std::fs::create_dir_all(&versions).map_err(disk)?;
    leftovers::sweep(&versions, ".partial-");
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(&versions).map_err(disk)?;
    let pom = partial.path().join("pom.xml");
    std::fs::write(&pom, pom_text(version)).map_err(disk)?;
    progress(&format!("downloading Apache Kafka {version} with mvn (once, about 60 MB with Maven's own parts)"));
    let downloaded = partial.path().join("home");
    download(&maven, &pom, &downloaded.join("libs"), version, progress)?;
    if !is_whole(&downloaded, version) {
        return Err(failed(String::from("the broker's jar is not among what was downloaded")));
    }
    // Another run may have been faster; its directory is as whole as ours.
    match std::fs::rename(&downloaded, &home) {
        Err(error) if !is_whole(&home, version) => Err(disk(error)),
        _ => Ok(home),
    }
}

fn is_whole(home: &Path, version: Version) -> bool {
    jars::version_in(&home.join("libs")).is_some_and(|found| found == version.to_string())
}

fn cache_failed(directory: &Path, error: &std::io::Error) -> InstallError {
    InstallError::Failed {
        what: format!("writing to the cache {}", directory.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    }
}

fn failed(cause: String) -> InstallError {
    InstallError::Failed {
        what: String::from("`mvn dependency:copy-dependencies`"),
        cause,
        remedy: String::from(
            "Check the network and ~/.m2/settings.xml, or give an archive with --dist or an unpacked one with KAFKA_HOME.",
        ),
    }
}

/// The broker and the binding its logs need: without one there are none.
fn pom_text(version: Version) -> String {
    let (group, binding, release) = if version.logs_with_log4j2() {
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")
    } else {
        ("org.slf4j", "slf4j-reload4j", "1.7.36")
    };
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>delivery-verifier</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{binding}</artifactId>
      <version>{release}</version>
    </dependency>
  </dependencies>
</project>
"#
    )
}

fn download(
    maven: &Path,
    pom: &Path,
    libs: &Path,
    version: Version,
    progress: &mut dyn FnMut(&str),
) -> Result<(), InstallError> {
    let mut output_directory = OsString::from("-DoutputDirectory=");
    output_directory.push(libs);
    let arguments: [&OsStr; 6] = [
        OsStr::new("-B"),
        OsStr::new("-f"),
        pom.as_os_str(),
        OsStr::new("dependency:copy-dependencies"),
        OsStr::new("-DincludeScope=runtime"),
        &output_directory,
    ];
    let mut files = 0;
    let (status, tail) = leash::follow(leashed(maven, arguments), LIMIT, &mut |line| {
        if line.contains("Downloaded from ") {
            files += 1;
            if files % PROGRESS_EVERY == 0 {
                progress(&format!("downloading Apache Kafka with mvn: {files} files"));
            }
            return false;
        }
        !line.contains("Downloading from ") && !line.trim().is_empty()
    })
    .map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false if is_unreleased(&tail, version) => Err(InstallError::Config(version.unreleased())),
        false => Err(failed(errors_in(&tail))),
    }
}

/// What Maven says is wrong, without its advice on how to ask it again; all of it where it says nothing.
fn errors_in(tail: &VecDeque<String>) -> String {
    let advice = ["re-run Maven", "Re-run Maven", "For more information", "[Help 1] http"];
    let says = |line: &&String| {
        let words = line.strip_prefix("[ERROR]").map_or("", str::trim);
        !words.is_empty() && !advice.iter().any(|part| words.contains(part))
    };
    let errors: Vec<&str> = tail.iter().filter(says).map(String::as_str).collect();
    if errors.is_empty() { tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n") } else { errors.join("\n") }
}

/// The repositories answered, and none has the broker in this version.
fn is_unreleased(tail: &VecDeque<String>, version: Version) -> bool {
    let broker = format!("org.apache.kafka:kafka_2.13:jar:{version}");
    let says = |line: &String| {
        line.contains(&format!("Could not find artifact {broker} in "))
            || line.contains(&format!("{broker} was not found in "))
    };
    let no_network = |line: &String| line.contains("Could not transfer artifact");
    tail.iter().any(says) && !tail.iter().any(no_network)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{errors_in, is_unreleased, is_whole, pom_text, resolve};
    use crate::version::Version;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn the_pom_brings_the_broker_and_its_logs() {
        insta::assert_snapshot!("pom-4", pom_text(version("4.1.1")));
        insta::assert_snapshot!("pom-3", pom_text(version("3.9.1")));
    }

    #[test]
    fn a_missing_version_is_told_from_a_missing_network() {
        let line = |text: &str| VecDeque::from([text.to_owned()]);
        let missing = "[ERROR] Failed to execute goal on project kafka: Could not resolve dependencies for project \
                       delivery-verifier:kafka:pom:1: Could not find artifact org.apache.kafka:kafka_2.13:jar:4.1.99 \
                       in central (https://repo.maven.apache.org/maven2) -> [Help 1]";
        assert!(is_unreleased(&line(missing), version("4.1.99")));
        assert!(!is_unreleased(&line(missing), version("4.1.9")));
        let cached = "[ERROR] org.apache.kafka:kafka_2.13:jar:4.1.99 was not found in https://repo during a previous \
                      attempt. This failure was cached in the local repository";
        assert!(is_unreleased(&line(cached), version("4.1.99")));
        let network = "[ERROR] Could not transfer artifact org.apache.kafka:kafka_2.13:jar:4.1.99 from/to central: \
                       Connection refused";
        assert!(!is_unreleased(&line(network), version("4.1.99")));
        assert!(!is_unreleased(&VecDeque::new(), version("4.1.99")));
    }

    #[test]
    fn only_what_is_wrong_is_told() {
        let lines = ["[INFO] Total time: 1 s", "[ERROR] No plugin found", "[ERROR] ", "[ERROR] Re-run Maven using -X"];
        assert_eq!(errors_in(&lines.iter().map(|line| (*line).to_owned()).collect()), "[ERROR] No plugin found");
        let silent: VecDeque<String> = VecDeque::from([String::from("sh: no such thing")]);
        assert_eq!(errors_in(&silent), "sh: no such thing");
    }

    #[test]
    fn what_is_in_the_cache_is_not_downloaded_again() {
        let cache = tempfile::tempdir().unwrap();
        let libs = cache.path().join("kafka/4.1.1/libs");
        std::fs::create_dir_all(&libs).unwrap();
        assert!(!is_whole(&cache.path().join("kafka/4.1.1"), version("4.1.1")));
        std::fs::write(libs.join("kafka_2.13-4.1.1.jar"), b"").unwrap();
        let mut told = Vec::new();
        let home = resolve(version("4.1.1"), cache.path(), &mut |line| told.push(line.to_owned())).unwrap();
        assert_eq!(home, cache.path().join("kafka/4.1.1"));
        assert!(told.is_empty());
    }
}
