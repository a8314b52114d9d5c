//! Reads a stream to its end on one node after the other, and a queue to its emptiness.

use std::thread::sleep;
use std::time::{Duration, Instant};

use delivery_broker::{AuditItem, Auditor, ClientError, ClientSpec, DestinationRef, DrainItem, NodeAddress, decode};
use futures::stream::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::amqp::{AmqpError, answer, connect, log, runtime};
use crate::consumer::stream_offset;
use crate::drained::{Drained, Said};
use crate::erlang::{Ask, Known, Peer, peers};
use crate::timings::DEAD_CONNECTION_MS;

/// Longest time without progress: the replica catches up, or gives the next message.
const PROGRESS_LIMIT: Duration = Duration::from_secs(20);
/// Longest wait for one answer of a node.
const NODE_LIMIT: Duration = Duration::from_secs(5);
/// Longest time for a queue to be drained, once dead connections are closed.
const DRAIN_LIMIT: Duration = Duration::from_millis(60_000 + DEAD_CONNECTION_MS);
/// Between two questions how deep a queue is.
const DEPTH_INTERVAL: Duration = Duration::from_millis(500);
/// The same where a management plug-in is asked, which tells what queues told it up to five seconds ago: three answers are
/// three only if each is newer than the one before.
const PLUGIN_DEPTH_INTERVAL: Duration = Duration::from_secs(6);
/// Between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// Messages of a stream that are on their way at once.
const STREAM_PREFETCH: u16 = 500;

/// Reads what is stored.
pub(crate) struct RabbitAuditor {
    spec: ClientSpec,
    peers: Vec<Peer>,
}

impl RabbitAuditor {
    /// An audit reader.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        Ok(Self { spec: spec.clone(), peers: peers(spec)? })
    }

    fn node(&self, id: u32) -> Result<NodeAddress, ClientError> {
        let node = self.spec.nodes.iter().find(|node| node.id == id).cloned();
        node.ok_or_else(|| ClientError::Configuration(format!("node {id} is none of the cluster's")))
    }

    /// First and next offset of a stream on a node.
    fn bounds(&mut self, stream: &str, node: u32) -> Result<(u64, u64), String> {
        let peer = self.peers.iter_mut().find(|peer| peer.id == node).ok_or("it is none of the cluster's")?;
        let told = peer.ask(Ask::EndOfStream, &[stream], Instant::now() + NODE_LIMIT);
        let told = told.map_err(|error| error.to_string())?;
        let numbers: Vec<u64> = told.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [first, next] => Ok((first, next)),
            _ => Err(format!("it says: {told}")),
        }
    }

    /// The bounds of this replica, once every node's copy ends where it does.
    fn common_bounds(&mut self, stream: &str, replica: u32) -> Result<(u64, u64), ClientError> {
        let deadline = Instant::now() + PROGRESS_LIMIT;
        let nodes: Vec<u32> = self.peers.iter().map(|peer| peer.id).collect();
        loop {
            let here = self.bounds(stream, replica);
            let ends: Result<Vec<u64>, String> =
                nodes.iter().map(|node| self.bounds(stream, *node).map(|(_, next)| next)).collect();
            match (here, ends) {
                (Ok(here), Ok(ends)) if ends.iter().all(|end| *end == here.1) => return Ok(here),
                (Err(cause), _) | (_, Err(cause)) if Instant::now() >= deadline => {
                    return Err(incomplete(stream, &cause));
                }
                (Ok(_), Ok(ends)) if Instant::now() >= deadline => {
                    return Err(incomplete(stream, &format!("its replicas end at {ends:?}")));
                }
                _ => sleep(PAUSE),
            }
        }
    }

    /// The node that leads a queue, by the first node that knows; none when all say that it is gone.
    fn leader(&mut self, queue: &str) -> Said {
        let mut gone = 0;
        for peer in &mut self.peers {
            let look = peer.look(&[queue], Instant::now() + NODE_LIMIT);
            match look.as_ref().map(|look| look.queues.first()) {
                Ok(Some(Known::Queue(known))) if known.leader.is_some() => {
                    return Said::Leader(known.leader.unwrap_or(peer.id));
                }
                Ok(Some(Known::Gone)) => gone += 1,
                _ => {}
            }
        }
        if gone == self.peers.len() { Said::Gone } else { Said::Nothing }
    }

    /// Ready and unsettled messages, as the queue itself says.
    fn depth(&mut self, queue: &str) -> Said {
        let node = match self.leader(queue) {
            Said::Leader(node) => node,
            // Nothing is left in a queue that is not there, and every node says so.
            other => return other,
        };
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == node) else { return Said::Nothing };
        let told = match peer.ask(Ask::Depth, &[queue], Instant::now() + NODE_LIMIT) {
            Ok(told) => told,
            Err(error) => {
                log(&self.spec.client_name, &format!("node {node} does not say how deep {queue} is: {error}"));
                return Said::Nothing;
            }
        };
        let numbers: Vec<u64> = told.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [ready, unacked] => Said::Depth { node, ready, unacked },
            _ => Said::Nothing,
        }
    }
}

impl Auditor for RabbitAuditor {
    fn read(
        &mut self,
        destination: &DestinationRef,
        replica: u32,
        sink: &mut dyn FnMut(AuditItem),
    ) -> Result<(), ClientError> {
        let name = destination.name.as_str();
        if self.spec.access.is_some() {
            return Err(incomplete(name, "where a copy of a stream ends is told to nobody outside"));
        }
        let (first, next) = self.common_bounds(name, replica)?;
        sink(AuditItem::Start(first));
        let node = self.node(replica)?;
        let spec = self.spec.clone();
        let read = runtime()?.block_on(read_stream(&spec, &node, name, first, next, sink));
        read.map_err(|error| incomplete(name, &error.words))?;
        let (_, after) = self.common_bounds(name, replica)?;
        if after != next {
            return Err(incomplete(name, &format!("it grew from {next} to {after} while it was read")));
        }
        sink(AuditItem::End(next));
        Ok(())
    }

    fn drain(&mut self, destination: &DestinationRef, sink: &mut dyn FnMut(DrainItem)) -> Result<(), ClientError> {
        let name = destination.name.as_str();
        if self.peers.iter().all(Peer::is_blind) {
            return Err(incomplete(name, "no management plug-in answers, and nobody else tells what is handed out"));
        }
        let mut drained = Drained::default();
        let deadline = Instant::now() + DRAIN_LIMIT;
        let first = self.peers.first().map_or(0, |peer| peer.id);
        let mut started = false;
        while !drained.is_certain() {
            let said = self.depth(name);
            if Instant::now() >= deadline {
                return Err(incomplete(name, &drained.what_is_missing()));
            }
            let depth = match said {
                Said::Depth { node, ready, unacked } => Some((node, ready, unacked)),
                Said::Gone => Some((first, 0, 0)),
                _ => None,
            };
            drained.take(said);
            if let Some((node, ready, unacked)) = depth {
                if !started {
                    sink(DrainItem::Start { node });
                    started = true;
                }
                sink(DrainItem::Depth { node, ready, unacked: u32::try_from(unacked).unwrap_or(u32::MAX) });
            }
            if !drained.is_certain() {
                sleep(if self.spec.access.is_some() { PLUGIN_DEPTH_INTERVAL } else { DEPTH_INTERVAL });
            }
        }
        if let (Some(node), left) = (drained.node(), drained.ready())
            && left > 0
        {
            let (node, spec) = (self.node(node)?, self.spec.clone());
            let taken = runtime()?.block_on(take_out(&spec, &node, name, sink));
            taken.map_err(|error| incomplete(name, &error.words))?;
        }
        sink(DrainItem::End);
        if drained.is_gone() {
            return Err(incomplete(name, "every node says that there is no such queue any more (NOT_FOUND)"));
        }
        Ok(())
    }
}

/// Over AMQP a stream is read from the copy of the node that is asked.
async fn read_stream(
    spec: &ClientSpec,
    node: &NodeAddress,
    stream: &str,
    first: u64,
    next: u64,
    sink: &mut dyn FnMut(AuditItem),
) -> Result<(), AmqpError> {
    if first >= next {
        return Ok(());
    }
    let connection = connect(spec, node).await?;
    let channel = answer(connection.create_channel()).await?;
    answer(channel.basic_qos(STREAM_PREFETCH, BasicQosOptions::default())).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
    let options = BasicConsumeOptions::default();
    let mut messages = answer(channel.basic_consume(stream.into(), "audit".into(), options, arguments)).await?;
    let mut at = first;
    while at < next {
        let message = tokio::time::timeout(PROGRESS_LIMIT, messages.next()).await;
        let delivered = match message {
            Ok(Some(delivered)) => delivered?,
            Ok(None) => return Err(no_more(node, at, next, "the broker cancelled the reader")),
            Err(_) => return Err(no_more(node, at, next, "nothing more came")),
        };
        let offset = stream_offset(&delivered).ok_or_else(|| no_more(node, at, next, "a message without an offset"))?;
        if offset < next {
            sink(AuditItem::Message { offset, payload: decode(&delivered.data, spec.run_tag) });
        }
        at = offset + 1;
        answer(channel.basic_ack(delivered.delivery_tag, BasicAckOptions::default())).await?;
    }
    let _ = answer(connection.close(200, "bye".into())).await;
    Ok(())
}

fn no_more(node: &NodeAddress, at: u64, next: u64, what: &str) -> AmqpError {
    let words = format!("node {} gave it up to {at} of {next}: {what}", node.id);
    AmqpError { reason: delivery_broker::Reason::Other, words }
}

/// Takes everything out of a queue that nobody else takes from.
async fn take_out(
    spec: &ClientSpec,
    node: &NodeAddress,
    queue: &str,
    sink: &mut dyn FnMut(DrainItem),
) -> Result<(), AmqpError> {
    let connection = connect(spec, node).await?;
    let channel = answer(connection.create_channel()).await?;
    while let Some(message) = answer(channel.basic_get(queue.into(), BasicGetOptions::default())).await? {
        sink(DrainItem::Message { payload: decode(&message.delivery.data, spec.run_tag) });
        answer(channel.basic_ack(message.delivery.delivery_tag, BasicAckOptions::default())).await?;
    }
    let _ = answer(connection.close(200, "bye".into())).await;
    Ok(())
}

fn incomplete(name: &str, cause: &str) -> ClientError {
    ClientError::Refused { operation: format!("reading `{name}` to its end"), cause: cause.to_owned() }
}
