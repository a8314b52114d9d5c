//! From what a user typed to a scope and a name.

use delivery_broker::config::split_scope;
use delivery_broker::{ConfigError, Scope};

use super::SHOWN;

/// Keys of `rabbitmq.conf` this program sets itself: with others the run would not be the one that
/// is described.
const OURS: &[&str] = &[
    "listeners.",
    "cluster_formation.",
    "cluster_name",
    "default_user",
    "default_pass",
    "default_vhost",
    "default_permissions.",
    "distribution.",
    "log.",
    "loopback_users",
    "management.tcp.",
    "ssl_options.",
];

/// The scope and the one name of what was typed.
///
/// # Errors
/// Nobody knows the name, or it is this program's to set.
pub(crate) fn full_name(typed: &str) -> Result<(Scope, String), ConfigError> {
    let (scope, name) = match split_scope(typed) {
        (Some(scope), rest) if is_known(scope, rest) => (scope, rest),
        (Some(scope), _) => return Err(unknown(typed, Some(scope))),
        (None, rest) => match SHOWN.iter().find(|setting| setting.name == rest) {
            Some(setting) => (setting.scope, rest),
            None => return Err(unknown(typed, None)),
        },
    };
    if scope == Scope::Broker && is_ours(name) {
        let refusal = format!("`broker.{name}` is set by verify itself and cannot be chosen.");
        return Err(ConfigError::Contradiction(refusal));
    }
    Ok((scope, name.to_owned()))
}

/// Whether `name` is set by this program and nobody else.
pub(super) fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| name == *ours || (ours.ends_with('.') && name.starts_with(ours)))
}

/// The broker itself knows its keys best, and refuses to start with a wrong one: only those
/// without a dot are checked here, where a slip of the keyboard is likelier than a key of a plugin.
fn is_known(scope: Scope, name: &str) -> bool {
    let shown = SHOWN.iter().any(|setting| setting.scope == scope && setting.name == name);
    shown || (scope == Scope::Broker && (is_ours(name) || is_dotted_key(name)))
}

fn is_dotted_key(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    name.contains('.') && !name.starts_with('.') && !name.ends_with('.') && name.chars().all(plain)
}

fn unknown(typed: &str, scope: Option<Scope>) -> ConfigError {
    let of_scope = SHOWN.iter().filter(|setting| scope.is_none_or(|scope| setting.scope == scope));
    let names: Vec<String> = match scope {
        Some(scope) => of_scope.map(|setting| format!("{}.{}", scope.label(), setting.name)).collect(),
        None => of_scope.map(|setting| setting.name.to_owned()).collect(),
    };
    ConfigError::unknown("setting", typed, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use delivery_broker::{ConfigError, Scope};

    use super::full_name;
    use crate::settings::SHOWN;

    #[test]
    fn names_without_a_scope_find_theirs() {
        for (typed, scope, name) in [
            ("confirms", Scope::Producer, "confirms"),
            ("producer.confirms", Scope::Producer, "confirms"),
            ("prefetch", Scope::Consumer, "prefetch"),
            ("type", Scope::Queue, "type"),
            ("cluster_partition_handling", Scope::Broker, "cluster_partition_handling"),
            ("broker.vm_memory_high_watermark.absolute", Scope::Broker, "vm_memory_high_watermark.absolute"),
        ] {
            assert_eq!(full_name(typed), Ok((scope, name.to_owned())), "{typed}");
        }
    }

    #[test]
    fn no_two_scopes_share_a_name() {
        for setting in SHOWN {
            assert_eq!(full_name(setting.name).map(|(scope, _)| scope), Ok(setting.scope), "{}", setting.name);
        }
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let Err(ConfigError::Unknown { nearest, .. }) = full_name("prefech") else { panic!("found") };
        assert_eq!(nearest[0], "prefetch");
        let Err(ConfigError::Unknown { nearest, .. }) = full_name("queue.tipe") else { panic!("found") };
        assert_eq!(nearest[0], "queue.type");
        assert!(full_name("broker.net_ticktim").is_err());
        assert!(full_name("topic.partitions").is_err());
    }

    #[test]
    fn what_the_program_sets_is_refused() {
        for name in ["broker.listeners.tcp.default", "broker.loopback_users", "broker.cluster_formation.peer"] {
            assert!(matches!(full_name(name), Err(ConfigError::Contradiction(_))), "{name}");
        }
    }
}
