//! A user's `rabbitmq.conf`: `key = value` a line, `#` comments.

use delivery_broker::{ConfigError, ConfigFile};

use super::resolve::is_ours;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    /// Keys and values, in order.
    pub(crate) applied: Vec<(String, String)>,
    /// Keys that are this program's to set.
    pub(crate) not_applied: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// A line that is neither a comment nor `key = value`, with its number.
pub(crate) fn read_conf(file: &ConfigFile) -> Result<Conf, ConfigError> {
    let mut conf = Conf::default();
    for (number, line) in (1..).zip(file.text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            let reason = format!("line {number} is neither a comment nor `key = value`: {line}");
            return Err(ConfigError::File { path: file.path.clone(), reason });
        };
        // As the broker reads it: a comment may follow a value.
        let value = value.split_once(" #").map_or(value, |(value, _)| value.trim_end());
        if is_ours(key) {
            conf.not_applied.push(format!("broker.{key}"));
        } else {
            conf.applied.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(conf)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ConfigError, ConfigFile, Scope};

    use super::read_conf;

    fn file(text: &str) -> ConfigFile {
        ConfigFile { scope: Scope::Broker, path: PathBuf::from("rabbitmq.conf"), text: text.to_owned() }
    }

    #[test]
    fn keys_values_and_comments() {
        let text =
            "# mine\n\nnet_ticktime = 15\ncluster_partition_handling=autoheal # why not\nlisteners.tcp.1 = 5673\n";
        let conf = read_conf(&file(text)).unwrap();
        let owned = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(conf.applied, [owned("net_ticktime", "15"), owned("cluster_partition_handling", "autoheal")]);
        assert_eq!(conf.not_applied, ["broker.listeners.tcp.1"]);
    }

    #[test]
    fn a_line_that_is_no_setting_is_named() {
        let Err(ConfigError::File { reason, .. }) = read_conf(&file("a = b\n[{rabbit, []}].\n")) else {
            panic!("read")
        };
        assert!(reason.starts_with("line 2 "), "{reason}");
    }
}
