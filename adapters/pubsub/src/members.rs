//! Which nodes a node hears.

use std::collections::BTreeMap;

use crate::frame::Sender;

/// The cluster as one node hears it.
#[derive(Debug)]
pub(crate) struct Members {
    me: u32,
    /// A peer unheard for this long is down.
    down_after_ns: u64,
    peers: BTreeMap<u32, Peer>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    heard_ns: Option<u64>,
    hears_us: bool,
}

impl Members {
    pub(crate) fn new(me: u32, peers: impl IntoIterator<Item = u32>, down_after_ns: u64) -> Self {
        Self { me, down_after_ns, peers: peers.into_iter().map(|peer| (peer, Peer::default())).collect() }
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = u32> + '_ {
        self.peers.keys().copied()
    }

    /// A frame of any kind came in. True when its sender had been down.
    pub(crate) fn heard(&mut self, from: Sender, now_ns: u64) -> bool {
        let was_down = !self.is_up(from.node, now_ns);
        let Some(peer) = self.peers.get_mut(&from.node) else { return false };
        let came_back = was_down && peer.heard_ns.is_some();
        peer.heard_ns = Some(now_ns);
        came_back
    }

    /// A heartbeat came in.
    pub(crate) fn heartbeat(&mut self, from: Sender, heard_bits: u32) {
        if let Some(peer) = self.peers.get_mut(&from.node) {
            peer.hears_us = heard_bits & bit(self.me) != 0;
        }
    }

    pub(crate) fn is_up(&self, peer: u32, now_ns: u64) -> bool {
        self.peers
            .get(&peer)
            .and_then(|peer| peer.heard_ns)
            .is_some_and(|heard_ns| now_ns.saturating_sub(heard_ns) < self.down_after_ns)
    }

    /// Live members as bits, this node included.
    pub(crate) fn bits(&self, now_ns: u64) -> u32 {
        let live = self.peers.keys().filter(|peer| self.is_up(**peer, now_ns));
        live.fold(bit(self.me), |bits, peer| bits | bit(*peer))
    }

    /// Whether every peer is up and hears this node.
    pub(crate) fn all_linked(&self, now_ns: u64) -> bool {
        self.peers.iter().all(|(peer, state)| state.hears_us && self.is_up(*peer, now_ns))
    }
}

/// The bit of a node.
pub(crate) const fn bit(node: u32) -> u32 {
    1 << (node % u32::BITS)
}

#[cfg(test)]
mod tests {
    use super::{Members, bit};
    use crate::frame::Sender;

    const PEER: Sender = Sender { node: 2, incarnation: 0 };

    #[test]
    fn a_silent_peer_goes_down_and_comes_back_when_heard() {
        let mut members = Members::new(1, [2], 3_000);
        assert_eq!(members.bits(0), bit(1));
        assert!(!members.heard(PEER, 10), "the first frame is no return");
        assert_eq!(members.bits(3_009), bit(1) | bit(2));
        assert_eq!(members.bits(3_010), bit(1));
        assert!(members.heard(PEER, 4_000));
        assert!(members.is_up(2, 4_001));
    }

    #[test]
    fn linked_means_heard_both_ways() {
        let mut members = Members::new(1, [2], 3_000);
        members.heard(PEER, 10);
        assert!(!members.all_linked(11));
        members.heartbeat(PEER, bit(2));
        assert!(!members.all_linked(11));
        members.heartbeat(PEER, bit(1) | bit(2));
        assert!(members.all_linked(11));
        assert!(!members.all_linked(5_000));
    }
}
