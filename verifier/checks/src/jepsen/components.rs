//! Strongly connected components (Tarjan), with a stack of its own: a history can be a path of millions of operations.

/// Edges by the node they leave.
pub(super) struct Graph {
    begins: Vec<u32>,
    targets: Vec<u32>,
}

impl Graph {
    pub(super) fn new(nodes: usize, edges: &[&[(u32, u32)]]) -> Self {
        let mut begins = vec![0_u32; nodes + 1];
        let all = || edges.iter().flat_map(|edges| edges.iter());
        all().for_each(|(from, _)| begins[*from as usize + 1] += 1);
        for node in 1..begins.len() {
            begins[node] += begins[node - 1];
        }
        let mut next = begins.clone();
        let mut targets = vec![0; begins[nodes] as usize];
        for (from, to) in all() {
            targets[next[*from as usize] as usize] = *to;
            next[*from as usize] += 1;
        }
        Self { begins, targets }
    }
}

/// The component of every node.
pub(super) struct Components {
    of: Vec<u32>,
    sizes: Vec<u32>,
}

impl Components {
    /// The component of a node that is on a cycle (no node has an edge to itself).
    pub(super) fn cyclic(&self, node: u32) -> Option<u32> {
        Some(self.of[node as usize]).filter(|component| self.sizes[*component as usize] > 1)
    }

    /// Both are on one cycle.
    pub(super) fn together(&self, one: u32, other: u32) -> bool {
        self.of[one as usize] == self.of[other as usize]
    }

    pub(super) fn count(&self) -> usize {
        self.sizes.len()
    }

    pub(super) fn of(graph: &Graph) -> Self {
        let nodes = graph.begins.len() - 1;
        let mut search = Search {
            graph,
            entered: vec![NEW; nodes],
            low: vec![0; nodes],
            stack: Vec::new(),
            next: 0,
            found: Self { of: vec![NEW; nodes], sizes: Vec::new() },
        };
        for node in 0..nodes as u32 {
            if search.entered[node as usize] == NEW {
                search.from(node);
            }
        }
        search.found
    }
}

const NEW: u32 = u32::MAX;

struct Search<'g> {
    graph: &'g Graph,
    entered: Vec<u32>,
    low: Vec<u32>,
    stack: Vec<u32>,
    next: u32,
    found: Components,
}

impl Search<'_> {
    fn from(&mut self, root: u32) {
        let mut path = vec![self.enter(root)];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if *edge == self.graph.begins[node as usize + 1] {
                path.pop();
                self.leave(node);
                if let Some((parent, _)) = path.last() {
                    self.low[*parent as usize] = self.low[*parent as usize].min(self.low[node as usize]);
                }
                continue;
            }
            let target = self.graph.targets[*edge as usize];
            *edge += 1;
            if self.entered[target as usize] == NEW {
                let entered = self.enter(target);
                path.push(entered);
            } else if self.found.of[target as usize] == NEW {
                self.low[node as usize] = self.low[node as usize].min(self.entered[target as usize]);
            }
        }
    }

    fn enter(&mut self, node: u32) -> (u32, u32) {
        self.entered[node as usize] = self.next;
        self.low[node as usize] = self.next;
        self.next += 1;
        self.stack.push(node);
        (node, self.graph.begins[node as usize])
    }

    fn leave(&mut self, node: u32) {
        if self.low[node as usize] != self.entered[node as usize] {
            return;
        }
        let component = self.found.sizes.len() as u32;
        self.found.sizes.push(0);
        while let Some(member) = self.stack.pop() {
            self.found.of[member as usize] = component;
            self.found.sizes[component as usize] += 1;
            if member == node {
                break;
            }
        }
    }
}
