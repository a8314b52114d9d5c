//! The text of cuts and resets for `nft` at the receiver's own end of its link, where the local backend has a bridge.
//!
//! A table of the netdev family stands where a frame comes in, before anything else sees it: what a cut pair's sender
//! sent is marked by its IP address, and dropped by its link's address, so the one does not vouch for the other. A table
//! of the inet family stands behind it and counts what is marked and came through all the same. Nothing is dropped at
//! the sender's end: it would be told of it, and no network tells anybody.
//!
//! Address resolution passes, or a cut-off host would be told that there is no route: a switch between two hosts that are
//! cut apart by a firewall behind it does not say that either.

use std::net::Ipv4Addr;

use delivery_cluster::local::rules::{
    ANSWERED, CROSSED, DROPPED, DROPPED_OTHER, drop_frame, mark, set_mark, table, tcp_of,
};
use delivery_cluster::network::Cut;

/// Families of the tables of a cut, and of a reset.
pub(crate) const FAMILIES: &[&str] = &["netdev", "inet"];
/// The one link of every host.
pub(crate) const DEVICE: &str = "eth0";

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Its IP address.
    pub(crate) address: Ipv4Addr,
    /// Its link's.
    pub(crate) mac: String,
}

/// The transaction that drops what these senders send here, with counters at 0. `ports` are those whose dropped packets
/// count as evidence.
pub(crate) fn cut_script(slot: u32, senders: &[Sender], ports: &[u16], cut: &Cut) -> String {
    // What is drawn to pass is meant to.
    let (drawn, watched) = match cut.percent {
        Some(percent) => (format!("numgen random mod 100 < {percent} "), false),
        None => (String::new(), true),
    };
    let mut rules = String::new();
    for sender in senders {
        for tcp in tcp_of(&cut.only_ports).into_iter().filter(|_| watched) {
            rules.push_str(&format!("ip saddr {} {tcp} {}\n", sender.address, set_mark(slot)));
        }
        rules.push_str(&format!("ether saddr {} meta protocol != arp {drawn}jump drop_frame\n", sender.mac));
    }
    let table = table(slot);
    format!(
        "table netdev {table} {{
counter {DROPPED} {{ }}
counter {DROPPED_OTHER} {{ }}
chain drop_frame {{
{}}}
{}}}
{}",
        drop_frame(ports, &cut.only_ports),
        entry_chain(&rules),
        crossing_table(slot),
    )
}

/// The transaction that answers TCP of these senders with a reset, with counters at 0. Resets themselves pass: the answer
/// to what this host sent would be lost otherwise where the other is told to answer too.
pub(crate) fn reset_script(slot: u32, senders: &[Sender]) -> String {
    let mut rules = String::new();
    for sender in senders {
        let tcp = format!("ip saddr {} meta l4proto tcp tcp flags & rst != rst", sender.address);
        rules.push_str(&format!("{tcp} {}\n", set_mark(slot)));
        rules.push_str(&format!("{tcp} counter name {ANSWERED} reject with tcp reset\n"));
    }
    let table = table(slot);
    format!("table netdev {table} {{\ncounter {ANSWERED} {{ }}\n{}}}\n{}", entry_chain(&rules), crossing_table(slot))
}

fn entry_chain(rules: &str) -> String {
    format!(
        "chain entry {{ type filter hook ingress device \"{DEVICE}\" priority 0; policy accept;
{rules}}}
"
    )
}

/// Counts what is marked and was let in.
fn crossing_table(slot: u32) -> String {
    let mark = mark(slot);
    format!(
        "table inet {} {{
counter {CROSSED} {{ }}
chain inside {{ type filter hook prerouting priority -300; policy accept;
meta mark and {mark:#x} == {mark:#x} counter name {CROSSED}
}}
}}
",
        table(slot)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(host: u8) -> Sender {
        Sender { address: Ipv4Addr::new(198, 18, 0, host), mac: format!("02:42:c6:12:00:{host:02x}") }
    }

    #[test]
    fn a_cut_is_dropped_by_link_and_watched_by_address() {
        let script = cut_script(3, &[sender(1), sender(2)], &[9092, 9093], &Cut::default());
        assert!(script.starts_with("table netdev verify_3 {") && script.contains("table inet verify_3 {"));
        assert!(script.contains("ip saddr 198.18.0.1 meta l4proto tcp meta mark set meta mark or 0x8\n"));
        assert!(script.contains("ether saddr 02:42:c6:12:00:02 meta protocol != arp jump drop_frame\n"));
        assert!(script.contains("tcp dport { 9092, 9093 } counter name dropped_broker drop"));
        assert!(script.contains("meta mark and 0x8 == 0x8 counter name crossed"));
    }

    #[test]
    fn a_loss_draws_and_calls_nothing_that_passes_a_crossing() {
        let script = cut_script(0, &[sender(1)], &[9092], &Cut { percent: Some(20), ..Cut::default() });
        assert!(script.contains("numgen random mod 100 < 20 jump drop_frame") && !script.contains("mark set"));
    }

    #[test]
    fn a_cut_of_some_ports_lets_the_rest_pass() {
        let cut = Cut { only_ports: vec![9092], ..Cut::default() };
        let script = cut_script(0, &[sender(1)], &[9092, 9093], &cut);
        assert!(script.contains("ip saddr 198.18.0.1 tcp sport { 9092 } meta mark set"));
        assert!(!script.contains("counter name dropped_other drop") && !script.contains("9093"));
    }

    #[test]
    fn a_reset_answers_everything_but_resets() {
        let script = reset_script(1, &[sender(1)]);
        let answered = "tcp flags & rst != rst counter name answered reject with tcp reset";
        assert!(script.contains(&format!("ip saddr 198.18.0.1 meta l4proto tcp {answered}")), "{script}");
        assert!(script.contains("table inet verify_1 {\ncounter crossed { }"));
    }
}
