//! `--install-only`: what a run needs of its product, made ready for a machine or an image that runs it later.

use std::io::Write as _;

use delivery_broker::System;

use crate::args::RunArgs;
use crate::exit::CliError;
use crate::real::install;

/// Makes every version that was asked for ready, starts nothing, and says where each is.
///
/// # Errors
/// A version that cannot be made ready, or standard output.
pub(crate) fn make_all(system: &dyn System, args: &RunArgs) -> Result<i32, CliError> {
    let asked = args.broker_version.iter().map(Some);
    let default = args.broker_version.is_empty().then_some(None);
    for version in asked.chain(default) {
        let made = install(system, args, version)?;
        let text = format!("{} {} is ready in {}\n", system.info().title, made.version, made.home.display());
        std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    }
    Ok(0)
}
