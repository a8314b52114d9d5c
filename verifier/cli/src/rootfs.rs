//! `verify rootfs`: a root file system with one release of a broker, kept in the cache.

use std::io::Write as _;
use std::path::Path;

use delivery_broker::{ConfigError, RootfsRecipe};
use delivery_cluster::rootfs::{Order, Place, Rootfs, keep, make};

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
    let mut progress = |line: &str| {
        if !args.quiet {
            eprintln!("{line}");
        }
    };
    let (made, from) = match (&args.image, &args.suite) {
        (Some(image), _) => from_image(recipe, &cache_dir, image, &mut progress)?,
        (None, suite) => {
            let suite = suite.as_deref().unwrap_or_default();
            let order = Order { recipe, suite, mirror: args.mirror.as_deref(), cache_dir: &cache_dir };
            (make(&order, &mut progress)?, suite.to_owned())
        }
    };
    let (path, version) = (made.path.display(), &made.version);
    let state = if made.fresh { "made" } else { "already there; remove the directory to have it made again" };
    let text = format!(
        "{} {version} from {from} in {path} ({state})\nverify {} {} runs it\n",
        recipe.title,
        recipe.system,
        if recipe.suites.is_empty() { format!("--rootfs {path}") } else { format!("--broker-version {version}") },
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(0)
}

/// Makes it from an image, and says what it is called in full.
fn from_image(
    recipe: &RootfsRecipe,
    cache_dir: &Path,
    image: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<(Rootfs, String), CliError> {
    let image = delivery_images::parse(image)?;
    let name = delivery_images::directory_name(&image);
    let place = Place { recipe, name: &name, cache_dir };
    let made =
        keep(&place, &mut |_, tree, progress| delivery_images::unpack(&image, cache_dir, tree, progress), progress)?;
    Ok((made, image.to_string()))
}
