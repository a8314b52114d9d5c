//! What a run has of the engine: a network of its own, and a reaper.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use testcontainers::bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};

use crate::containers;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::image::{ImageName, of_this_machine};
use crate::reaper::{LABEL, Reaper};

/// First address of the range reserved for benchmarks of networks (RFC 2544): no real host has one.
const RANGE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Addresses of a run.
const BLOCK: u32 = 1 << 10;
/// Length of the network part of a run's addresses.
const BLOCK_PREFIX: u32 = 22;
/// Runs that the range has room for.
const BLOCKS: u32 = 128;

/// A run's part of the engine. Dropping the last handle removes everything that is the run's.
#[derive(Clone)]
pub struct DockerRun(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) run_id: String,
    pub(crate) network: String,
    pub(crate) host_image: ImageName,
    /// Directories that hosts see as this machine does.
    pub(crate) shared: Vec<PathBuf>,
    first: Ipv4Addr,
    // After all that it removes.
    _reaper: Reaper,
}

impl DockerRun {
    /// Makes the run's network, with a reaper waiting. `shared` are directories of this machine that the hosts read and
    /// write under the same names; `programs` go into the image of the hosts, each with the Debian package that has it,
    /// beside what hosts need anyhow.
    ///
    /// # Errors
    /// What the engine refused; nothing is left then.
    pub fn open(
        engine: &Engine,
        run_id: &str,
        shared: Vec<PathBuf>,
        programs: &[(&str, &'static str)],
    ) -> Result<Self, EngineError> {
        let needed: Vec<(&str, &'static str)> = [("nft", "nftables")].iter().chain(programs).copied().collect();
        let host_image = of_this_machine(engine, &needed)?;
        let reaper = Reaper::start(run_id)?;
        let network = format!("verify-{run_id}");
        let first = make_network(engine, run_id, &network)?;
        Ok(Self(Arc::new(Inner {
            engine: engine.clone(),
            run_id: run_id.to_owned(),
            network,
            host_image,
            shared,
            first,
            _reaper: reaper,
        })))
    }

    /// The address in the run's own block for one that is written as if the run had the first block of the range;
    /// nothing for one beyond that.
    pub fn address(&self, written: &str) -> Option<String> {
        let offset = written.parse::<Ipv4Addr>().ok()?.to_bits().checked_sub(RANGE.to_bits())?;
        (offset < BLOCK).then(|| Ipv4Addr::from_bits(self.0.first.to_bits() + offset).to_string())
    }

    /// What a shell script says in an image, alone.
    ///
    /// # Errors
    /// What the engine refused, or what the script failed of.
    pub fn look(&self, image: &ImageName, script: &str) -> Result<String, EngineError> {
        let (said, code) = self.0.engine.wait(containers::look(&self.0, image, script))?;
        let wrong = |cause: String| EngineError::WrongImage {
            image: image.to_string(),
            what: String::from("what is to be run"),
            cause,
        };
        match (code, said.trim()) {
            (0, _) => Ok(said),
            (_, "") => Err(wrong(format!("`{script}` ended with exit code {code}"))),
            (_, complaint) => Err(wrong(format!("`{script}` ended with exit code {code}: {complaint}"))),
        }
    }

    /// The image its hosts are made of.
    pub fn host_image(&self) -> &ImageName {
        &self.0.host_image
    }
}

impl Inner {
    /// What everything of the run is marked with.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        labels(&self.run_id)
    }
}

fn labels(run_id: &str) -> HashMap<String, String> {
    HashMap::from([(LABEL.to_owned(), run_id.to_owned())])
}

/// Makes a network in the first block that no other network has; its first address.
fn make_network(engine: &Engine, run_id: &str, name: &str) -> Result<Ipv4Addr, EngineError> {
    let mut last = String::from("no block of addresses is free");
    let start = fastrand::u32(..BLOCKS);
    for place in 0..BLOCKS {
        let first = Ipv4Addr::from_bits(RANGE.to_bits() + (start + place) % BLOCKS * BLOCK);
        let gateway = Ipv4Addr::from_bits(first.to_bits() + BLOCK - 2);
        let block = IpamConfig {
            subnet: Some(format!("{first}/{BLOCK_PREFIX}")),
            gateway: Some(gateway.to_string()),
            ..IpamConfig::default()
        };
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some(String::from("bridge")),
            internal: Some(true),
            enable_ipv6: Some(false),
            labels: Some(labels(run_id)),
            ipam: Some(Ipam { config: Some(vec![block]), ..Ipam::default() }),
            ..NetworkCreateRequest::default()
        };
        match engine.wait(engine.docker().create_network(request)) {
            Ok(_) => return Ok(first),
            Err(error) => last = error.to_string(),
        }
        if !last.contains("overlaps") {
            break;
        }
    }
    Err(EngineError::Refused { action: String::from("make the run's network"), cause: last })
}
