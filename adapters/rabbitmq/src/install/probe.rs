//! What the machine has of what a run needs, tried out.

use std::path::Path;

use delivery_broker::{InstallError, InstallProblem, RuntimeProbe};

use super::{nowhere, on_this_machine, tree};

/// The broker and its Erlang, as a run without options would use them.
pub fn probe(cache_dir: &Path) -> Vec<RuntimeProbe> {
    vec![RuntimeProbe { name: "broker and Erlang", found: broker(cache_dir) }]
}

fn broker(cache_dir: &Path) -> Result<String, InstallProblem> {
    let cached = super::cached::all(cache_dir);
    let also: Vec<&str> = cached.iter().map(|found| found.version.as_str()).collect();
    let also =
        if also.is_empty() { String::new() } else { format!("; root file systems in the cache: {}", also.join(", ")) };
    match tree::broker_in(Path::new("/")) {
        Some(found) => {
            let home = found.home.clone();
            let installed = on_this_machine(found).map_err(problem)?;
            Ok(format!("{} in {}, {}{also}", installed.version, home.display(), installed.runtime.display()))
        }
        None if cached.is_empty() => Err(problem(nowhere())),
        None => Ok(format!("not installed on this machine{also}")),
    }
}

fn problem(error: InstallError) -> InstallProblem {
    match error {
        InstallError::Missing { what, remedy } => InstallProblem { what, remedy },
        InstallError::Failed { what, cause, remedy } => {
            InstallProblem { what: format!("{what} failed: {cause}"), remedy }
        }
        InstallError::Config(error) => InstallProblem { what: error.to_string(), remedy: String::new() },
    }
}
