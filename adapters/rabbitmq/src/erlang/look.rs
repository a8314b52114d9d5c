//! What a node believes, read from the lines of its answer.

/// What one node believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Nodes it is connected to, itself included, as bits.
    pub(crate) up_bits: u32,
    /// The broker application runs (not paused, not restarting).
    pub(crate) running: bool,
    /// Nodes it says it was partitioned from, as bits.
    pub(crate) partition_bits: u32,
    /// Resource alarms in force.
    pub(crate) alarms: u32,
    /// Its clock, Unix time in milliseconds.
    pub(crate) clock_ms: i64,
    /// The log that its quorum queues share is not written any more.
    pub(crate) raft_log_ended: bool,
    /// Each queue asked for, in order.
    pub(crate) queues: Vec<Known>,
}

/// What a node knows of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// There is none of this name.
    Gone,
    /// It cannot say (the broker application is down).
    Unknown,
    /// It is there.
    Queue(QueueLook),
}

/// A queue as a node sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueLook {
    /// Its leader, or none that is reachable.
    pub(crate) leader: Option<u32>,
    /// Term or epoch of the last thing applied; 0 for classic queues, which have none.
    pub(crate) epoch: u32,
    /// How far this node's own copy has come; 0 for classic queues.
    pub(crate) applied: u64,
    /// Nodes that are to hold it, as bits.
    pub(crate) member_bits: u32,
    /// Those that do: synchronised mirrors, members that are connected.
    pub(crate) in_sync_bits: u32,
}

/// The number of node `rabbit@n2`: 2.
pub(crate) fn number_of(node: &str) -> Option<u32> {
    let host = node.split_once('@')?.1;
    let digits = host.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.parse().ok().filter(|number| *number < u32::BITS)
}

fn bits(names: &str) -> u32 {
    names.split_whitespace().filter_map(number_of).fold(0, |bits, number| bits | 1 << number)
}

/// Reads an answer about `queues` queues; nothing when it is not one.
pub(crate) fn parse_look(answer: &str, queues: usize) -> Option<Look> {
    let mut look = Look::default();
    for line in answer.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "up" => look.up_bits = bits(rest),
            "running" => look.running = rest == "true",
            "partitions" => look.partition_bits = bits(rest),
            "alarms" => look.alarms = rest.parse().ok()?,
            "raft" => look.raft_log_ended = rest == "false",
            "clock" => look.clock_ms = rest.parse().ok()?,
            "gone" => look.queues.push(Known::Gone),
            "unknown" => look.queues.push(Known::Unknown),
            "queue" => look.queues.push(Known::Queue(parse_queue(rest)?)),
            _ => return None,
        }
    }
    (look.queues.len() == queues).then_some(look)
}

fn parse_queue(text: &str) -> Option<QueueLook> {
    let mut parts = text.split('|');
    let mut words = parts.next()?.split_whitespace();
    Some(QueueLook {
        leader: number_of(words.next()?),
        epoch: words.next()?.parse().ok()?,
        applied: u64::try_from(words.next()?.parse::<i64>().ok()?).unwrap_or(0),
        member_bits: bits(parts.next()?),
        in_sync_bits: bits(parts.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::{Known, QueueLook, number_of, parse_look};

    #[test]
    fn an_answer_is_read() {
        let answer = "up rabbit@n1 rabbit@n3\nrunning true\npartitions rabbit@n2\nalarms 0\nraft false\nclock 1764064000123\n\
                      queue rabbit@n1 3 120|rabbit@n1 rabbit@n2 rabbit@n3|rabbit@n1 rabbit@n3\ngone\nunknown\n\
                      queue none 0 -1|rabbit@n2|\n";
        let look = parse_look(answer, 4).unwrap();
        assert_eq!((look.up_bits, look.running, look.partition_bits), (0b1010, true, 0b100));
        assert_eq!((look.raft_log_ended, look.clock_ms), (true, 1_764_064_000_123));
        let first = QueueLook { leader: Some(1), epoch: 3, applied: 120, member_bits: 0b1110, in_sync_bits: 0b1010 };
        assert_eq!(look.queues[..3], [Known::Queue(first), Known::Gone, Known::Unknown]);
        let headless = QueueLook { member_bits: 0b100, ..QueueLook::default() };
        assert_eq!(look.queues[3], Known::Queue(headless));
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        assert_eq!(parse_look("up rabbit@n1\n", 1), None);
        assert_eq!(parse_look("nonsense\n", 0), None);
        assert_eq!(number_of("rabbit@n32"), None, "beyond what bits can say");
        assert_eq!(number_of("none"), None);
    }
}
