//! Every name there is: librdkafka's properties (from its own CONFIGURATION.md), the settings of a
//! topic and of a broker (from `configNames` of Apache Kafka 3.3.1, 3.9.1 and 4.1.1 together; a name
//! that not all three have is followed by those that do).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use delivery_broker::Scope;

/// A property of librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientProperty {
    producer: bool,
    consumer: bool,
    default: &'static str,
}

/// Name, `P`, `C` or `*`, default, name it is an alias of; separated by tabs.
static CLIENT: LazyLock<BTreeMap<&'static str, ClientProperty>> = LazyLock::new(|| {
    let mut known = BTreeMap::new();
    for line in include_str!("names/librdkafka.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(side)) = (fields.next(), fields.next()) else { continue };
        let property = known.entry(name).or_insert(ClientProperty { producer: false, consumer: false, default: "" });
        property.producer |= side != "C";
        property.consumer |= side != "P";
        property.default = fields.next().unwrap_or("");
    }
    known
});

/// Properties librdkafka knows by two names: (the other one, the one lanes use).
const ALIASES: &[(&str, &str)] = &[
    ("auto.commit.enable", "enable.auto.commit"),
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.send.max.retries", "retries"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

/// Settings of ours, beside the vendor's.
const OWN: &[(Scope, &str)] = &[
    (Scope::Producer, "abort.rate"),
    (Scope::Producer, "resend"),
    (Scope::Producer, "transaction.messages"),
    (Scope::Producer, "transaction.ms"),
    (Scope::Producer, "transaction.workers"),
    (Scope::Consumer, "commit"),
    (Scope::Consumer, "max.poll.records"),
    (Scope::Consumer, "processing.ms"),
    (Scope::Consumer, "static.membership"),
    (Scope::Cluster, "controllers"),
    (Scope::Cluster, "nodes"),
    (Scope::Topic, "partitions"),
    (Scope::Topic, "replication.factor"),
];

/// Names of a topic and of a broker, a line each, with the versions that have them where not all do.
const fn broker_side(scope: Scope) -> &'static str {
    match scope {
        Scope::Topic => include_str!("names/topic.txt"),
        Scope::Broker => include_str!("names/broker.txt"),
        _ => "",
    }
}

/// Name and versions of a line.
fn split(line: &'static str) -> (&'static str, Option<&'static str>) {
    line.split_once('\t').map_or((line, None), |(name, versions)| (name, Some(versions)))
}

/// The listed versions that have a name of a topic or broker; nothing where all do, or nobody.
pub(super) fn versions_with(scope: Scope, name: &str) -> Option<Vec<&'static str>> {
    let found = broker_side(scope).lines().map(split).find(|(known, _)| *known == name)?;
    found.1.map(|versions| versions.split(',').collect())
}

/// Whether a setting is this program's, and no property of the client's.
pub(crate) fn is_own(scope: Scope, name: &str) -> bool {
    OWN.contains(&(scope, name))
}

/// The one name a property goes by, so that two names never carry two values.
pub(crate) fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

/// Librdkafka's default of a property, as its documentation gives it.
pub(crate) fn client_default(name: &str) -> &'static str {
    CLIENT.get(name).map_or("", |property| property.default)
}

/// Whether `name` is a setting of `scope`.
pub(crate) fn is_known(scope: Scope, name: &str) -> bool {
    is_own(scope, name)
        || match scope {
            Scope::Producer => CLIENT.get(name).is_some_and(|property| property.producer),
            Scope::Consumer => CLIENT.get(name).is_some_and(|property| property.consumer),
            Scope::Topic | Scope::Broker => broker_side(scope).lines().any(|line| split(line).0 == name),
            Scope::Queue | Scope::Cluster => false,
        }
}

/// Every setting of `scope`.
pub(crate) fn all(scope: Scope) -> Vec<&'static str> {
    let own = OWN.iter().filter(|(of, _)| *of == scope).map(|(_, name)| *name);
    let vendors: Vec<&'static str> = match scope {
        Scope::Producer => CLIENT.iter().filter(|(_, property)| property.producer).map(|(name, _)| *name).collect(),
        Scope::Consumer => CLIENT.iter().filter(|(_, property)| property.consumer).map(|(name, _)| *name).collect(),
        Scope::Topic | Scope::Broker => broker_side(scope).lines().map(|line| split(line).0).collect(),
        Scope::Queue | Scope::Cluster => Vec::new(),
    };
    own.chain(vendors).collect()
}

#[cfg(test)]
mod tests {
    use delivery_broker::Scope;

    use super::{ALIASES, CLIENT, all, canonical, client_default, is_known};
    use crate::settings::SHOWN;

    #[test]
    fn every_shown_setting_exists() {
        for setting in SHOWN {
            assert!(is_known(setting.scope, setting.name), "{}.{}", setting.scope.label(), setting.name);
        }
    }

    #[test]
    fn aliases_are_the_ones_the_library_documents() {
        let documented = include_str!("names/librdkafka.tsv").lines().filter_map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            fields.get(3).map(|other| (fields[0], *other))
        });
        for (name, other) in documented {
            assert_eq!(canonical(name), canonical(other), "{name} and {other} are one property");
        }
        for (alias, name) in ALIASES {
            assert!(CLIENT.contains_key(alias) && CLIENT.contains_key(name), "{alias}, {name}");
        }
    }

    #[test]
    fn names_belong_where_the_vendor_puts_them() {
        assert!(is_known(Scope::Producer, "acks") && !is_known(Scope::Consumer, "acks"));
        assert!(is_known(Scope::Consumer, "session.timeout.ms") && !is_known(Scope::Producer, "session.timeout.ms"));
        assert!(is_known(Scope::Broker, "broker.session.timeout.ms"));
        assert!(is_known(Scope::Topic, "min.insync.replicas") && is_known(Scope::Broker, "min.insync.replicas"));
        assert_eq!(client_default("message.timeout.ms"), "300000");
        assert!(all(Scope::Broker).len() > 300);
    }
}
