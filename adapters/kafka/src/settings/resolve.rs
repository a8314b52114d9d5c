//! From what a user typed to a scope and a name.

use delivery_broker::config::split_scope;
use delivery_broker::{ConfigError, Scope};

use super::SHOWN;
use super::names::{all, canonical, is_known};
use crate::library;

/// Scopes a name without one may belong to; a broker setting is meant only where no other is.
const GUESSED: [Scope; 3] = [Scope::Producer, Scope::Consumer, Scope::Topic];

/// Names this program sets itself: with others the run would not be the one that is described.
const OURS: &[&str] = &[
    "advertised.listeners",
    "bootstrap.servers",
    "broker.id",
    "broker.rack",
    "client.id",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "enable.auto.offset.store",
    "group.id",
    "group.instance.id",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
    "security.inter.broker.protocol",
    "transactional.id",
];

/// Whether `name` is set by this program and nobody else.
pub(super) fn is_ours(name: &str) -> bool {
    let transport = ["security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "zookeeper."];
    OURS.contains(&name) || transport.iter().any(|prefix| name.starts_with(prefix))
}

/// The scope and the one name of what was typed.
///
/// # Errors
/// Nobody knows the name, several do, or it is this program's to set.
pub(crate) fn full_name(typed: &str) -> Result<(Scope, String), ConfigError> {
    let (scope, rest) = split_scope(typed);
    let rest = canonical(rest);
    let (scope, name) = match scope {
        Some(scope) if is_known(scope, rest) => (scope, rest),
        // `broker.session.timeout.ms` is a name of its own, not `session.timeout.ms` of a broker.
        Some(_) if is_known(Scope::Broker, typed) => (Scope::Broker, typed),
        Some(scope) => {
            return Err(ConfigError::unknown("setting", typed, with_scope(scope).iter().map(String::as_str)));
        }
        None => (guess(typed, rest)?, rest),
    };
    if is_ours(name) {
        let refusal = format!("`{}.{name}` is set by verify itself and cannot be chosen.", scope.label());
        return Err(ConfigError::Contradiction(refusal));
    }
    Ok((scope, name.to_owned()))
}

fn guess(typed: &str, name: &str) -> Result<Scope, ConfigError> {
    let candidates: Vec<Scope> = GUESSED.into_iter().filter(|scope| is_known(*scope, name)).collect();
    match candidates[..] {
        [scope] => Ok(scope),
        [] if is_known(Scope::Broker, name) => Ok(Scope::Broker),
        [] => Err(ConfigError::unknown("setting", typed, SHOWN.iter().map(|setting| setting.name))),
        _ => {
            let names: Vec<String> = candidates.iter().map(|scope| format!("`{}.{name}`", scope.label())).collect();
            let several = format!("`{typed}` could be {}: say which one you mean.", names.join(" or "));
            Err(ConfigError::Contradiction(several))
        }
    }
}

fn with_scope(scope: Scope) -> Vec<String> {
    all(scope).into_iter().map(|name| format!("{}.{name}", scope.label())).collect()
}

/// Asks librdkafka itself whether a property takes a value.
///
/// # Errors
/// In librdkafka's words.
pub(crate) fn check_client(scope: Scope, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(reason) = library::refusal(name, value) else { return Ok(()) };
    let setting = format!("{}.{name}", scope.label());
    Err(ConfigError::Invalid { setting, value: value.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use delivery_broker::{ConfigError, Scope};

    use super::{check_client, full_name};

    #[test]
    fn names_without_a_scope_find_theirs() {
        for (typed, scope, name) in [
            ("acks", Scope::Producer, "acks"),
            ("producer.acks", Scope::Producer, "acks"),
            ("request.required.acks", Scope::Producer, "acks"),
            ("delivery.timeout.ms", Scope::Producer, "message.timeout.ms"),
            ("min.insync.replicas", Scope::Topic, "min.insync.replicas"),
            ("broker.min.insync.replicas", Scope::Broker, "min.insync.replicas"),
            ("commit", Scope::Consumer, "commit"),
            ("partitions", Scope::Topic, "partitions"),
            ("replica.lag.time.max.ms", Scope::Broker, "replica.lag.time.max.ms"),
            ("broker.session.timeout.ms", Scope::Broker, "broker.session.timeout.ms"),
            ("broker.broker.session.timeout.ms", Scope::Broker, "broker.session.timeout.ms"),
        ] {
            assert_eq!(full_name(typed), Ok((scope, name.to_owned())), "{typed}");
        }
    }

    #[test]
    fn ambiguous_names_are_refused_with_both() {
        let error = full_name("compression.type").unwrap_err().to_string();
        assert!(error.contains("`producer.compression.type` or `topic.compression.type`"), "{error}");
        let error = full_name("socket.timeout.ms").unwrap_err().to_string();
        assert!(error.contains("producer.socket.timeout.ms") && error.contains("consumer.socket.timeout.ms"));
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let Err(ConfigError::Unknown { nearest, .. }) = full_name("ackz") else { panic!("found") };
        assert_eq!(nearest[0], "acks");
        let Err(ConfigError::Unknown { nearest, .. }) = full_name("topic.min.insync.replica") else { panic!("found") };
        assert_eq!(nearest[0], "topic.min.insync.replicas");
        assert!(full_name("queue.durable").is_err());
    }

    #[test]
    fn what_the_program_sets_is_refused() {
        for name in ["producer.bootstrap.servers", "group.id", "broker.listeners", "consumer.ssl.ca.location"] {
            assert!(matches!(full_name(name), Err(ConfigError::Contradiction(_))), "{name}");
        }
    }

    #[test]
    fn values_are_checked_by_the_client_library() {
        assert_eq!(check_client(Scope::Producer, "acks", "all"), Ok(()));
        assert!(matches!(check_client(Scope::Producer, "acks", "some"), Err(ConfigError::Invalid { .. })));
        assert!(check_client(Scope::Producer, "linger.ms", "-4").is_err());
    }
}
