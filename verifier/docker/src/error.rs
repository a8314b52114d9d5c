//! What keeps a run from being made of containers.

/// An engine that cannot be used, or that refused something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers.
    #[error(
        "no Docker engine answers at {host}: {cause}. Start one (`systemctl start docker`), say where it is with DOCKER_HOST, or use --backend local"
    )]
    Missing {
        /// Where it was looked for.
        host: String,
        /// What happened there.
        cause: String,
    },
    /// It does not speak what is needed.
    #[error(
        "the Docker engine {version} speaks version {found} of its API, and --backend docker needs {needed} (Docker 20.10) or later: update it, or use --backend local"
    )]
    TooOld {
        /// Its version.
        version: String,
        /// The version of its API.
        found: String,
        /// The version that is needed.
        needed: &'static str,
    },
    /// It shares neither files nor clock with this program.
    #[error(
        "the Docker engine does not run on this very machine ({cause}): a run's histories go by one clock and into one directory. Run `verify` where the engine runs, or use --backend local"
    )]
    Elsewhere {
        /// How that shows.
        cause: String,
    },
    /// A name that names no image.
    #[error("`{image}` names no image: --image takes NAME[:TAG], such as `apache/kafka:4.1.1`")]
    BadImage {
        /// As typed.
        image: String,
    },
    /// An image that is neither there nor to be had.
    #[error(
        "the image {image} is not on this machine and cannot be pulled: {cause}. Name another with --image, or load it with `docker load`"
    )]
    NoImage {
        /// Its name.
        image: String,
        /// What the engine said.
        cause: String,
    },
    /// An image that does not hold what is to be run.
    #[error("the image {image} does not hold {what}: {cause}. Name another with --image")]
    WrongImage {
        /// Its name.
        image: String,
        /// What was looked for.
        what: String,
        /// What was found.
        cause: String,
    },
    /// A program that every host needs is missing here.
    #[error(
        "{program} is missing on this machine, and hosts are made of it: {cause}. Install it (Debian: `apt-get install {package}`)"
    )]
    Program {
        /// Which.
        program: String,
        /// What happened.
        cause: String,
        /// What brings it.
        package: &'static str,
    },
    /// Something it would not do.
    #[error("the Docker engine would not {action}: {cause}")]
    Refused {
        /// What it was asked for.
        action: String,
        /// What it said.
        cause: String,
    },
}

impl EngineError {
    /// Something that was refused.
    pub(crate) fn refused(action: impl Into<String>, cause: &dyn std::fmt::Display) -> Self {
        Self::Refused { action: action.into(), cause: cause.to_string() }
    }
}

impl From<EngineError> for delivery_cluster::cluster::ClusterError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused { action, cause } => Self::Engine { action, cause },
            other => Self::Engine { action: String::from("use the Docker engine"), cause: other.to_string() },
        }
    }
}
