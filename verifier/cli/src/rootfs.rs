//! `verify rootfs`: a root file system with one release of a broker, kept in the cache.

use std::io::Write as _;

use delivery_broker::ConfigError;
use delivery_cluster::rootfs::{Order, make};

use crate::args::RootfsArgs;
use crate::exit::CliError;
use crate::run::cache_dir;
use crate::systems::ROOTFS_RECIPES;

/// Makes it, unless it is there, and prints which release it holds.
///
/// # Errors
/// An unknown system or suite; a missing tool, what a tool said, or standard output.
pub fn rootfs(args: &RootfsArgs) -> Result<i32, CliError> {
    let recipe = ROOTFS_RECIPES.iter().find(|recipe| recipe.system == args.system).ok_or_else(|| {
        let known = ROOTFS_RECIPES.iter().map(|recipe| recipe.system);
        ConfigError::unknown("system with root file systems", &args.system, known)
    })?;
    let cache_dir = cache_dir();
    let order = Order { recipe, suite: &args.suite, mirror: args.mirror.as_deref(), cache_dir: &cache_dir };
    let made = make(&order, &mut |line| {
        if !args.quiet {
            eprintln!("{line}");
        }
    })?;
    let (path, version) = (made.path.display(), &made.version);
    let state = if made.fresh { "made" } else { "already there; remove the directory to have it made again" };
    let text = format!(
        "{} {version} from {} in {path} ({state})\nverify {} --broker-version {version} runs it\n",
        recipe.title, args.suite, recipe.system
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(0)
}
