//! Which cells are lanes of one run.

use std::collections::BTreeSet;

use crate::cell::Cell;

/// Messages a second a core carries with some to spare, over all lanes of a run.
const RATE_PER_CORE: usize = 2_000;
/// Lanes a core carries: each has clients and destinations of its own.
const LANES_PER_CORE: usize = 2;

/// What a machine carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carries {
    /// Cores.
    pub cores: usize,
    /// Most lanes of a run, where the file says so.
    pub lanes: Option<usize>,
}

impl Carries {
    /// Lanes of one run at this rate; one at least.
    fn lanes_at(self, rate_per_s: u32) -> usize {
        let by_rate = self.cores * RATE_PER_CORE / (rate_per_s.max(1) as usize);
        self.lanes.unwrap_or((self.cores * LANES_PER_CORE).min(by_rate)).max(1)
    }
}

/// Puts cells that share a cluster and a schedule into one run, as many as the machine carries, and runs that can have the
/// same cluster behind each other; otherwise in the order of their first cells. Numbers are indices into `cells`.
pub fn group(cells: &[Cell], carries: Carries) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let fits = |group: &&mut Vec<usize>| {
            let first = &cells[group[0]];
            let lanes: BTreeSet<&str> = group.iter().map(|member| cells[*member].entry.lane.as_str()).collect();
            !cell.alone
                && !first.alone
                && first.shares == cell.shares
                && group.len() < carries.lanes_at(cell.request.rate_per_s)
                && !lanes.contains(cell.entry.lane.as_str())
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    let mut clusters: Vec<&str> = Vec::new();
    groups.iter().for_each(|group| {
        let cluster = cells[group[0]].cluster.as_str();
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    });
    groups.sort_by_key(|group| clusters.iter().position(|cluster| *cluster == cells[group[0]].cluster));
    groups
}
