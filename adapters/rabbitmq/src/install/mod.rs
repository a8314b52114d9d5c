//! Making a broker version ready to run: from this machine, the vendor's archive or a root file system.

mod cached;
mod dist;
mod erlang;
mod image;
mod probe;
mod tree;
mod version;

use std::path::{Path, PathBuf};

use delivery_broker::{ConfigError, InstallError, InstallRequest, Installation, RootfsRecipe};

pub(crate) use image::IMAGE_LAYOUT;
pub use probe::probe;
use tree::Found;
pub(crate) use version::Version;

/// The name on the command line and in the cache.
const NAME: &str = "rabbitmq";

/// Debian's suites and the release each carries, as of November 2026 (sid moves on).
const SUITES: [(&str, &str); 4] =
    [("bullseye", "3.8.9"), ("bookworm", "3.10.8"), ("trixie", "4.0.5"), ("sid", "4.3.6")];

/// What goes into a root file system: the broker with what its package needs, and what its scripts
/// call that every installed Debian has.
pub static RECIPE: RootfsRecipe = RootfsRecipe {
    system: NAME,
    title: "RabbitMQ",
    packages: &["rabbitmq-server", "dash", "coreutils", "sed", "grep", "gawk", "hostname", "procps", "util-linux"],
    suites: &SUITES,
    inspect: |root| Ok(tree::installation_in(root)?.version),
};

/// Finds or unpacks what was asked for: `--rootfs`, `--dist`, a version wherever it is, or else what
/// is installed on this machine, or else the newest root file system of the cache.
///
/// # Errors
/// See [`InstallError`].
pub fn install(request: &InstallRequest, progress: &mut dyn FnMut(&str)) -> Result<Installation, InstallError> {
    let wanted = request.version.as_deref().map(Version::parse).transpose()?;
    match (&request.rootfs, &request.dist, wanted) {
        (Some(root), _, wanted) => expect(tree::installation_in(root)?, wanted, &root.display().to_string()),
        (None, Some(file), wanted) => {
            let found = dist::unpack(file, &request.cache_dir, progress)?;
            expect(on_this_machine(found)?, wanted, &file.display().to_string())
        }
        (None, None, Some(wanted)) => match tree::broker_in(Path::new("/")) {
            Some(found) if found.version == wanted => on_this_machine(found),
            _ => cached::with(wanted, &request.cache_dir),
        },
        (None, None, None) => match tree::broker_in(Path::new("/")) {
            Some(found) => on_this_machine(found),
            None => cached::all(&request.cache_dir).into_iter().next().ok_or_else(nowhere),
        },
    }
}

/// A broker that runs on this machine's files and its Erlang.
fn on_this_machine(found: Found) -> Result<Installation, InstallError> {
    let (runtime, otp) = erlang::find()?;
    let remedy = format!(
        "Put such an Erlang first on the PATH, or use a root file system that has its own: {}",
        cached::how_to_get(found.version)
    );
    tree::check_range(found.version, otp, &format!("{} is", runtime.display()), remedy)?;
    Ok(Installation { rootfs: None, home: found.home, version: found.version.to_string(), runtime, image: None })
}

/// Refuses a release other than the one that was asked for as well.
fn expect(found: Installation, wanted: Option<Version>, place: &str) -> Result<Installation, InstallError> {
    match wanted {
        Some(wanted) if wanted.to_string() != found.version => Err(ConfigError::Contradiction(format!(
            "{place} holds RabbitMQ {}, not {wanted}: leave out --broker-version, or give the place that has it.",
            found.version
        ))
        .into()),
        _ => Ok(found),
    }
}

fn nowhere() -> InstallError {
    InstallError::Missing {
        what: String::from("RabbitMQ is neither installed on this machine nor in a root file system of the cache"),
        remedy: String::from(
            "Install it (Debian: apt-get install rabbitmq-server; its service need not run), or make a root file system: `verify rootfs rabbitmq --suite trixie`, or give the vendor's archive with --dist.",
        ),
    }
}

/// Directory of the scripts of an installation, as seen where it runs.
pub(crate) fn scripts(installation: &Installation) -> PathBuf {
    installation.home.join("sbin")
}

#[cfg(test)]
mod tests {
    use delivery_broker::InstallRequest;

    use super::install;
    use super::tree::tests::make_tree;

    #[test]
    fn a_root_file_system_with_another_release_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path(), "4.0.5", "27.3.4");
        let mut request = InstallRequest {
            rootfs: Some(directory.path().to_owned()),
            version: Some(String::from("4.3.6")),
            ..InstallRequest::default()
        };
        let error = install(&request, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("holds RabbitMQ 4.0.5, not 4.3.6"), "{error}");
        request.version = Some(String::from("4.0.5"));
        assert_eq!(install(&request, &mut |_| {}).unwrap().version, "4.0.5");
    }
}
