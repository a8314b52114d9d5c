//! What the machine has of what a run needs, tried out.

use std::process::Command;

use delivery_broker::{InstallError, InstallProblem, RuntimeProbe};

use super::java;
use super::maven;
use crate::version::{DEFAULT_VERSION, Version};

/// Java and Maven, as a run with the default version would use them.
pub(crate) fn probe() -> Vec<RuntimeProbe> {
    vec![RuntimeProbe { name: "Java", found: java() }, RuntimeProbe { name: "Maven", found: maven() }]
}

fn java() -> Result<String, InstallProblem> {
    let version = Version::parse(DEFAULT_VERSION).map_err(|error| problem(error.into()))?;
    let (java, major) = java::find(version).map_err(problem)?;
    Ok(format!("Java {major}, {}", java.display()))
}

fn maven() -> Result<String, InstallProblem> {
    let maven = maven::find().map_err(problem)?;
    let output = Command::new(&maven).args(["-B", "-v"]).output();
    let output = output.map_err(|error| InstallProblem {
        what: format!("`{} -v` cannot be run: {error}", maven.display()),
        remedy: String::from(maven::REMEDY),
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Some Mavens colour the line even where no terminal is.
    let version = said.split("Apache Maven ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match version {
        Some(version) if output.status.success() => {
            let plain: String = version.chars().take_while(|character| !character.is_control()).collect();
            Ok(format!("Apache Maven {plain}, {}", maven.display()))
        }
        _ => Err(InstallProblem {
            what: format!("`{} -v` does not say its version: {}", maven.display(), said.trim()),
            remedy: String::from(maven::REMEDY),
        }),
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
