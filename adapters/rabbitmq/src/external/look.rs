//! What the management plug-in of a node says, as the node's own belief is told elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::erlang::{Known, Look, QueueLook};

/// Nodes by the name the cluster has for them.
pub(crate) type Numbers = BTreeMap<String, u32>;

fn bits(names: &Value, numbers: &Numbers) -> u32 {
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| numbers.get(name)).fold(0, |bits, number| bits | 1 << number)
}

/// A node's belief, from what its plug-in says of nodes and queues.
pub(crate) fn look(me: &str, nodes: &Value, queues: &[Option<Value>], numbers: &Numbers) -> Look {
    let nodes: Vec<&Value> = nodes.as_array().into_iter().flatten().collect();
    let is = |node: &Value, name: &str| node[name].as_bool().unwrap_or(false);
    let running = nodes.iter().filter(|node| is(node, "running")).filter_map(|node| node["name"].as_str());
    let up_bits = running.filter_map(|name| numbers.get(name)).fold(0, |bits, number| bits | 1 << number);
    let mine = nodes.iter().find(|node| node["name"].as_str() == Some(me));
    Look {
        up_bits,
        running: mine.is_some_and(|node| is(node, "running")),
        partition_bits: mine.map_or(0, |node| bits(&node["partitions"], numbers)),
        alarms: nodes
            .iter()
            .map(|node| u32::from(is(node, "mem_alarm")) + u32::from(is(node, "disk_free_alarm")))
            .sum(),
        queues: queues
            .iter()
            .map(|queue| queue.as_ref().map_or(Known::Gone, |queue| known(queue, up_bits, numbers)))
            .collect(),
        ..Look::default()
    }
}

/// The plug-in does not tell in which term a leader was elected: all are of the first.
fn known(queue: &Value, up_bits: u32, numbers: &Numbers) -> Known {
    let number = |name: &str| queue[name].as_str().and_then(|name| numbers.get(name)).copied();
    let is_up = |number: &u32| up_bits & 1 << number != 0;
    if queue["type"] == "classic" {
        let home = number("node");
        let member_bits = home.map_or(0, |home| 1 << home);
        let leader = home.filter(is_up).filter(|_| queue["state"] != "down");
        let in_sync_bits = leader.map_or(0, |leader| 1 << leader);
        return Known::Queue(QueueLook { leader, epoch: 0, applied: 0, member_bits, in_sync_bits });
    }
    let member_bits = bits(&queue["members"], numbers);
    let in_sync_bits = bits(&queue["online"], numbers) & up_bits;
    Known::Queue(QueueLook { leader: number("leader").filter(is_up), epoch: 1, applied: 0, member_bits, in_sync_bits })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Numbers, look};
    use crate::erlang::{Known, QueueLook};

    #[test]
    fn what_the_plug_in_says_is_a_belief() {
        let names = ["rabbit@a", "rabbit@b", "rabbit@c"];
        let numbers: Numbers = names.iter().map(|name| (*name).to_owned()).zip(1..).collect();
        let nodes = json!([
            {"name": "rabbit@a", "running": true, "partitions": ["rabbit@c"], "mem_alarm": false, "disk_free_alarm": true},
            {"name": "rabbit@b", "running": true, "partitions": []},
            {"name": "rabbit@c", "running": false},
        ]);
        let quorum =
            json!({"type": "quorum", "leader": "rabbit@b", "members": names, "online": ["rabbit@a", "rabbit@b"]});
        let classic = json!({"type": "classic", "node": "rabbit@c", "state": "running"});
        let seen = look("rabbit@a", &nodes, &[Some(quorum), Some(classic), None], &numbers);
        assert_eq!((seen.up_bits, seen.running, seen.partition_bits, seen.alarms), (0b110, true, 0b1000, 1));
        let first = QueueLook { leader: Some(2), epoch: 1, applied: 0, member_bits: 0b1110, in_sync_bits: 0b110 };
        let second = QueueLook { leader: None, epoch: 0, applied: 0, member_bits: 0b1000, in_sync_bits: 0 };
        assert_eq!(seen.queues, [Known::Queue(first), Known::Queue(second), Known::Gone]);
        assert!(!look("rabbit@c", &nodes, &[], &numbers).running);
    }
}
