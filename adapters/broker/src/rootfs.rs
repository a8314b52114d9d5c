//! Root file systems that hold a product, as plain data.

use std::path::{Path, PathBuf};

use crate::system::InstallError;

/// What makes a root file system with one product out of a distribution's packages.
#[derive(Clone, Copy, Debug)]
pub struct RootfsRecipe {
    /// Name on the command line and in the cache.
    pub system: &'static str,
    /// Name as its vendor writes it.
    pub title: &'static str,
    /// Packages to unpack, with all they depend on.
    pub packages: &'static [&'static str],
    /// The distribution's suites that carry it, and the version each carries.
    pub suites: &'static [(&'static str, &'static str)],
    /// Reads the product's version from a finished tree, or says what is wrong with it.
    pub inspect: fn(&Path) -> Result<String, InstallError>,
}

/// Where the cache keeps root file systems with `system`: one directory a suite. Names that start
/// with a dot are being made.
pub fn rootfs_dir(cache_dir: &Path, system: &str) -> PathBuf {
    cache_dir.join("rootfs").join(system)
}
