//! The user's own definitions (users, policies, queues), which a node loads when it starts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use delivery_broker::{ClusterPlan, ConfigError, HostPlan, NodeFile};
use serde_json::{Map, Value, json};

/// Setting that names the file.
const SETTING: &str = "broker.load_definitions";
/// More than any file of definitions this program is meant for.
const MAX_BYTES: u64 = 16 << 20;

/// A copy of the file a node of the plan is to load: it may see other files than this program does.
/// The virtual host and the user of this program's clients are added where they are missing, since
/// a broker that loads definitions makes none of its own:
/// <https://www.rabbitmq.com/docs/definitions#import-on-boot>.
///
/// # Errors
/// The file cannot be read, or is no JSON.
pub(super) fn file(plan: &ClusterPlan, host: &HostPlan) -> Result<Option<NodeFile>, ConfigError> {
    let Some(path) = plan.config.get(SETTING).map(Path::new) else { return Ok(None) };
    let refused = |reason: String| ConfigError::File { path: path.to_owned(), reason };
    let mut text = String::new();
    let opened = File::open(path).map_err(|error| refused(error.to_string()))?;
    let read = opened.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    if read as u64 > MAX_BYTES {
        return Err(refused(format!("it is longer than {} MiB", MAX_BYTES >> 20)));
    }
    let mut definitions: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| refused(format!("RabbitMQ's definitions are one JSON object: {error}")))?;
    add_ours(&mut definitions);
    let text = serde_json::to_string_pretty(&definitions).map_err(|error| refused(error.to_string()))?;
    Ok(Some(NodeFile { path: host.data_dir.join("definitions.json"), text }))
}

fn add_ours(definitions: &mut Map<String, Value>) {
    let everything = json!({"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"});
    let user = json!({"name": "guest", "password": "guest", "tags": "administrator"});
    for (list, identity, ours) in [
        ("vhosts", &["name"][..], json!({"name": "/"})),
        ("users", &["name"][..], user),
        ("permissions", &["user", "vhost"][..], everything),
    ] {
        let there = definitions.entry(list).or_insert_with(|| json!([]));
        // What is no list is refused by the broker, in its own words.
        let Some(entries) = there.as_array_mut() else { continue };
        if !entries.iter().any(|entry| identity.iter().all(|key| entry[*key] == ours[*key])) {
            entries.push(ours);
        }
    }
}
