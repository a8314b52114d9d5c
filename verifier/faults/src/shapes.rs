//! The shapes of a cut: who no longer hears whom.

use crate::kind::{FaultError, Resolved, Shape};
use crate::view::ClusterView;

/// A shape and how it is made.
pub(crate) struct CutShape {
    /// What users see of it.
    pub(crate) shape: Shape,
    /// It confines a client host to a side, so every side needs clients of its own.
    pub(crate) confines_clients: bool,
    /// It may stay below failure detection.
    pub(crate) is_gray: bool,
    /// Decides who is cut off from whom.
    make: fn(&Roles<'_>) -> Result<Resolved, String>,
}

/// Every shape, the default first.
pub(crate) const ALL: &[CutShape] = &[
    CutShape {
        shape: Shape {
            name: "leader",
            about: "the node that leads the lanes is cut from its peers; clients still reach every node (a bus without leaders: its first node)",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| Ok(sides(vec![roles.leader], [roles.peers(), roles.controllers()].concat())),
    },
    CutShape {
        shape: Shape {
            name: "leader-clients",
            about: "the leader and one client host, confined to it, are cut from all the rest",
        },
        confines_clients: true,
        is_gray: false,
        make: |roles| {
            let rest = [roles.peers(), roles.controllers(), roles.other_clients()].concat();
            Ok(sides([vec![roles.leader], roles.first_client()].concat(), rest))
        },
    },
    CutShape {
        shape: Shape {
            name: "followers",
            about: "the leader's followers cannot copy from it; it keeps its clients and, where that has ports of its own (Kafka), the controller",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let cut = sides(vec![roles.leader], roles.peers());
            Ok(Resolved { only_ports: roles.view.replication_ports.clone(), ..cut })
        },
    },
    CutShape {
        shape: Shape { name: "controller", about: "the active controller is cut from every other node (Kafka)" },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let controller = roles.view.controller().ok_or("no node was seen to be the controller")?;
            let rest = roles.nodes().into_iter().filter(|node| *node != controller).collect();
            Ok(sides(vec![controller], rest))
        },
    },
    CutShape {
        shape: Shape {
            name: "minority",
            about: "a minority of the nodes, without the leader, and one client host, confined to it, are cut from the rest",
        },
        confines_clients: true,
        is_gray: false,
        make: |roles| {
            let (minority, majority) = roles.split();
            let rest = [majority, roles.controllers(), roles.other_clients()].concat();
            Ok(sides([minority, roles.first_client()].concat(), rest))
        },
    },
    CutShape {
        shape: Shape {
            name: "majority",
            about: "a majority of the nodes, the leader among them, and one client host, confined to it, are cut from the rest",
        },
        confines_clients: true,
        is_gray: false,
        make: |roles| {
            let (minority, majority) = roles.split();
            let inner = [majority, roles.controllers(), roles.first_client()].concat();
            Ok(Resolved { targets: minority.clone(), ..sides(inner, [minority, roles.other_clients()].concat()) })
        },
    },
    CutShape {
        shape: Shape {
            name: "bridge",
            about: "the leader and the other nodes are cut from each other, but one node sees both halves",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let mut peers = roles.peers();
            peers.pop().ok_or("there is no other node")?;
            let others = peers;
            if others.is_empty() {
                return Err(String::from("a bridge stands between two halves: three nodes are needed"));
            }
            // Whoever sees both belongs to neither side, so there is no label to be seen.
            Ok(Resolved { sides: Vec::new(), ..sides(vec![roles.leader], others) })
        },
    },
    CutShape {
        shape: Shape {
            name: "ring",
            about: "each node sees its two neighbours only: all see a majority, no two the same (five nodes: cluster.nodes=5)",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let nodes = &roles.view.nodes;
            if nodes.len() != 5 {
                return Err(format!(
                    "a ring of majorities takes five nodes, and there are {} (cluster.nodes=5)",
                    nodes.len()
                ));
            }
            let place = |node: u32| nodes.iter().position(|other| *other == node).unwrap_or(0);
            let apart = |one: u32, other: u32| (place(one) + 5 - place(other)) % 5;
            let cut: Vec<(u32, u32)> = nodes
                .iter()
                .flat_map(|from| nodes.iter().map(move |to| (*from, *to)))
                .filter(|(from, to)| matches!(apart(*from, *to), 2 | 3))
                .collect();
            Ok(Resolved { targets: nodes.clone(), cut, full_cut: true, ..Resolved::default() })
        },
    },
    CutShape {
        shape: Shape {
            name: "one-way-in",
            about: "what the other nodes send to the leader is dropped; what it sends arrives",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let rest = [roles.peers(), roles.controllers()].concat();
            let cut = rest.into_iter().map(|from| (from, roles.leader)).collect();
            Ok(Resolved { targets: vec![roles.leader], cut, full_cut: true, ..Resolved::default() })
        },
    },
    CutShape {
        shape: Shape {
            name: "one-way-out",
            about: "what the leader sends to the other nodes is dropped; what they send arrives",
        },
        confines_clients: false,
        is_gray: false,
        make: |roles| {
            let rest = [roles.peers(), roles.controllers()].concat();
            let cut = rest.into_iter().map(|to| (roles.leader, to)).collect();
            Ok(Resolved { targets: vec![roles.leader], cut, full_cut: true, ..Resolved::default() })
        },
    },
    CutShape {
        shape: Shape { name: "client", about: "one client host is cut from the leader, and from nobody else" },
        confines_clients: false,
        is_gray: true,
        make: |roles| {
            let client = roles.first_client();
            if client.is_empty() {
                return Err(String::from("clients have no hosts of their own here"));
            }
            Ok(Resolved { sides: Vec::new(), ..sides(vec![roles.leader], client) })
        },
    },
    CutShape {
        shape: Shape {
            name: "flap",
            about: "the leader is cut from its peers for half a second, then not for half a second, again and again",
        },
        confines_clients: false,
        is_gray: true,
        make: |roles| {
            let cut = sides(vec![roles.leader], [roles.peers(), roles.controllers()].concat());
            Ok(Resolved { sides: Vec::new(), flaps: true, ..cut })
        },
    },
];

/// Decides who is cut off from whom under the shape of this name.
///
/// # Errors
/// When the role it aims at is held by nobody, or the cluster is too small.
pub(crate) fn resolve(fault: &str, name: &str, view: &ClusterView) -> Result<Resolved, FaultError> {
    let failed = |reason: String| FaultError::NoTarget { fault: format!("{fault}:{name}"), reason };
    let leader = view.lane_leader();
    let leader = leader.ok_or_else(|| failed(String::from("no node was seen to lead the lanes")))?;
    let shape = ALL.iter().find(|known| known.shape.name == name).unwrap_or(&ALL[0]);
    (shape.make)(&Roles { leader, view }).map_err(failed)
}

/// Who holds which role now.
struct Roles<'a> {
    leader: u32,
    view: &'a ClusterView,
}

impl Roles<'_> {
    fn peers(&self) -> Vec<u32> {
        self.view.nodes.iter().copied().filter(|node| *node != self.leader).collect()
    }

    fn controllers(&self) -> Vec<u32> {
        self.view.controllers.clone()
    }

    fn nodes(&self) -> Vec<u32> {
        [self.view.nodes.clone(), self.controllers()].concat()
    }

    fn first_client(&self) -> Vec<u32> {
        self.view.client_hosts.first().copied().into_iter().collect()
    }

    fn other_clients(&self) -> Vec<u32> {
        self.view.client_hosts.iter().skip(1).copied().collect()
    }

    /// A minority without the leader, and the rest.
    fn split(&self) -> (Vec<u32>, Vec<u32>) {
        let mut peers = self.peers();
        let size = self.view.nodes.len().saturating_sub(1) / 2;
        let minority = peers.split_off(peers.len() - size.min(peers.len()));
        (minority, [vec![self.leader], peers].concat())
    }
}

/// A full cut between two sides; the nodes of the first are hit.
fn sides(inner: Vec<u32>, outer: Vec<u32>) -> Resolved {
    let both = |from: &u32, to: &u32| [(*from, *to), (*to, *from)];
    let cut = inner.iter().flat_map(|from| outer.iter().flat_map(move |to| both(from, to))).collect();
    let targets = inner.iter().copied().filter(|host| *host < crate::view::FIRST_CLIENT_HOST).collect();
    Resolved { targets, cut, full_cut: true, sides: vec![inner, outer], ..Resolved::default() }
}

#[cfg(test)]
mod tests {
    use delivery_broker::Observation;

    use super::*;

    fn view(nodes: u32) -> ClusterView {
        let mut view = ClusterView::new((1..=nodes).collect(), vec![101, 102], false);
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 3 });
        view.see(&Observation::Controller { node: 1, controller: Some(1), epoch: 3 });
        view
    }

    fn of(name: &str) -> Resolved {
        resolve("netsplit", name, &view(3)).unwrap()
    }

    #[test]
    fn every_shape_hits_a_node_and_cuts_nobody_from_itself() {
        for shape in ALL {
            let nodes = if shape.shape.name == "ring" { 5 } else { 3 };
            let resolved = resolve("netsplit", shape.shape.name, &view(nodes)).unwrap();
            assert!(!resolved.targets.is_empty(), "{}", shape.shape.name);
            assert!(resolved.targets.iter().all(|node| *node <= 5), "{}", shape.shape.name);
            assert!(
                !resolved.cut.is_empty() && resolved.cut.iter().all(|(from, to)| from != to),
                "{}",
                shape.shape.name
            );
            let confined = resolved.sides.iter().flatten().any(|host| *host >= 101);
            assert_eq!(confined, shape.confines_clients, "{}", shape.shape.name);
        }
    }

    #[test]
    fn sides_are_who_they_are_named_for() {
        assert_eq!(of("controller").sides, [vec![1], vec![2, 3]]);
        assert_eq!(of("minority").sides, [vec![3, 101], vec![2, 1, 102]]);
        assert_eq!(of("majority").sides, [vec![2, 1, 101], vec![3, 102]]);
        assert_eq!(of("majority").targets, [3], "the majority is not what is hit");
    }

    #[test]
    fn a_bridge_sees_both_halves() {
        assert_eq!(of("bridge").cut, [(2, 1), (1, 2)]);
        assert!(resolve("netsplit", "bridge", &view(2)).is_err());
    }

    #[test]
    fn one_way_cuts_have_no_reverse() {
        assert_eq!(of("one-way-in").cut, [(1, 2), (3, 2)]);
        assert_eq!(of("one-way-out").cut, [(2, 1), (2, 3)]);
    }

    #[test]
    fn in_a_ring_everybody_sees_a_majority_and_no_two_the_same() {
        let resolved = resolve("netsplit", "ring", &view(5)).unwrap();
        let sees = |node: u32| -> Vec<u32> {
            (1..=5).filter(|other| *other == node || !resolved.cut.contains(&(node, *other))).collect()
        };
        let all: Vec<Vec<u32>> = (1..=5).map(sees).collect();
        assert!(all.iter().all(|seen| seen.len() == 3), "{all:?}");
        assert!((0..5).all(|one| (0..one).all(|other| all[one] != all[other])));
        assert!(resolve("netsplit", "ring", &view(3)).unwrap_err().to_string().contains("cluster.nodes=5"));
    }
}
