//! How a node is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use delivery_broker::{HostPlan, Installation, NodeCommand};

use super::{CLIENT_PORT, DISTRIBUTION_PORT, node_name};
use crate::install::scripts;

/// Secret the nodes of a cluster share; Erlang looks for it under this name in the home directory.
pub(super) const COOKIE_FILE: &str = ".erlang.cookie";
/// Configuration.
pub(super) const CONF_FILE: &str = "rabbitmq.conf";
/// Plugins that are on.
pub(super) const PLUGINS_FILE: &str = "enabled_plugins";

/// Starts Erlang's port mapper as a part of the node, so that it ends with it: the broker would start
/// one that outlives it. Then the vendor's own script runs, not the distribution's, which would drop
/// privileges that are not there.
///
/// The mapper is started again until it stays: that of a node which was just killed may still hold the port. The broker
/// waits for it (at most some seconds), since it gives up at once where nobody listens.
const SCRIPT: &str = "(while :; do epmd; sleep 0.1; done) >/dev/null 2>&1 & \
                      tries=0; until epmd -names >/dev/null 2>&1 || [ $tries -ge 50 ]; do \
                      tries=$((tries + 1)); sleep 0.1; done; exec \"$0\"";
/// Two schedulers, however many cores there are: three nodes share them. None spins while idle.
const ERLANG_FLAGS: &str = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none";
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the broker in the foreground, logging to standard output.
pub(super) fn run_broker(host: &HostPlan, installation: &Installation) -> NodeCommand {
    let server = scripts(installation).join("rabbitmq-server").display().to_string();
    NodeCommand {
        program: PathBuf::from("/bin/sh"),
        arguments: vec![String::from("-c"), String::from(SCRIPT), server],
        environment: environment(host, installation),
    }
}

/// Waits until another node serves clients, at most a minute; ends with a failure if it does not.
pub(super) fn wait_for(other: &HostPlan, host: &HostPlan, installation: &Installation) -> NodeCommand {
    let address = &other.address;
    let wait = format!(
        "Wait = fun(_, 0) -> io:format(\"{name} does not serve clients at {address}:{CLIENT_PORT} after 60 s~n\"), halt(1); \
         (Again, Left) -> case gen_tcp:connect(\"{address}\", {CLIENT_PORT}, [], 200) of {{ok, _}} -> halt(0); \
         _ -> timer:sleep(200), Again(Again, Left - 1) end end, Wait(Wait, 300).",
        name = other.name,
    );
    NodeCommand {
        program: installation.runtime.clone(),
        arguments: vec![String::from("-noinput"), String::from("-eval"), wait],
        environment: environment(host, installation),
    }
}

/// Everything the scripts would otherwise look for in the file system, so that no file of the
/// machine's own broker is read or written.
fn environment(host: &HostPlan, installation: &Installation) -> BTreeMap<String, String> {
    let data = |name: &str| host.data_dir.join(name).display().to_string();
    let erlang = installation.runtime.parent().unwrap_or(Path::new("/usr/bin")).display();
    [
        ("PATH", format!("{erlang}:{SYSTEM_PATH}")),
        ("HOME", host.data_dir.display().to_string()),
        ("LANG", String::from("C.UTF-8")),
        ("RABBITMQ_NODENAME", node_name(host)),
        ("RABBITMQ_DIST_PORT", DISTRIBUTION_PORT.to_string()),
        ("RABBITMQ_CONFIG_FILE", data(CONF_FILE)),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", data("advanced.config")),
        ("RABBITMQ_CONF_ENV_FILE", data("rabbitmq-env.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", data(PLUGINS_FILE)),
        ("RABBITMQ_MNESIA_BASE", data("mnesia")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", data("generated")),
        ("RABBITMQ_LOG_BASE", data("log")),
        ("RABBITMQ_LOGS", String::from("-")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", String::from(ERLANG_FLAGS)),
        // Bound ones would all sit on the first cores.
        ("RABBITMQ_SCHEDULER_BIND_TYPE", String::from("u")),
        // A crash dump takes seconds and hundreds of megabytes, and the log says why.
        ("ERL_CRASH_DUMP_SECONDS", String::from("0")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
