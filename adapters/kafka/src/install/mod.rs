//! Making a broker version ready to run.

mod archive;
mod dist;
mod image;
mod jars;
mod java;
mod maven;
mod probe;
mod tree;

use std::path::Path;

use delivery_broker::{ConfigError, InstallError, InstallRequest, Installation, RootfsRecipe};

pub(crate) use crate::version::{DEFAULT_VERSION, Version};
pub(crate) use archive::path as archive_path;
pub(crate) use image::IMAGE_LAYOUT;
pub(crate) use probe::probe;

/// Environment variable that names an unpacked distribution.
const HOME_VARIABLE: &str = "KAFKA_HOME";

/// What a root file system with it is made from: images only, as no distribution packages it.
pub static RECIPE: RootfsRecipe = RootfsRecipe {
    system: "kafka",
    title: "Apache Kafka",
    packages: &[],
    suites: &[],
    inspect: |root| Ok(tree::installation_in(root)?.version),
};

/// Finds, unpacks or downloads what was asked for.
///
/// # Errors
/// See [`InstallError`].
pub(crate) fn install(request: &InstallRequest, progress: &mut dyn FnMut(&str)) -> Result<Installation, InstallError> {
    if let Some(rootfs) = &request.rootfs {
        return tree::installation_in(rootfs);
    }
    let wanted = request.version.as_deref().map(Version::parse).transpose()?;
    let home = std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty());
    match (&request.dist, wanted, home) {
        (Some(file), wanted, _) => from_dist(file, wanted, &request.cache_dir, progress),
        // What is in a directory of the user's is left as it is: no archive is made there.
        (None, None, Some(home)) => Ok(from_home(Path::new(&home))?.0),
        (None, wanted, _) => {
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => Version::parse(DEFAULT_VERSION)?,
            };
            let (runtime, major) = java::find(wanted)?;
            let home = maven::resolve(wanted, &request.cache_dir, progress)?;
            let installation = Installation { rootfs: None, home, version: wanted.to_string(), runtime, image: None };
            archive::make(&installation, major, progress);
            Ok(installation)
        }
    }
}

fn from_dist(
    file: &Path,
    wanted: Option<Version>,
    cache_dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Installation, InstallError> {
    let home = dist::unpack(file, cache_dir, progress)?;
    let (installation, java_major) = from_home(&home)?;
    match wanted {
        Some(wanted) if wanted.to_string() != installation.version => {
            Err(InstallError::Config(ConfigError::Contradiction(format!(
                "{} holds Apache Kafka {}, not {wanted}: leave out --broker-version or --dist.",
                file.display(),
                installation.version
            ))))
        }
        _ => {
            archive::make(&installation, java_major, progress);
            Ok(installation)
        }
    }
}

/// The installation in `home` and the major version of the Java that runs it.
fn from_home(home: &Path) -> Result<(Installation, u32), InstallError> {
    let found = jars::version_in(&home.join("libs")).ok_or_else(|| ConfigError::File {
        path: home.join("libs"),
        reason: String::from("there is no kafka_2.*.jar in it: this is no distribution of Apache Kafka"),
    })?;
    let version = Version::parse(&found)?;
    let (runtime, major) = java::find(version)?;
    let home = std::path::absolute(home).map_err(|error| InstallError::Failed {
        what: format!("resolving {}", home.display()),
        cause: error.to_string(),
        remedy: String::from("Give an absolute path."),
    })?;
    Ok((Installation { rootfs: None, home, version: found, runtime, image: None }, major))
}
