//! The text of cuts and resets for `nft`, and their counters.
//!
//! Each has tables of its own, named for its slot, so one is counted and taken back without touching another. Three
//! chains follow a frame of a cut through the bridge:
//!
//! 1. On entry TCP between a cut pair's addresses is marked.
//! 2. On the way from a cut pair's one port to the other every frame is dropped, whatever it
//!    carries; TCP on broker ports is counted apart.
//! 3. On the way out a marked frame is counted as having crossed.
//!
//! The rules that drop go by the links, those that watch by the addresses, so the one does not vouch
//! for itself; and a frame that entered before the cut bears no mark, so it cannot count against it.
//!
//! A reset marks and answers in one place, where a frame enters the bridge's end of its sender's link, and counts
//! what crossed as a cut does. It takes the netdev family, whose reject has been there since Linux 5.11: that of the
//! bridge family is missing from some kernels, and that of the others would have to stand in the hosts' own namespaces.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::network::Cut;

/// Impairments that can be in force at once: each has a bit of the packet mark.
pub const SLOTS: u32 = 32;
/// Counter of TCP on broker ports that was dropped.
pub const DROPPED: &str = "dropped_broker";
/// Counter of everything else that was dropped.
pub const DROPPED_OTHER: &str = "dropped_other";
/// Counter of TCP that got through.
pub const CROSSED: &str = "crossed";
/// Counter of TCP that was answered with a reset.
pub const ANSWERED: &str = "answered";

/// One direction between two hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Direction {
    /// The sender's port of the bridge, and its address.
    pub(crate) from: (String, Ipv4Addr),
    /// The receiver's.
    pub(crate) to: (String, Ipv4Addr),
}

impl Direction {
    /// Matches what goes this way, by address.
    fn addresses(&self) -> String {
        format!("ip saddr {} ip daddr {}", self.from.1, self.to.1)
    }
}

/// What is done to frames between cut pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// They are dropped.
    Drop,
    /// They are only watched: shows that the counter of what crosses does count.
    Watch,
}

/// Families of the tables of a cut.
pub const CUT_FAMILIES: &[&str] = &["bridge"];
/// Families of the tables of a reset.
pub const RESET_FAMILIES: &[&str] = &["netdev", "bridge"];

/// Name of the tables of a slot.
pub fn table(slot: u32) -> String {
    format!("verify_{slot}")
}

/// Its bit of the packet mark. The links strip marks, so no host can set one.
pub fn mark(slot: u32) -> u32 {
    1 << (slot % SLOTS)
}

/// Sets that bit.
pub fn set_mark(slot: u32) -> String {
    format!("meta mark set meta mark or {:#x}", mark(slot))
}

/// Counts marked frames that leave.
fn exit_chain(slot: u32) -> String {
    let mark = mark(slot);
    format!(
        "counter {CROSSED} {{ }}
chain exit {{ type filter hook postrouting priority 300; policy accept;
meta mark and {mark:#x} == {mark:#x} counter name {CROSSED}
}}
"
    )
}

/// The transaction that puts a cut in force, with counters at 0. `ports` are those whose dropped packets count as
/// evidence.
pub(crate) fn cut_script(slot: u32, directions: &[Direction], ports: &[u16], cut: &Cut, action: Action) -> String {
    let only_ports = &cut.only_ports;
    // What is drawn to pass is meant to.
    let (drawn, watched) = match cut.percent {
        Some(percent) => (format!("numgen random mod 100 < {percent} "), false),
        None => (String::new(), true),
    };
    let mut marks = String::new();
    let mut drops = String::new();
    for direction in directions {
        for tcp in tcp_of(only_ports).into_iter().filter(|_| watched) {
            marks.push_str(&format!("{} {tcp} {}\n", direction.addresses(), set_mark(slot)));
        }
        if action == Action::Drop {
            let (from, to) = (&direction.from.0, &direction.to.0);
            drops.push_str(&format!("iifname \"{from}\" oifname \"{to}\" {drawn}jump drop_frame\n"));
        }
    }
    format!(
        "table bridge {} {{
counter {DROPPED} {{ }}
counter {DROPPED_OTHER} {{ }}
{}chain drop_frame {{
{}}}
chain entry {{ type filter hook prerouting priority 0; policy accept;
{marks}}}
chain link {{ type filter hook forward priority 0; policy accept;
{drops}}}
}}
",
        table(slot),
        exit_chain(slot),
        drop_frame(ports, only_ports),
    )
}

/// Drops and counts what the cut is confined to; without that everything, TCP on broker ports counted apart.
pub fn drop_frame(ports: &[u16], only_ports: &[u16]) -> String {
    let counted = if only_ports.is_empty() { ports } else { only_ports };
    let mut rules: String = tcp_of(counted).iter().map(|tcp| format!("{tcp} counter name {DROPPED} drop\n")).collect();
    if only_ports.is_empty() {
        rules.push_str(&format!("counter name {DROPPED_OTHER} drop\n"));
    }
    rules
}

/// Matches TCP from and to these ports; all of it where there are none.
pub fn tcp_of(ports: &[u16]) -> Vec<String> {
    if ports.is_empty() {
        return vec![String::from("meta l4proto tcp")];
    }
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    ["dport", "sport"].iter().map(|side| format!("tcp {side} {{ {list} }}")).collect()
}

/// The transaction that answers TCP with a reset, with counters at 0.
pub(crate) fn reset_script(slot: u32, directions: &[Direction]) -> String {
    let mut senders: Vec<&str> = directions.iter().map(|direction| direction.from.0.as_str()).collect();
    senders.sort_unstable();
    senders.dedup();
    let mut chains = String::new();
    for sender in senders {
        chains.push_str(&format!(
            "chain entry_{sender} {{ type filter hook ingress device \"{sender}\" priority 0; policy accept;\n"
        ));
        for direction in directions.iter().filter(|direction| direction.from.0 == sender) {
            let tcp = format!("{} meta l4proto tcp", direction.addresses());
            chains.push_str(&format!("{tcp} {}\n", set_mark(slot)));
            chains.push_str(&format!("{tcp} counter name {ANSWERED} reject with tcp reset\n"));
        }
        chains.push_str("}\n");
    }
    let table = table(slot);
    format!(
        "table netdev {table} {{\ncounter {ANSWERED} {{ }}\n{chains}}}\ntable bridge {table} {{\n{}}}\n",
        exit_chain(slot)
    )
}

/// The transaction that deletes the tables of a slot.
pub fn heal_script(slot: u32, families: &[&str]) -> String {
    families.iter().map(|family| format!("delete table {family} {}\n", table(slot))).collect()
}

/// Arguments of the `nft` that prints all counters as JSON.
pub const LIST_COUNTERS: [&str; 3] = ["-j", "list", "counters"];

/// Reads one counter of a slot from what `nft -j` printed, packets.
///
/// # Errors
/// What is missing from it.
pub fn parse_counter(json: &str, slot: u32, name: &str) -> Result<u64, String> {
    let document: Value = serde_json::from_str(json).map_err(|error| format!("nft printed no JSON: {error}"))?;
    let items = document["nftables"].as_array().ok_or("nft printed no list of objects")?;
    let table = table(slot);
    let mine = |counter: &&Value| counter["name"] == name && counter["table"] == *table;
    let counter = items.iter().map(|item| &item["counter"]).find(mine);
    counter
        .and_then(|counter| counter["packets"].as_u64())
        .ok_or_else(|| format!("nft printed no counter {name} of table {table}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(from: u8, to: u8) -> Direction {
        let end = |host: u8| (format!("h{host}"), Ipv4Addr::new(198, 18, 0, host));
        Direction { from: end(from), to: end(to) }
    }

    #[test]
    fn two_impairments_share_neither_table_nor_mark() {
        let scripts = [0, 1].map(|slot| cut_script(slot, &[direction(1, 2)], &[], &Cut::default(), Action::Drop));
        assert!(scripts[0].starts_with("table bridge verify_0 {") && scripts[0].contains("mark or 0x1\n"));
        assert!(scripts[1].starts_with("table bridge verify_1 {") && scripts[1].contains("mark or 0x2\n"));
        assert!(scripts[1].contains("meta mark and 0x2 == 0x2 counter name crossed"));
        assert_eq!(heal_script(1, RESET_FAMILIES), "delete table netdev verify_1\ndelete table bridge verify_1\n");
        let marks: std::collections::BTreeSet<u32> = (0..SLOTS).map(mark).collect();
        assert_eq!(marks.len(), SLOTS as usize);
    }

    #[test]
    fn a_one_way_cut_names_one_direction_only() {
        let script = cut_script(0, &[direction(1, 2)], &[9092, 9093], &Cut::default(), Action::Drop);
        assert!(script.contains("iifname \"h1\" oifname \"h2\" jump"));
        assert!(!script.contains("iifname \"h2\""));
        assert!(script.contains("tcp sport { 9092, 9093 }") && script.contains("tcp dport { 9092, 9093 }"));
    }

    #[test]
    fn a_cut_of_some_ports_lets_the_rest_pass() {
        let cut = Cut { only_ports: vec![9092], ..Cut::default() };
        let script = cut_script(0, &[direction(1, 2)], &[9092, 9093], &cut, Action::Drop);
        assert!(script.contains("tcp dport { 9092 } counter name dropped_broker drop"));
        assert!(!script.contains("counter name dropped_other drop") && !script.contains("9093"));
        assert!(script.contains("ip saddr 198.18.0.1 ip daddr 198.18.0.2 tcp sport { 9092 } meta mark set"));
    }

    #[test]
    fn a_loss_draws_and_calls_nothing_that_passes_a_crossing() {
        let cut = Cut { percent: Some(20), ..Cut::default() };
        let script = cut_script(0, &[direction(1, 2)], &[9092], &cut, Action::Drop);
        assert!(script.contains("oifname \"h2\" numgen random mod 100 < 20 jump drop_frame"));
        assert!(!script.contains("meta mark set"));
    }

    #[test]
    fn a_reset_answers_each_sender_on_its_own_link() {
        let script = reset_script(3, &[direction(1, 2), direction(2, 1), direction(1, 3)]);
        assert_eq!(script.matches("hook ingress device \"h1\"").count(), 1);
        assert_eq!(script.matches("hook ingress device \"h2\"").count(), 1);
        assert!(!script.contains("device \"h3\""));
        assert_eq!(script.matches("reject with tcp reset").count(), 3);
        assert!(script.contains("table bridge verify_3 {\ncounter crossed { }"));
    }

    #[test]
    fn counters_are_read_by_table_and_name_and_a_missing_one_is_no_zero() {
        let counter = |table: &str, name: &str, packets: u64| {
            format!(r#"{{"counter": {{"table": "{table}", "name": "{name}", "packets": {packets}}}}}"#)
        };
        let json = |counters: &[String]| format!(r#"{{"nftables": [{{"metainfo": {{}}}}, {}]}}"#, counters.join(","));
        let whole = json(&[
            counter("verify_1", "crossed", 5),
            counter("verify_0", "dropped_broker", 7),
            counter("verify_0", "crossed", 1),
        ]);
        assert_eq!(parse_counter(&whole, 0, DROPPED), Ok(7));
        assert_eq!(parse_counter(&whole, 0, CROSSED), Ok(1));
        assert_eq!(parse_counter(&whole, 1, CROSSED), Ok(5));
        assert!(parse_counter(&whole, 1, DROPPED).is_err() && parse_counter("", 0, DROPPED).is_err());
    }
}
