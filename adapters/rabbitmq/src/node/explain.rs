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
    if before.contains("Error preparing configuration") {
        let items: Vec<&str> = errors.iter().filter_map(|said| said.strip_prefix("- ")).take(WORDS).collect();
        return format!(
            "RabbitMQ refuses its rabbitmq.conf: {}. Change or leave out the `broker.` setting it names",
            items.join("; ")
        );
    }
    let summary = after.lines().find_map(|line| Some(line.split_once("Error during startup: ")?.1.trim()));
    let said = errors[errors.len().saturating_sub(WORDS)..].iter().copied().chain(summary);
    format!("RabbitMQ could not boot: {}", said.collect::<Vec<_>>().join(" "))
}

/// A line without its time, level and process (3.8 names no process).
fn message(line: &str) -> &str {
    let said = line.split_once("] ").map_or(line, |(_, said)| said).trim_start();
    let after_process = said.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    after_process.map_or(said, |(_, said)| said).trim()
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_refused_configuration_is_told_in_the_brokers_words() {
        for (version, log) in [
            ("3.8.9", include_str!("explain/refused_3_8_9.log")),
            ("3.10.8", include_str!("explain/refused_3_10_8.log")),
            ("4.0.5", include_str!("explain/refused_4_0_5.log")),
            ("4.3.6", include_str!("explain/refused_4_3_6.log")),
        ] {
            insta::assert_snapshot!(format!("refused_{version}"), explain(log).unwrap());
        }
    }

    #[test]
    fn any_other_failure_is_told_too() {
        let log = "2026-11-25 03:32:51.25+00:00 [error] <0.1.0> no space left\n\nBOOT FAILED\n===========\n\
                   Error during startup: {error,enospc}\n";
        assert_eq!(explain(log).unwrap(), "RabbitMQ could not boot: no space left {error,enospc}");
    }

    #[test]
    fn another_cookie_is_told() {
        let log = "2026-11-25 03:05:12.1+00:00 [error] <0.1.0> ** Connection attempt from node 'rabbit@node3' rejected. Invalid challenge reply. **\n";
        insta::assert_snapshot!(explain(log).unwrap());
    }

    #[test]
    fn a_healthy_log_says_nothing() {
        assert_eq!(explain("2026 [info] <0.1.0> Server startup complete; 3 plugins started.\n"), None);
        assert_eq!(explain(""), None);
    }
}
