//! Who is restarted after a partition that the broker does nothing about.

/// Whether this `cluster_partition_handling` leaves the end of a partition to the operator.
pub(crate) fn needs_restart(handling: &str) -> bool {
    handling.trim() == "ignore"
}

/// The nodes that are not of the side an operator would trust: the largest set of nodes none of which says that it
/// was partitioned from another, and of equal ones the one with the lowest node. `seen` is each node with the nodes
/// it says it was partitioned from, as bits.
pub(crate) fn distrusted(seen: &[(u32, u32)]) -> Vec<u32> {
    let apart = |one: (u32, u32), other: (u32, u32)| one.1 & 1 << other.0 != 0 || other.1 & 1 << one.0 != 0;
    let mut trusted: Vec<u32> = Vec::new();
    for first in seen {
        let mut side: Vec<(u32, u32)> = vec![*first];
        for other in seen.iter().filter(|other| other.0 != first.0) {
            if side.iter().all(|member| !apart(*member, *other)) {
                side.push(*other);
            }
        }
        if side.len() > trusted.len() {
            trusted = side.into_iter().map(|(node, _)| node).collect();
        }
    }
    seen.iter().map(|(node, _)| *node).filter(|node| !trusted.contains(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::distrusted;

    #[test]
    fn the_smaller_side_is_restarted() {
        assert_eq!(distrusted(&[(1, 0b100), (2, 0b1010), (3, 0b100)]), [2]);
        assert_eq!(distrusted(&[(1, 0b1100), (2, 0), (3, 0)]), [1], "only one side noticed");
        assert_eq!(distrusted(&[(1, 0b1100), (2, 0b1010), (3, 0b110)]), [2, 3], "nobody trusts anybody");
        assert_eq!(distrusted(&[(1, 0), (2, 0), (3, 0)]), [] as [u32; 0]);
    }
}
