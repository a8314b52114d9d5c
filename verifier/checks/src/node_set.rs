//! Sets of nodes as bits: node `n` is bit `n`.

/// The bit of a node in a set of nodes; none for numbers no set can hold.
pub(crate) const fn node_bit(node: u32) -> u64 {
    if node < u64::BITS { 1 << node } else { 0 }
}

/// The set of these nodes.
pub(crate) fn node_bits(nodes: impl IntoIterator<Item = u32>) -> u64 {
    nodes.into_iter().fold(0, |bits, node| bits | node_bit(node))
}

/// The nodes of a set, lowest first.
pub(crate) fn nodes_in(bits: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |node| bits & node_bit(*node) != 0)
}
