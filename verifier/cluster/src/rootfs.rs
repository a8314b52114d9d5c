//! Makes root file systems out of a distribution's packages, without root.
//!
//! The distribution's own tools resolve, download, verify and unpack the packages; no maintainer
//! script runs. The tree is made beside its final name and renamed once it is whole.

mod apt;
mod finish;
mod lock;
mod mirror;
mod owners;
mod run;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use delivery_broker::{ConfigError, InstallError, RootfsRecipe, rootfs_dir};
use nix::unistd::{AccessFlags, access};

use apt::Apt;
pub use owners::check_owners;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What goes into it.
    pub recipe: &'a RootfsRecipe,
    /// From which suite of the distribution.
    pub suite: &'a str,
    /// From which mirror; without one, the one this machine's own packages come from.
    pub mirror: Option<&'a str>,
    /// Where it is kept.
    pub cache_dir: &'a Path,
}

/// A root file system that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// Where.
    pub path: PathBuf,
    /// Version of the product in it.
    pub version: String,
    /// Whether it was made by this call.
    pub fresh: bool,
}

/// Where a root file system is kept, and what tells that it is whole.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// With which product: says its version.
    pub recipe: &'a RootfsRecipe,
    /// Name of its directory among those of the product; does not start with a dot.
    pub name: &'a str,
    /// Where they are kept.
    pub cache_dir: &'a Path,
}

/// What a tree is filled by: it is given a directory to work in, the tree to make in it, and whom to tell.
pub type Fill<'a> = dyn FnMut(&Path, &Path, &mut dyn FnMut(&str)) -> Result<(), InstallError> + 'a;

/// Makes the root file system of a suite, unless it is there.
///
/// # Errors
/// An unknown suite or a mirror that is none (exit 2); a missing tool; what a tool said.
pub fn make(order: &Order<'_>, progress: &mut dyn FnMut(&str)) -> Result<Rootfs, InstallError> {
    let recipe = order.recipe;
    if recipe.suites.is_empty() {
        return Err(ConfigError::Contradiction(format!(
            "no suite of Debian carries {}: leave out --suite, and take it from an image (--image NAME:TAG).",
            recipe.title
        ))
        .into());
    }
    if !recipe.suites.iter().any(|(suite, _)| *suite == order.suite) {
        return Err(ConfigError::unknown("suite", order.suite, recipe.suites.iter().map(|(suite, _)| *suite)).into());
    }
    let place = Place { recipe, name: order.suite, cache_dir: order.cache_dir };
    keep(&place, &mut |directory, tree, progress| fill(order, directory, tree, progress), progress)
}

/// Has a root file system made by `fill`, unless it is there. Two at once wait for each other; a killed one
/// leaves a directory the next one removes.
///
/// # Errors
/// What `fill` says; the cache cannot be written; there is no such product in what was made.
pub fn keep(place: &Place<'_>, fill: &mut Fill<'_>, progress: &mut dyn FnMut(&str)) -> Result<Rootfs, InstallError> {
    let (recipe, name) = (place.recipe, place.name);
    let directory = rootfs_dir(place.cache_dir, recipe.system);
    let disk = |error: io::Error| InstallError::Failed {
        what: format!("writing to the cache {}", directory.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    };
    fs::create_dir_all(&directory).map_err(disk)?;
    let path = directory.join(name);
    if path.is_dir() {
        return there(recipe, path);
    }
    access(&directory, AccessFlags::W_OK).map_err(|errno| disk(errno.into()))?;
    let _lock = lock::take(&directory.join(format!(".{name}.lock")), progress)?;
    if path.is_dir() {
        return there(recipe, path);
    }
    let prefix = format!(".partial-{name}-");
    remove_leftovers(&directory, &prefix).map_err(disk)?;
    let partial = tempfile::Builder::new().prefix(&prefix).tempdir_in(&directory).map_err(disk)?;
    let tree = partial.path().join("tree");
    fill(partial.path(), &tree, progress)?;
    let version = (recipe.inspect)(&tree)?;
    fs::rename(&tree, &path).map_err(disk)?;
    Ok(Rootfs { path, version, fresh: true })
}

fn there(recipe: &RootfsRecipe, path: PathBuf) -> Result<Rootfs, InstallError> {
    let version = (recipe.inspect)(&path)?;
    Ok(Rootfs { path, version, fresh: false })
}

fn fill(order: &Order<'_>, partial: &Path, tree: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), InstallError> {
    let mirror = match order.mirror {
        Some(url) => mirror::checked(url)?,
        None => mirror::of_this_machine(order.recipe.suites)?,
    };
    let apt = Apt::prepare(partial, &mirror, order.suite)?;
    progress(&format!("reading which packages {} has", order.suite));
    apt.update()?;
    progress(&format!("downloading {} and what it needs (once)", order.recipe.title));
    let packages = apt.download(order.recipe.packages, progress)?;
    progress(&format!("unpacking {} packages", packages.len()));
    apt::unpack(&packages, tree)?;
    finish::finish(tree).map_err(|error| InstallError::Failed {
        what: format!("finishing {}", tree.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    })
}

/// What killed runs left: the lock says that nobody is at it.
fn remove_leftovers(directory: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    static RECIPE: RootfsRecipe = RootfsRecipe {
        system: "broker",
        title: "Broker",
        packages: &["broker"],
        suites: &[("bookworm", "1.0"), ("trixie", "2.0")],
        inspect: |root| Ok(fs::read_to_string(root.join("version")).unwrap_or_default()),
    };

    #[test]
    fn an_unknown_suite_and_a_bad_mirror_are_refused_before_anything_is_made() {
        let cache = tempfile::tempdir().unwrap();
        let mut order = Order { recipe: &RECIPE, suite: "trixy", mirror: None, cache_dir: cache.path() };
        let error = make(&order, &mut |_| {}).unwrap_err().to_string();
        assert_eq!(error, "there is no suite `trixy`; nearest: trixie, bookworm");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
        order = Order { suite: "trixie", mirror: Some("nonsense [trusted=yes]"), ..order };
        let error = make(&order, &mut |_| {}).unwrap_err();
        assert!(matches!(error, InstallError::Config(ConfigError::Invalid { .. })), "{error}");
    }

    #[test]
    fn one_that_is_there_is_not_made_again_and_leftovers_go() {
        let cache = tempfile::tempdir().unwrap();
        let directory = cache.path().join("rootfs/broker");
        fs::create_dir_all(directory.join("trixie")).unwrap();
        fs::write(directory.join("trixie/version"), "2.0").unwrap();
        let order = Order { recipe: &RECIPE, suite: "trixie", mirror: None, cache_dir: cache.path() };
        let made = make(&order, &mut |_| {}).unwrap();
        assert_eq!(made, Rootfs { path: directory.join("trixie"), version: String::from("2.0"), fresh: false });
        for name in [".partial-sid-1", ".partial-trixie-2"] {
            fs::create_dir(directory.join(name)).unwrap();
        }
        remove_leftovers(&directory, ".partial-trixie-").unwrap();
        assert!(!directory.join(".partial-trixie-2").exists() && directory.join(".partial-sid-1").exists());
    }
}
