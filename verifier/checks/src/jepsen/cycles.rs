//! `G0`, `G1c`, `G0-realtime`, `G1c-realtime`: operations that depend on each other in a cycle.
//!
//! Real time alone has a quadratic number of edges. So every operation that ended well gets a moment, each moment
//! leads to the next one, and an operation follows from the last moment before it was invoked.

use delivery_history::import::OperationKind;

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::components::{Components, Graph};
use super::facts::Facts;
use super::log_order::LogOrder;

type Edges = Vec<(u32, u32)>;

pub(super) fn check(facts: &Facts<'_>, order: &LogOrder, ww_deps: bool, found: &mut Collector<'_, '_>) {
    let ww = if ww_deps { write_write(facts, order) } else { Vec::new() };
    let wr = write_read(facts);
    let (rt, nodes) = real_time(facts);
    let components = |edges: &[&[(u32, u32)]]| Components::of(&Graph::new(nodes, edges));
    let all = components(&[&ww, &wr, &rt]);
    if (0..nodes as u32).all(|node| all.cyclic(node).is_none()) {
        return;
    }
    let mut marks = vec![Marks::default(); all.count()];
    mark(&mut marks, &all, &components(&[&ww]), &ww, |marks| &mut marks.ww);
    mark(&mut marks, &all, &components(&[&ww, &wr]), &wr, |marks| &mut marks.wr);
    mark(&mut marks, &all, &components(&[&ww, &rt]), &rt, |marks| &mut marks.rt);
    mark(&mut marks, &all, &all, &wr, |marks| &mut marks.any_wr);
    mark(&mut marks, &all, &all, &rt, |marks| &mut marks.any_rt);
    let mut named = vec![false; all.count()];
    for (place, _) in facts.transactions() {
        let Some(component) = all.cyclic(place as u32) else { continue };
        let Some(micro) = facts.micro(place).first() else { continue };
        if std::mem::replace(&mut named[component as usize], true) {
            continue;
        }
        let members = facts.transactions().map(|(place, _)| place as u32).skip_while(|other| (*other as usize) < place);
        let few: Vec<u32> = members.filter(|other| all.together(*other, place as u32)).take(8).collect();
        for anomaly in marks[component as usize].anomalies() {
            let what = || String::from("with those above it on a cycle of dependencies");
            found.add(anomaly, micro.message, what, &few);
        }
    }
}

/// Which edges lie on cycles of which graphs, in one component of the whole.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    /// A write-write edge, among write-write edges.
    ww: bool,
    /// A write-read edge, among write-write and write-read edges.
    wr: bool,
    /// A real-time edge, among write-write and real-time edges.
    rt: bool,
    any_wr: bool,
    any_rt: bool,
}

impl Marks {
    fn anomalies(self) -> impl Iterator<Item = Anomaly> {
        let named = [
            (Anomaly::G0, self.ww),
            (Anomaly::G1c, self.wr && !self.ww),
            (Anomaly::G0Realtime, self.rt),
            (Anomaly::G1cRealtime, self.any_wr && self.any_rt && !self.wr && !self.rt),
        ];
        named.into_iter().filter(|(_, holds)| *holds).map(|(anomaly, _)| anomaly)
    }
}

/// Sets a mark of every component of the whole in which one of `edges` lies on a cycle of `part`.
fn mark(marks: &mut [Marks], whole: &Components, part: &Components, edges: &Edges, of: fn(&mut Marks) -> &mut bool) {
    for (from, to) in edges {
        if let Some(component) = whole.cyclic(*from).filter(|_| part.together(*from, *to)) {
            *of(&mut marks[component as usize]) = true;
        }
    }
}

/// From the writer of the value before to the writer of the value.
fn write_write(facts: &Facts<'_>, order: &LogOrder) -> Edges {
    let mut edges = Vec::new();
    for (id, message) in facts.messages.iter().enumerate() {
        let before = order.previous(message.key, id as u32).and_then(|before| facts.message(before).writer);
        if let (Some(from), Some(to)) = (before, message.writer)
            && from != to
        {
            edges.push((from, to));
        }
    }
    edges
}

/// From the writer of a value to each of its readers.
fn write_read(facts: &Facts<'_>) -> Edges {
    let mut edges = Vec::new();
    for (place, _) in facts.transactions() {
        for read in facts.reads(place) {
            if let Some(writer) = facts.message(read.message).writer.filter(|writer| *writer != place as u32) {
                edges.push((writer, place as u32));
            }
        }
    }
    edges
}

/// From what ended well to what was invoked afterwards, by way of moments; and the number of nodes with them.
fn real_time(facts: &Facts<'_>) -> (Edges, usize) {
    let operations = facts.history.operations();
    let mut edges = Vec::new();
    let mut nodes = operations.len();
    for (place, operation) in operations.iter().enumerate() {
        if !operation.function.is_transactional() {
            continue;
        }
        let moments = nodes - operations.len();
        match operation.kind {
            OperationKind::Invoke if moments > 0 => {
                let ends = facts.history.partner(operation).unwrap_or(place);
                edges.push((nodes as u32 - 1, ends as u32));
            }
            OperationKind::Ok => {
                edges.push((place as u32, nodes as u32));
                if moments > 0 {
                    edges.push((nodes as u32 - 1, nodes as u32));
                }
                nodes += 1;
            }
            _ => {}
        }
    }
    (edges, nodes)
}
