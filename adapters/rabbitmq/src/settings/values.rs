//! Which values a setting takes.

use delivery_broker::{ConfigError, Scope};

/// What a value may be.
enum Takes {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A whole number from the first to the second, or this word.
    NumberOr(u64, u64, &'static str),
    /// Whatever the broker makes of it.
    Anything,
}

const BOOLEAN: Takes = Takes::Words(&["true", "false"]);

fn takes(scope: Scope, name: &str) -> Takes {
    match (scope, name) {
        (Scope::Producer, "confirms" | "mandatory" | "persistent") => BOOLEAN,
        (Scope::Producer, "confirm.timeout.ms") => Takes::Number(100, 3_600_000),
        (Scope::Producer, "unroutable.percent") | (Scope::Consumer, "refuse.percent") => Takes::Number(0, 100),
        (Scope::Consumer, "ack") => Takes::Words(&["after-processing", "before-processing", "automatic"]),
        (Scope::Consumer, "prefetch") => Takes::Number(0, 65_535),
        (Scope::Consumer, "processing.ms") => Takes::Number(0, 3_600_000),
        (Scope::Consumer, "poison") => Takes::NumberOr(0, u32::MAX as u64, "none"),
        (Scope::Consumer, "refuse") => {
            Takes::Words(&["none", "nack-requeue", "reject-requeue", "nack-drop", "reject-drop"])
        }
        (Scope::Queue, "type") => Takes::Words(&["classic", "quorum", "stream"]),
        (Scope::Queue, "version") => Takes::Words(&["default", "1", "2"]),
        (Scope::Queue, "mirrored") => Takes::Words(&["true", "false", "auto"]),
        (Scope::Queue, "promote.on.failure") => Takes::Words(&["always", "when-synced"]),
        (Scope::Queue, "sync.mode") => Takes::Words(&["manual", "automatic"]),
        (Scope::Queue, "durable" | "single.active.consumer") => BOOLEAN,
        // 4.3 takes -1 for no limit at all.
        (Scope::Queue, "delivery.limit") => Takes::NumberOr(0, u32::MAX as u64, "default"),
        (Scope::Queue, "max.length") => Takes::NumberOr(1, u32::MAX as u64, "none"),
        (Scope::Queue, "overflow") => Takes::Words(&["drop-head", "reject-publish", "reject-publish-dlx"]),
        (Scope::Queue, "dead.letter") => Takes::Words(&["none", "classic", "quorum"]),
        (Scope::Queue, "dead.letter.strategy") => Takes::Words(&["at-most-once", "at-least-once"]),
        (Scope::Broker, "cluster_partition_handling") => Takes::Words(&["ignore", "pause_minority", "autoheal"]),
        (Scope::Broker, "net_ticktime") => Takes::Number(1, 3_600),
        (Scope::Broker, "heartbeat") => Takes::Number(0, 3_600),
        _ => Takes::Anything,
    }
}

/// Whether the setting takes the value.
///
/// # Errors
/// What it takes instead.
pub(crate) fn check_value(scope: Scope, name: &str, value: &str) -> Result<(), ConfigError> {
    let number = |least: u64, most: u64| value.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number));
    let reason = match takes(scope, name) {
        Takes::Words(words) if !words.contains(&value) => format!("one of {} is needed", words.join(", ")),
        Takes::Number(least, most) if !number(least, most) => {
            format!("a whole number from {least} to {most} is needed")
        }
        Takes::NumberOr(least, most, word) if value != word && !number(least, most) => {
            format!("a whole number from {least} to {most}, or `{word}`, is needed")
        }
        Takes::Anything if value.trim().is_empty() || value.contains('\n') => {
            String::from("a value on one line is needed")
        }
        _ => return Ok(()),
    };
    Err(ConfigError::Invalid { setting: format!("{}.{name}", scope.label()), value: value.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use delivery_broker::Scope;

    use super::check_value;
    use crate::presets::{COMMON, PRESETS, layer};
    use crate::settings::full_name;

    #[test]
    fn values_out_of_range_are_refused_with_what_is_taken() {
        let refused = check_value(Scope::Consumer, "ack", "never").unwrap_err().to_string();
        assert_eq!(
            refused,
            "`consumer.ack` does not take `never`: one of after-processing, before-processing, automatic is needed"
        );
        assert!(check_value(Scope::Queue, "delivery.limit", "default").is_ok());
        assert!(check_value(Scope::Queue, "delivery.limit", "some").is_err());
        assert!(check_value(Scope::Consumer, "prefetch", "65536").is_err());
        assert!(check_value(Scope::Broker, "log.dir", "a\nb").is_err());
    }

    #[test]
    fn presets_use_settings_and_values_there_are() {
        for (name, value) in PRESETS.iter().flat_map(|preset| layer(preset.name)).chain(COMMON) {
            let (scope, rest) = full_name(name).unwrap();
            check_value(scope, &rest, value).unwrap();
        }
    }
}
