//! Which versions of the broker know a name, as far as three of them say.

use delivery_broker::Scope;

use super::names::versions_with;
use crate::version::Version;

/// The versions whose names are listed.
const LISTED: [&str; 3] = ["3.3.1", "3.9.1", "4.1.1"];

/// Why `version` certainly does not know the setting; nothing where it does, or where no listed version settles it.
pub(crate) fn not_known_to(version: Version, scope: Scope, name: &str) -> Option<String> {
    let with = versions_with(scope, name)?;
    let listed = LISTED.map(|listed| (Version::parse(listed).ok(), with.contains(&listed)));
    let known: Vec<Version> = listed.iter().filter(|(_, knows)| *knows).filter_map(|(version, _)| *version).collect();
    let unknown = listed.iter().filter(|(_, knows)| !*knows).filter_map(|(version, _)| *version);
    let (first, last) = (*known.first()?, *known.last()?);
    for without in unknown {
        if without < first && version <= without {
            return Some(format!("it came after {without} (Apache Kafka {first} has it)"));
        }
        if without > last && version >= without {
            return Some(format!("it is gone ({last} was the last listed release to have it)"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use delivery_broker::Scope;

    use super::not_known_to;
    use crate::version::Version;

    fn refusal(version: &str, scope: Scope, name: &str) -> Option<String> {
        not_known_to(Version::parse(version).unwrap(), scope, name)
    }

    #[test]
    fn only_what_is_certain_is_refused() {
        let gone = refusal("4.1.1", Scope::Topic, "message.format.version").unwrap();
        assert_eq!(gone, "it is gone (3.9.1 was the last listed release to have it)");
        let later = refusal("3.3.1", Scope::Topic, "compression.zstd.level").unwrap();
        assert_eq!(later, "it came after 3.3.1 (Apache Kafka 3.9.1 has it)");
        for (version, name) in [
            ("3.9.1", "message.format.version"),
            ("4.0.0", "message.format.version"),
            ("3.6.0", "compression.zstd.level"),
            ("3.3.1", "min.insync.replicas"),
            ("9.9.9", "min.insync.replicas"),
        ] {
            assert_eq!(refusal(version, Scope::Topic, name), None, "{name} {version}");
        }
        assert!(refusal("3.9.1", Scope::Broker, "group.share.max.groups").is_none_or(|why| why.contains("came after")));
    }
}
