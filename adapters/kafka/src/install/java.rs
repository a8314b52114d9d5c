//! The Java that runs the nodes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use delivery_broker::InstallError;

use crate::version::Version;

/// What to install where Java is missing or too old.
const REMEDY: &str = "Install one (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME to it";

/// The `java` to call (`$JAVA_HOME/bin/java`, else the first one on the PATH) and its major version.
///
/// # Errors
/// There is none, or it is too old for `version`.
pub(super) fn find(version: Version) -> Result<(PathBuf, u32), InstallError> {
    let java = match std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => in_home(Path::new(&home))?,
        None => on_path("java").ok_or_else(|| InstallError::Missing {
            what: String::from("Java is not installed (no `java` on the PATH, JAVA_HOME not set)"),
            remedy: format!("{REMEDY}."),
        })?,
    };
    let needed = version.oldest_java();
    let found = major_of(&java)?;
    if found < needed {
        return Err(InstallError::Missing {
            what: format!("{} is Java {found}, and Apache Kafka {version} needs {needed} or later", java.display()),
            remedy: format!("{REMEDY}."),
        });
    }
    Ok((java, found))
}

fn in_home(home: &Path) -> Result<PathBuf, InstallError> {
    let java = home.join("bin/java");
    std::fs::canonicalize(&java).map_err(|error| InstallError::Missing {
        what: format!("JAVA_HOME is {}, and {} cannot be used: {error}", home.display(), java.display()),
        remedy: String::from("Set JAVA_HOME to a Java installation, or unset it to use the one on the PATH."),
    })
}

/// The first file called `name` in a directory of the PATH.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(&path, name)
}

fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    let candidates = std::env::split_paths(path).map(|directory| directory.join(name));
    candidates.filter(|candidate| candidate.is_file()).find_map(|candidate| std::fs::canonicalize(candidate).ok())
}

fn major_of(java: &Path) -> Result<u32, InstallError> {
    let failed = |cause: String| InstallError::Failed {
        what: format!("`{} -version`", java.display()),
        cause,
        remedy: format!("{REMEDY}."),
    };
    let output = Command::new(java).arg("-version").output().map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    major_in(&said).ok_or_else(|| failed(said.trim().to_owned()))
}

/// The number in `openjdk version "17.0.15" 2025-04-15`; before Java 9 it was the second one.
fn major_in(said: &str) -> Option<u32> {
    let quoted = said.split("version \"").nth(1)?.split('"').next()?;
    let mut numbers = quoted.split(|character: char| !character.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::{find_in, major_in};

    #[test]
    fn versions_are_read_from_what_java_says() {
        assert_eq!(major_in("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment"), Some(17));
        assert_eq!(major_in("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njava version \"1.8.0_392\"\n"), Some(8));
        assert_eq!(major_in("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_in("openjdk version \"21-ea\" 2023-09-19"), Some(21));
        assert_eq!(major_in("command not found"), None);
        assert_eq!(major_in("version \"\""), None);
    }

    #[test]
    fn the_first_on_the_path_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("a"), directory.path().join("b"));
        for place in [&first, &second] {
            std::fs::create_dir(place).unwrap();
        }
        std::fs::write(second.join("tool"), b"").unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let expected = std::fs::canonicalize(second.join("tool")).unwrap();
        assert_eq!(find_in(&path, "tool"), Some(expected));
        assert_eq!(find_in(&path, "other"), None);
    }
}
