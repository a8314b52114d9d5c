//! The text of a cut for `nft`, and its counters.
//!
//! One table holds a cut. Three chains follow a frame through the bridge:
//!
//! 1. On entry TCP between a cut pair's addresses is marked.
//! 2. On the way from a cut pair's one port to the other every frame is dropped, whatever it
//!    carries; TCP on broker ports is counted apart.
//! 3. On the way out a marked frame is counted as having crossed.
//!
//! The rules that drop go by the links, those that watch by the addresses, so the one does not vouch
//! for itself; and a frame that entered before the cut bears no mark, so it cannot count against it.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::network::{Counters, Cut};

/// Name of the table; there is no other in the bridge's namespace.
pub(crate) const TABLE: &str = "verify_cut";
/// Mark of TCP frames between cut pairs; the links strip marks, so no host can set it.
const MARK: &str = "0x76637574";
/// Counter of TCP on broker ports that was dropped.
const DROPPED: &str = "dropped_broker";
/// Counter of everything else that was dropped.
const DROPPED_OTHER: &str = "dropped_other";
/// Counter of TCP that got through.
const CROSSED: &str = "crossed";

/// One direction between two hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Direction {
    /// The sender's port of the bridge, and its address.
    pub(crate) from: (String, Ipv4Addr),
    /// The receiver's.
    pub(crate) to: (String, Ipv4Addr),
}

/// What is done to frames between cut pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// They are dropped.
    Drop,
    /// They are only watched: shows that the counter of what crosses does count.
    Watch,
}

/// The transaction that puts the cut in force in place of any other, with counters at 0. `ports` are those whose
/// dropped packets count as evidence.
pub(crate) fn cut_script(directions: &[Direction], ports: &[u16], cut: &Cut, action: Action) -> String {
    let only_ports = &cut.only_ports;
    // What is drawn to pass is meant to.
    let (drawn, watched) = match cut.percent {
        Some(percent) => (format!("numgen random mod 100 < {percent} "), false),
        None => (String::new(), true),
    };
    let mut marks = String::new();
    let mut drops = String::new();
    for Direction { from, to } in directions {
        let pair = format!("ip saddr {} ip daddr {}", from.1, to.1);
        for tcp in tcp_of(only_ports).into_iter().filter(|_| watched) {
            marks.push_str(&format!("{pair} {tcp} meta mark set {MARK}\n"));
        }
        if action == Action::Drop {
            drops.push_str(&format!("iifname \"{}\" oifname \"{}\" {drawn}jump drop_frame\n", from.0, to.0));
        }
    }
    format!(
        "{}table bridge {TABLE} {{
counter {DROPPED} {{ }}
counter {DROPPED_OTHER} {{ }}
counter {CROSSED} {{ }}
chain drop_frame {{
{}}}
chain entry {{ type filter hook prerouting priority 0; policy accept;
{marks}}}
chain link {{ type filter hook forward priority 0; policy accept;
{drops}}}
chain exit {{ type filter hook postrouting priority 300; policy accept;
meta mark {MARK} counter name {CROSSED}
}}
}}
",
        heal_script(),
        drop_frame(ports, only_ports),
    )
}

/// Drops and counts what the cut is confined to; without that everything, TCP on broker ports counted apart.
fn drop_frame(ports: &[u16], only_ports: &[u16]) -> String {
    let counted = if only_ports.is_empty() { ports } else { only_ports };
    let mut rules: String = tcp_of(counted).iter().map(|tcp| format!("{tcp} counter name {DROPPED} drop\n")).collect();
    if only_ports.is_empty() {
        rules.push_str(&format!("counter name {DROPPED_OTHER} drop\n"));
    }
    rules
}

/// Matches TCP from and to these ports; all of it where there are none.
fn tcp_of(ports: &[u16]) -> Vec<String> {
    if ports.is_empty() {
        return vec![String::from("meta l4proto tcp")];
    }
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    ["dport", "sport"].iter().map(|side| format!("tcp {side} {{ {list} }}")).collect()
}

/// The transaction that takes any cut back. (Adding first makes it right where there is none.)
pub(crate) fn heal_script() -> String {
    format!("add table bridge {TABLE}\ndelete table bridge {TABLE}\n")
}

/// Arguments of the `nft` that prints the counters as JSON.
pub(crate) const LIST_COUNTERS: [&str; 6] = ["-j", "list", "counters", "table", "bridge", TABLE];

/// Reads the counters from what `nft -j` printed.
///
/// # Errors
/// What is missing from it.
pub(crate) fn parse_counters(json: &str) -> Result<Counters, String> {
    let document: Value = serde_json::from_str(json).map_err(|error| format!("nft printed no JSON: {error}"))?;
    let items = document["nftables"].as_array().ok_or("nft printed no list of objects")?;
    let packets = |name: &str| {
        let counter = items.iter().map(|item| &item["counter"]).find(|counter| counter["name"] == name);
        counter.and_then(|counter| counter["packets"].as_u64()).ok_or_else(|| format!("nft printed no counter {name}"))
    };
    Ok(Counters { dropped_packets: packets(DROPPED)?, crossed_packets: packets(CROSSED)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(from: u8, to: u8) -> Direction {
        let end = |host: u8| (format!("h{host}"), Ipv4Addr::new(198, 18, 0, host));
        Direction { from: end(from), to: end(to) }
    }

    #[test]
    fn a_cut_replaces_the_one_before_it_in_the_same_script() {
        let script = cut_script(&[direction(1, 2)], &[9092], &Cut::default(), Action::Drop);
        assert!(script.starts_with("add table bridge verify_cut\ndelete table bridge verify_cut\ntable bridge"));
    }

    #[test]
    fn a_one_way_cut_names_one_direction_only() {
        let script = cut_script(&[direction(1, 2)], &[9092, 9093], &Cut::default(), Action::Drop);
        assert!(script.contains("iifname \"h1\" oifname \"h2\" jump"));
        assert!(!script.contains("iifname \"h2\""));
        assert!(script.contains("tcp sport { 9092, 9093 }") && script.contains("tcp dport { 9092, 9093 }"));
    }

    #[test]
    fn a_cut_of_some_ports_lets_the_rest_pass() {
        let script = cut_script(
            &[direction(1, 2)],
            &[9092, 9093],
            &Cut { only_ports: vec![9092], ..Cut::default() },
            Action::Drop,
        );
        assert!(script.contains("tcp dport { 9092 } counter name dropped_broker drop"));
        assert!(!script.contains("counter name dropped_other drop") && !script.contains("9093"));
        assert!(script.contains("ip saddr 198.18.0.1 ip daddr 198.18.0.2 tcp sport { 9092 } meta mark set"));
    }

    #[test]
    fn a_loss_draws_and_calls_nothing_that_passes_a_crossing() {
        let cut = Cut { percent: Some(20), ..Cut::default() };
        let script = cut_script(&[direction(1, 2)], &[9092], &cut, Action::Drop);
        assert!(script.contains("oifname \"h2\" numgen random mod 100 < 20 jump drop_frame"));
        assert!(!script.contains("meta mark set"));
    }

    #[test]
    fn counters_are_read_by_name_and_a_missing_one_is_no_zero() {
        let counter =
            |name: &str, packets: u64| format!(r#"{{"counter": {{"name": "{name}", "packets": {packets}}}}}"#);
        let json = |counters: &[String]| format!(r#"{{"nftables": [{{"metainfo": {{}}}}, {}]}}"#, counters.join(","));
        let whole = json(&[counter("crossed", 1), counter("dropped_other", 9), counter("dropped_broker", 7)]);
        assert_eq!(parse_counters(&whole).unwrap(), Counters { dropped_packets: 7, crossed_packets: 1 });
        assert!(parse_counters(&json(&[counter("dropped_broker", 7)])).is_err());
        assert!(parse_counters("").is_err());
    }
}
