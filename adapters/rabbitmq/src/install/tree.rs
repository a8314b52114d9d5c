//! What stands in a file system: the broker, and the Erlang it runs on.

use std::fs;
use std::path::{Path, PathBuf};

use delivery_broker::{ConfigError, InstallError, Installation};

use super::version::{Otp, OtpRange, Version};

/// Where packages put the broker: the directories of Debian and the like, then that of the vendor's image.
const LIBRARIES: [&str; 2] = ["usr/lib/rabbitmq/lib", "usr/lib64/rabbitmq/lib"];
const IMAGE_HOME: &str = "opt/rabbitmq";
/// Where Erlang stands.
const ERLANG_ROOTS: [&str; 5] =
    ["usr/lib/erlang", "usr/lib64/erlang", "usr/local/lib/erlang", "opt/erlang/lib/erlang", "opt/erlang"];

/// A broker that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its directory (with `sbin` and `plugins`).
    pub(super) home: PathBuf,
    /// Its version, from its own application file.
    pub(super) version: Version,
}

/// The newest broker that packages have put into the tree at `root`.
pub(super) fn broker_in(root: &Path) -> Option<Found> {
    let homes = LIBRARIES.iter().flat_map(|library| entries(&root.join(library)));
    homes.chain([root.join(IMAGE_HOME)]).filter_map(|home| broker_at(&home)).max_by_key(|found| found.version)
}

/// The broker whose directory is `home`.
pub(super) fn broker_at(home: &Path) -> Option<Found> {
    if !home.join("sbin/rabbitmq-server").is_file() {
        return None;
    }
    let applications = entries(&home.join("plugins"))
        .into_iter()
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("rabbit-")));
    let version = applications.filter_map(|path| version_of(&path)).max()?;
    Some(Found { home: home.to_owned(), version })
}

/// Version of the application `rabbit` in a directory, or of the archive that holds it.
fn version_of(path: &Path) -> Option<Version> {
    if path.extension().is_some_and(|extension| extension == "ez") {
        return Version::parse(path.file_stem()?.to_str()?.strip_prefix("rabbit-")?).ok();
    }
    let text = fs::read_to_string(path.join("ebin/rabbit.app")).ok()?;
    Version::parse(text.split("{vsn,").nth(1)?.split('"').nth(1)?).ok()
}

/// The Erlang in the tree at `root`: its root directory and its version.
pub(super) fn erlang_in(root: &Path) -> Option<(PathBuf, Otp)> {
    ERLANG_ROOTS
        .iter()
        .map(|inside| root.join(inside))
        .find_map(|directory| Some((directory.clone(), otp_at(&directory)?)))
}

/// The version of the Erlang whose root directory is `directory`.
pub(super) fn otp_at(directory: &Path) -> Option<Otp> {
    let releases = entries(&directory.join("releases")).into_iter();
    releases.filter_map(|release| Otp::parse(&fs::read_to_string(release.join("OTP_VERSION")).ok()?)).max()
}

/// The installation in a root file system.
///
/// # Errors
/// There is no broker or no Erlang in it, or they do not fit together.
pub(super) fn installation_in(root: &Path) -> Result<Installation, InstallError> {
    let refused = |reason: &str| ConfigError::File { path: root.to_owned(), reason: reason.to_owned() };
    if !root.is_dir() {
        return Err(refused(
            "there is no such directory; `verify rootfs rabbitmq --suite SUITE` makes a root file system",
        )
        .into());
    }
    let root = std::path::absolute(root).map_err(|error| refused(&error.to_string()))?;
    let found = broker_in(&root).ok_or_else(|| {
        refused("there is no RabbitMQ in this root file system (no usr/lib/rabbitmq/lib/rabbitmq_server-*, no opt/rabbitmq); `verify rootfs rabbitmq --suite SUITE` makes one that has it")
    })?;
    let (erlang, otp) = erlang_in(&root).ok_or_else(|| {
        refused("there is a RabbitMQ in this root file system and no Erlang (no usr/lib/erlang/releases/*/OTP_VERSION)")
    })?;
    let remedy = String::from("Use one whose broker and Erlang fit: `verify rootfs rabbitmq --suite SUITE` makes one.");
    check_range(found.version, otp, &format!("{} has", root.display()), remedy)?;
    Ok(Installation {
        home: inside(&root, &found.home),
        version: found.version.to_string(),
        runtime: inside(&root, &erlang).join("bin/erl"),
        rootfs: Some(root),
        image: None,
    })
}

/// Refuses an Erlang the release does not support.
///
/// # Errors
/// It is out of range; `whose` says where it stands, `remedy` how to get another.
pub(super) fn check_range(version: Version, otp: Otp, whose: &str, remedy: String) -> Result<(), InstallError> {
    let range = OtpRange::of(version);
    if range.holds(otp) {
        return Ok(());
    }
    Err(InstallError::Missing { what: format!("{whose} Erlang {otp}, and RabbitMQ {version} runs on {range}"), remedy })
}

/// How a path of the tree is called inside it.
fn inside(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{broker_at, installation_in};

    /// A tree with as much of a broker as is looked at.
    pub(crate) fn make_tree(root: &Path, version: &str, otp: &str) {
        make_home(&root.join(format!("usr/lib/rabbitmq/lib/rabbitmq_server-{version}")), version);
        if !otp.is_empty() {
            let release = root.join("usr/lib/erlang/releases").join(otp.split('.').next().unwrap());
            fs::create_dir_all(&release).unwrap();
            fs::write(release.join("OTP_VERSION"), format!("{otp}\n")).unwrap();
        }
    }

    pub(crate) fn make_home(home: &Path, version: &str) {
        let application = home.join(format!("plugins/rabbit-{version}/ebin"));
        fs::create_dir_all(&application).unwrap();
        fs::create_dir_all(home.join("plugins/rabbit_common-9.9.9/ebin")).unwrap();
        let text = format!("{{application, 'rabbit', [\n\t{{description, \"RabbitMQ\"}},\n\t{{vsn, \"{version}\"}},\n");
        fs::write(application.join("rabbit.app"), text).unwrap();
        fs::create_dir_all(home.join("sbin")).unwrap();
        fs::write(home.join("sbin/rabbitmq-server"), "").unwrap();
    }

    #[test]
    fn an_installation_is_described_as_seen_inside() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path(), "4.0.5", "27.3.4");
        let found = installation_in(directory.path()).unwrap();
        assert_eq!(found.rootfs.as_deref(), Some(directory.path()));
        assert_eq!(found.home, PathBuf::from("/usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5"));
        assert_eq!(found.runtime, PathBuf::from("/usr/lib/erlang/bin/erl"));
        assert_eq!(found.version, "4.0.5");
    }

    #[test]
    fn an_archived_application_has_its_version_in_its_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("sbin")).unwrap();
        fs::create_dir_all(directory.path().join("plugins")).unwrap();
        fs::write(directory.path().join("sbin/rabbitmq-server"), "").unwrap();
        fs::write(directory.path().join("plugins/rabbit-3.8.9.ez"), "").unwrap();
        assert_eq!(broker_at(directory.path()).unwrap().version.to_string(), "3.8.9");
    }

    #[test]
    fn what_is_no_root_file_system_with_the_broker_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let told = |path: &Path| installation_in(path).unwrap_err().to_string();
        let missing = directory.path().join("missing");
        assert!(told(&missing).contains("no such directory"), "{}", told(&missing));
        assert!(told(directory.path()).contains("no RabbitMQ"), "{}", told(directory.path()));
        make_tree(directory.path(), "4.0.5", "");
        assert!(told(directory.path()).contains("no Erlang"), "{}", told(directory.path()));
    }

    #[test]
    fn an_erlang_out_of_range_is_refused_before_anything_starts() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path(), "4.0.5", "25.2.3");
        let error = installation_in(directory.path()).unwrap_err().to_string();
        assert!(error.contains("Erlang 25.2, and RabbitMQ 4.0.5 runs on 26.2 to 27.x"), "{error}");
    }
}
