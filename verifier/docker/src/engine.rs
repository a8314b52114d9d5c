//! The engine, found as testcontainers finds it: DOCKER_HOST, the Docker context, the usual socket.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Runtime};

use crate::error::EngineError;

/// The oldest version of the API that has been tried: Docker 20.10's.
const NEEDED_API: (u32, u32) = (1, 41);
const NEEDED_API_TEXT: &str = "1.41";
/// Longest wait for a first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A Docker engine of this machine. Cloning it gives another handle to the same.
#[derive(Clone)]
pub struct Engine {
    docker: Docker,
    version: String,
    runtime: Arc<Runtime>,
}

impl Engine {
    /// Connects and checks its version. Starts threads.
    ///
    /// # Errors
    /// When none answers, or it is too old.
    pub fn connect() -> Result<Self, EngineError> {
        let missing = |cause: String| EngineError::Missing { host: place(), cause };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| missing(error.to_string()))?;
        let docker = runtime.block_on(docker_client_instance()).map_err(|error| missing(error.to_string()))?;
        let asked = runtime.block_on(async { tokio::time::timeout(ANSWER_LIMIT, docker.version()).await });
        let told = match asked {
            Ok(told) => told.map_err(|error| missing(error.to_string()))?,
            Err(_) => return Err(missing(format!("no answer within {} s", ANSWER_LIMIT.as_secs()))),
        };
        let version = told.version.unwrap_or_else(|| String::from("of unknown version"));
        check_version(&version, told.api_version.as_deref())?;
        match told.os.as_deref() {
            Some("linux") | None => Ok(Self { docker, version, runtime: Arc::new(runtime) }),
            Some(os) => Err(EngineError::Elsewhere { cause: format!("its containers are of {os}") }),
        }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The client of its API.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Waits for what runs on the engine's own threads.
    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Lets it run on the engine's own threads.
    pub(crate) fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(what);
    }
}

/// Where the engine is looked for, for messages.
fn place() -> String {
    let set = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    set.unwrap_or_else(|| String::from("the usual place (/var/run/docker.sock)"))
}

fn check_version(version: &str, api: Option<&str>) -> Result<(), EngineError> {
    let found = api.unwrap_or("unknown");
    let parsed = api.and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match parsed {
        Some(parsed) if parsed >= NEEDED_API => Ok(()),
        _ => Err(EngineError::TooOld { version: version.to_owned(), found: found.to_owned(), needed: NEEDED_API_TEXT }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_too_old_is_told_which_version_is_needed() {
        assert!(check_version("20.10.24", Some("1.41")).is_ok());
        assert!(check_version("29.0", Some("1.53")).is_ok() && check_version("99", Some("2.0")).is_ok());
        for old in [Some("1.40"), Some("0.99"), Some("new"), None] {
            let told = check_version("19.03", old).unwrap_err().to_string();
            assert!(told.contains("19.03") && told.contains("1.41"), "{told}");
        }
    }
}
