//! What a node's log says about why there is no cluster.

/// Lines of the broker kept as its own words.
const WORDS: usize = 6;

/// What keeps a node from running in its cluster, in the broker's words and ours; nothing where its
/// log says nothing of it.
pub fn explain(log: &str) -> Option<String> {
    if let Some((before, after)) = log.split_once("BOOT FAILED") {
        return Some(boot_failed(before, after));
    }
    let says_cookie = |line: &&str| {
        ["Invalid challenge reply", "disallowed node", "cookie"].iter().any(|words| line.contains(words))
            && line.contains("rejected") | line.contains("attempt")
    };
    let line = message(log.lines().find(says_cookie)?);
    Some(format!(
        "the nodes have different Erlang cookies, so they do not let each other in: `{line}`. Nodes of one cluster share one: leave `.erlang.cookie` and `cluster.secret` to this program"
    ))
}

fn boot_failed(before: &str, after: &str) -> String {
    let errors: Vec<&str> =
        before.lines().filter(|line| line.contains("[error]")).map(message).filter(|said| !said.is_empty()).collect();
    let said = errors[errors.len().saturating_sub(WORDS)..].join(" ");
    let summary = after.lines().find_map(|line| Some(line.split_once("Error during startup: ")?.1)).unwrap_or_default();
    if before.contains("Error preparing configuration") || summary.contains("failed_to_prepare_configuration") {
        return format!(
            "RabbitMQ refuses its rabbitmq.conf: {said}. Change or leave out the `broker.` setting it names"
        );
    }
    if said.is_empty() {
        return format!("RabbitMQ could not boot: {}", summary.trim());
    }
    format!("RabbitMQ could not boot: {said}")
}

/// A line without its time, level and process.
fn message(line: &str) -> &str {
    let after_level = line.split_once("] <").and_then(|(_, rest)| rest.split_once('>'));
    after_level.map_or(line, |(_, said)| said).trim()
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_refused_configuration_is_told_in_the_brokers_words() {
        let log = include_str!("explain/unknown_setting.log");
        insta::assert_snapshot!(explain(log).unwrap());
    }

    #[test]
    fn a_healthy_log_says_nothing() {
        assert_eq!(explain("2026 [info] <0.1.0> Server startup complete; 3 plugins started.\n"), None);
        assert_eq!(explain(""), None);
    }
}
