//! A RabbitMQ cluster that somebody else runs.

mod client_file;
pub(crate) mod look;
pub(crate) mod management;
pub(crate) mod names;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use delivery_broker::external::PREFIX;
use delivery_broker::{
    Access, AccessRequest, Belongings, ClientSpec, ConfigError, Contact, ExternalError, ExternalSystem, LanePlan,
    LaneTopic, NodeAddress, Reason, Survey,
};
use lapin::Channel;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection};

use crate::amqp::{AmqpError, answer, connect, runtime};
use crate::node::CLIENT_PORT;
use crate::rabbitmq::RabbitMq;
use crate::topology::dead_letter_exchange;
use client_file::OPTION;
use management::Management;
use tls::Obstacle;

/// Longest time for one plug-in to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest time for the cluster to take something away.
const TIDY_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// Settings that say who the user is.
const LOGIN: &str = "username and password";
const LOGIN_REMEDY: &str = "Check the user, and the password (or VERIFY_PASSWORD).";
const VHOST_REMEDY: &str = "Check the virtual host, and that the user has permissions there.";
const HOST_REMEDY: &str = "Name the host as its certificate does.";
const CA_REMEDY: &str = "Name the authority that signed it by ssl.ca.location.";
const CERTIFICATE_REMEDY: &str =
    "If it asks clients for a certificate, name one that it trusts by ssl.certificate.location and ssl.key.location.";
const OPTION_REMEDY: &str = "Check the address and port, and whether it wants amqp or amqps.";

impl ExternalSystem for RabbitMq {
    fn option(&self) -> &'static str {
        OPTION
    }

    fn contact(&self, request: &AccessRequest) -> Result<Contact, ConfigError> {
        client_file::contact(request)
    }

    fn survey(&self, contact: &Contact) -> Result<Survey, ExternalError> {
        let nodes = (1u32..).zip(&contact.addresses).map(|(id, address)| NodeAddress { id, address: address.clone() });
        let nodes: Vec<NodeAddress> = nodes.collect();
        let spec = probe(contact, &nodes);
        for node in &nodes {
            // Nothing is asked of the node but to let us in.
            let entered = on(&spec, node, async |_: &Channel| Ok(()));
            entered.map_err(|error| no_entry(&contact.access, node, &error))?;
        }
        let told = overviews(contact);
        are_apart(contact, &told)?;
        let first = told.iter().find_map(|told| told.as_ref().ok());
        let word = |name: &str| first.and_then(|told| told[name].as_str()).map(str::to_owned);
        let (cluster, version) = (word("cluster_name"), word("rabbitmq_version"));
        let unseen = told.into_iter().find_map(Result::err).map(|why| {
            format!(
                "no management plug-in answers {why}: leaders, members and what is handed out cannot be seen, so what \
                 depends on them stays inconclusive; name one for each node by {} in --client-config, and give the user \
                 the tag `monitoring`",
                names::MANAGEMENT
            )
        });
        Ok(Survey {
            cluster: cluster.unwrap_or_else(|| contact.addresses.join(",")),
            version: version.unwrap_or_else(|| String::from("unknown")),
            nodes,
            found: Vec::new(),
            unseen: unseen.into_iter().collect(),
        })
    }

    fn fit(&self, lane: &mut LanePlan, nodes: u32) -> Result<(), ConfigError> {
        let config = &mut lane.lane.config;
        let refused = |what: &str| Err(ConfigError::Contradiction(format!("with --backend external, {what}")));
        if let Some(name) = config.keys().find(|name| name.starts_with("broker.")) {
            return refused(&format!("`{name}` is somebody else's to set"));
        }
        if config.get("producer.unroutable.percent").is_some_and(|percent| percent != "0") {
            return refused(
                "nothing is published where no queue is bound: that needs an exchange beside the run's own queues",
            );
        }
        match config.get("queue.mirrored").map(String::as_str) {
            Some("true") => return refused("no queue is mirrored: that takes a policy, which is the owner's to set"),
            Some("auto") => drop(config.insert(String::from("queue.mirrored"), String::from("false"))),
            _ => {}
        }
        config.insert(String::from("cluster.nodes"), nodes.to_string());
        Ok(())
    }

    fn rehearse(&self, spec: &ClientSpec, topics: &[LaneTopic]) -> Result<(), ExternalError> {
        let (Some(node), Some(topic)) = (spec.nodes.first(), topics.first()) else { return Ok(()) };
        let name = format!("{}.probe", topic.name);
        let tried = on(spec, node, async |channel: &Channel| try_out(channel, &name).await);
        tried.map_err(|error| match error.reason {
            Reason::NotAuthorised => ExternalError::Forbidden {
                operation: format!("to declare, write to and read queue `{name}`"),
                cause: error.words,
                remedy: format!(
                    "Give the user the permissions configure, write and read for `^({PREFIX}.*|amq\\.default)$` on the virtual host."
                ),
            },
            _ => no_entry(&spec.access.clone().unwrap_or_default(), node, &error),
        })
    }

    fn tidy(&self, spec: &ClientSpec, belongings: &Belongings) -> Vec<(String, String)> {
        let ours: Vec<&String> = belongings.destinations.iter().filter(|name| name.starts_with(PREFIX)).collect();
        let until = Instant::now() + TIDY_LIMIT;
        ours.into_iter().filter_map(|name| Some((name.clone(), remove(spec, name, until)?))).collect()
    }
}

/// Why a queue is still there, where it is: every node is asked until one takes it away.
fn remove(spec: &ClientSpec, name: &str, until: Instant) -> Option<String> {
    let mut last = String::from("there is no node");
    loop {
        for node in &spec.nodes {
            let removed = on(spec, node, async |channel: &Channel| {
                answer(channel.queue_delete(name.into(), QueueDeleteOptions::default())).await?;
                let exchange = dead_letter_exchange(name);
                answer(channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default())).await
            });
            match removed {
                Ok(()) => return None,
                Err(error) => last = error.words,
            }
        }
        if Instant::now() >= until {
            return Some(last);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Does something on a channel of its own.
fn on<T>(
    spec: &ClientSpec,
    node: &NodeAddress,
    act: impl AsyncFnOnce(&Channel) -> Result<T, AmqpError>,
) -> Result<T, AmqpError> {
    let runtime = runtime().map_err(|error| AmqpError { reason: Reason::Other, words: error.to_string() })?;
    runtime.block_on(async {
        let connection: Connection = connect(spec, node).await?;
        let channel = answer(connection.create_channel()).await?;
        let done = act(&channel).await;
        let _ = answer(connection.close(200, "bye".into())).await;
        done
    })
}

/// Declares, writes to, reads and deletes a queue that goes with the connection anyhow.
async fn try_out(channel: &Channel, name: &str) -> Result<(), AmqpError> {
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    answer(channel.queue_declare(name.into(), options, FieldTable::default())).await?;
    answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let published = channel.basic_publish(
        "".into(),
        name.into(),
        BasicPublishOptions::default(),
        b"probe",
        BasicProperties::default(),
    );
    answer(answer(published).await?).await?;
    answer(channel.basic_get(name.into(), BasicGetOptions { no_ack: true })).await?;
    answer(channel.queue_delete(name.into(), QueueDeleteOptions::default())).await.map(drop)
}

/// What the plug-in of each node says of itself, or where none answers and why.
fn overviews(contact: &Contact) -> Vec<Result<serde_json::Value, String>> {
    let urls: Vec<&str> = contact.access.get(names::MANAGEMENT).unwrap_or_default().split(',').map(str::trim).collect();
    let nodes = contact.addresses.len();
    if urls.len() != nodes {
        return vec![Err(format!("for every node: {} names {} for {nodes}", names::MANAGEMENT, urls.len()))];
    }
    let deadline = Instant::now() + ANSWER_LIMIT;
    let ask = |url: &str| {
        let asked = Management::new(url, &contact.access)
            .and_then(|plug_in| plug_in.lets_in(deadline).map_err(|error| error.to_string()));
        asked.map_err(|why| format!("at {url} ({why})"))
    };
    let ask = &ask;
    std::thread::scope(|scope| {
        let asked: Vec<_> = urls.iter().map(|url| scope.spawn(move || ask(url))).collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(String::from("(asking it went wrong)")))
        };
        asked.into_iter().map(ended).collect()
    })
}

/// Copies are waited for on as many nodes as there are URLs: two that lead to one node would promise more than there are.
fn are_apart(contact: &Contact, told: &[Result<serde_json::Value, String>]) -> Result<(), ConfigError> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (address, told) in contact.addresses.iter().zip(told) {
        let Some(name) = told.as_ref().ok().and_then(|told| told["node"].as_str()) else { continue };
        if let Some(other) = known.insert(name, address) {
            let reason = format!(
                "both lead to the node {name}, and every replicated queue would lack a copy: give one URL for each node, \
                 and not more than there are"
            );
            return Err(client_file::invalid(&format!("{other} and {address}"), &reason));
        }
    }
    Ok(())
}

fn probe(contact: &Contact, nodes: &[NodeAddress]) -> ClientSpec {
    ClientSpec {
        client_name: String::from("verify-survey"),
        seat: String::new(),
        run_tag: 0,
        nodes: nodes.to_vec(),
        controllers: Vec::new(),
        destinations: Vec::new(),
        config: Default::default(),
        group: None,
        outputs: Vec::new(),
        read_uncommitted: None,
        access: Some(contact.access.clone()),
    }
}

/// What is in the way, with the setting that is about it.
fn no_entry(access: &Access, node: &NodeAddress, error: &AmqpError) -> ExternalError {
    let words = error.words.to_lowercase();
    let says = |known: &[&str]| known.iter().any(|word| words.contains(word));
    let (host, port) = node.host_and_port(CLIENT_PORT);
    let obstacle = || (access.get(names::SCHEME) == Some("amqps")).then(|| tls::obstacle(access, host, port)).flatten();
    let (setting, cause, remedy) = if says(&["vhost"]) {
        (names::VHOST, format!("has no such virtual host for us: {}", error.words), VHOST_REMEDY)
    } else if error.reason == Reason::NotAuthorised || says(&["access_refused", "access refused", "login"]) {
        (LOGIN, format!("does not let us in: {}", error.words), LOGIN_REMEDY)
    } else {
        match obstacle() {
            Some(Obstacle::OtherHost(why)) => {
                (OPTION, format!("has a certificate for other hosts: {why}"), HOST_REMEDY)
            }
            Some(Obstacle::Distrusted(why)) => {
                (names::CA, format!("has a certificate that does not fit: {why}"), CA_REMEDY)
            }
            Some(Obstacle::BrokenOff(why)) => (names::CERTIFICATE, format!("breaks off: {why}"), CERTIFICATE_REMEDY),
            None => (OPTION, format!("cannot be reached: {}", error.words), OPTION_REMEDY),
        }
    };
    let setting = if setting == OPTION { OPTION.to_owned() } else { format!("--client-config, {setting}") };
    ExternalError::NoEntry { setting, target: node.address.clone(), cause, remedy: remedy.to_owned() }
}
