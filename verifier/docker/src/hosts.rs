//! Hosts: a container each, whose process 1 is this very program. Nodes are containers in such a host's network
//! namespace, which outlives them: what is cut stays cut while a node is killed and started again.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use delivery_cluster::cluster::{ClusterError, ClusterHost};
use delivery_cluster::local::hosts::{address_of, bad_host};
use delivery_history::clock::monotonic_ns;
use futures::future::try_join_all;
use testcontainers::bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig,
};
use testcontainers::bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
};

use crate::error::EngineError;
use crate::link::Link;
use crate::protocol::{Greeting, HOST_ARGUMENT, Task};
use crate::run::Inner;

/// Where a host's container has this program.
pub(crate) const PROGRAM: &str = "/verify";

/// A host that runs.
pub(crate) struct Host {
    /// Host name.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Its link's.
    pub(crate) mac: String,
    /// Its container.
    pub(crate) container: String,
    /// The line to it.
    pub(crate) link: Arc<Link>,
}

/// Hosts by number.
pub(crate) type Hosts = BTreeMap<u32, Host>;

/// Makes every host, side by side, and waits until they reach each other.
pub(crate) fn make(run: &Inner, wanted: &[ClusterHost]) -> Result<Hosts, ClusterError> {
    let addresses = check(wanted)?;
    let program = std::env::current_exe()
        .map_err(|error| EngineError::refused("find this program", &error))?
        .display()
        .to_string();
    let names: Vec<String> = wanted.iter().map(|host| format!("{}:{}", host.name, host.address)).collect();
    let made = wanted.iter().map(|host| make_one(run, host, &program, &names));
    let made = run.engine.wait(try_join_all(made))?;
    let mut hosts = Hosts::new();
    for (host, (container, link)) in wanted.iter().zip(made) {
        let greeting = greet(&link)?;
        let (name, address) = (host.name.clone(), addresses[&host.id]);
        hosts.insert(host.id, Host { name, address, mac: greeting.mac, container, link: Arc::new(link) });
    }
    reach_each_other(&hosts)?;
    Ok(hosts)
}

fn check(wanted: &[ClusterHost]) -> Result<BTreeMap<u32, Ipv4Addr>, ClusterError> {
    let mut addresses: BTreeMap<u32, (&str, Ipv4Addr)> = BTreeMap::new();
    for host in wanted {
        let address = address_of(host, addresses.values().copied())?;
        if addresses.insert(host.id, (&host.name, address)).is_some() {
            return Err(bad_host(host, "another host has its number"));
        }
    }
    Ok(addresses.into_iter().map(|(id, (_, address))| (id, address)).collect())
}

async fn make_one(
    run: &Inner,
    host: &ClusterHost,
    program: &str,
    names: &[String],
) -> Result<(String, Link), EngineError> {
    let refused = |error| EngineError::refused(format!("make host {}", host.name), &error);
    let docker = run.engine.docker();
    let name = format!("verify-{}-{}-host", run.run_id, host.name);
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let created = docker.create_container(Some(options), body(run, host, program, names)).await.map_err(refused)?;
    let options = AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
    // Before it starts: nothing it says is missed.
    let streams = docker.attach_container(&created.id, Some(options)).await.map_err(refused)?;
    let link = Link::new(&run.engine, &host.name, streams);
    docker.start_container(&created.id, None::<StartContainerOptions>).await.map_err(refused)?;
    Ok((created.id, link))
}

fn body(run: &Inner, host: &ClusterHost, program: &str, names: &[String]) -> ContainerCreateBody {
    let ipam_config = EndpointIpamConfig { ipv4_address: Some(host.address.clone()), ..EndpointIpamConfig::default() };
    let endpoint = EndpointSettings { ipam_config: Some(ipam_config), ..EndpointSettings::default() };
    let shared = run.shared.iter().map(|path| format!("{0}:{0}", path.display()));
    let working_dir = std::env::current_dir().ok().map(|path| path.display().to_string());
    ContainerCreateBody {
        image: Some(run.host_image.to_string()),
        hostname: Some(host.name.clone()),
        user: Some(String::from("0:0")),
        labels: Some(run.labels()),
        entrypoint: Some(vec![PROGRAM.to_owned(), HOST_ARGUMENT.to_owned()]),
        env: Some(vec![String::from("PATH=/usr/bin:/bin")]),
        // Relative paths mean what they mean here.
        working_dir,
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some(run.network.clone()),
            cap_add: Some(vec![String::from("NET_ADMIN")]),
            binds: Some(std::iter::once(format!("{program}:{PROGRAM}:ro")).chain(shared).collect()),
            extra_hosts: Some(names.to_vec()),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(run.network.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Hears who the host is, and that it goes by this machine's clock.
fn greet(link: &Link) -> Result<Greeting, EngineError> {
    let before_ns = monotonic_ns();
    let said = link.ask(Task::Hello).map_err(|cause| EngineError::Elsewhere { cause })?;
    let after_ns = monotonic_ns();
    let greeting: Greeting = serde_json::from_str(&said)
        .map_err(|error| EngineError::Elsewhere { cause: format!("a host says `{said}`: {error}") })?;
    if !(before_ns..=after_ns).contains(&greeting.now_ns) {
        return Err(EngineError::Elsewhere { cause: String::from("its containers go by another clock") });
    }
    Ok(greeting)
}

/// Waits until every host has heard from the next one, the last from the first.
fn reach_each_other(hosts: &Hosts) -> Result<(), ClusterError> {
    let next = hosts.values().cycle().skip(1);
    let asked: Vec<_> = hosts
        .values()
        .zip(next)
        .map(|(host, next)| (host, next, host.link.begin(Task::Reach { address: next.address.to_string() })))
        .collect();
    for (host, next, answer) in asked {
        answer.wait().map_err(|cause| ClusterError::Network {
            action: format!("bring up the link from host {} to host {}", host.name, next.name),
            cause,
        })?;
    }
    Ok(())
}
