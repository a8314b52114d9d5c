//! A run over time, ready to be drawn: what each lane's clients saw in short stretches of equal length, and what happened
//! meanwhile. Its size is bounded, however long the run was.

mod axis;
mod changes;
mod lane;
mod spread;

use delivery_history::manifest::Phase;

pub(crate) use axis::Axis;
pub(crate) use lane::draw_lane;

use crate::context::Context;
use crate::evidence::bite;

/// A run over time. Times are milliseconds after the load began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Length of one stretch, milliseconds.
    pub bin_ms: u64,
    /// Number of stretches; each lane has as many bins.
    pub bins: usize,
    /// When each phase was entered, in the order of time; what came before the load is left out.
    pub phases: Vec<(Phase, i64)>,
    /// Faults that were started, in the order of the schedule.
    pub faults: Vec<FaultSpan>,
    /// What nodes told of, in the order of time.
    pub changes: Vec<Change>,
    /// Changes beyond the most that are kept.
    pub changes_left_out: u64,
    /// Lanes in the order of the manifest.
    pub lanes: Vec<LanePicture>,
}

/// When a fault was on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpan {
    /// `netsplit:leader`.
    pub fault: String,
    /// Who was hit, by name.
    pub targets: Vec<String>,
    /// Its start, milliseconds after the load began.
    pub from_ms: i64,
    /// Its heal; nothing where none was recorded.
    pub to_ms: Option<i64>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Who leads a destination.
    Leader,
    /// The in-sync replicas (or the members of the quorum) of a destination.
    InSync,
    /// Who controls the cluster.
    Controller,
    /// Live members of the cluster.
    Members,
}

/// Something else than before that a node told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Milliseconds after the load began.
    pub at_ms: i64,
    /// What it is about.
    pub kind: ChangeKind,
    /// Index of the lane it is about; nothing where it is about the cluster.
    pub lane: Option<u16>,
    /// `n2 said leader of safe-0 n1 -> n2`.
    pub what: String,
}

/// One lane over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanePicture {
    /// One a stretch, from the start of the load on.
    pub bins: Vec<Bin>,
}

/// What a lane's clients saw in one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Sends invoked.
    pub invoked: u32,
    /// Sends acked; where no ack is asked for, sends that the client took.
    pub acked: u32,
    /// Sends that failed for certain.
    pub failed: u32,
    /// Sends that may be stored.
    pub unknown: u32,
    /// Messages that reached readers.
    pub delivered: u32,
    /// Messages that were acked here, and are lost.
    pub lost: u32,
    /// How long the sends that were acked here had taken.
    pub send: Option<Spread>,
    /// How old the messages were that reached readers here.
    pub age: Option<Spread>,
}

/// The middle and the largest of some times, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Median, to a few percent.
    pub p50_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// What is not of one lane.
pub(crate) fn draw_run(context: &Context<'_>, axis: &Axis, lanes: Vec<LanePicture>) -> Picture {
    let entered = Phase::ALL.into_iter().filter_map(|phase| Some((phase, context.timeline.entered_ns(phase)?)));
    let mut phases: Vec<(Phase, i64)> = entered.map(|(phase, at_ns)| (phase, context.at_ms(at_ns))).collect();
    phases.retain(|(_, at_ms)| *at_ms >= 0);
    phases.sort_by_key(|(phase, at_ms)| (*at_ms, *phase));
    let windows = context.manifest.faults.iter().zip(&context.timeline.faults);
    let faults = windows.filter_map(|(fault, window)| {
        let name =
            if fault.shape.is_empty() { fault.fault.clone() } else { format!("{}:{}", fault.fault, fault.shape) };
        Some(FaultSpan {
            fault: name,
            targets: bite::names(context, fault),
            from_ms: context.at_ms(window.started_ns?),
            to_ms: window.healed_ns.map(|at_ns| context.at_ms(at_ns)),
        })
    });
    let faults = faults.collect();
    let (changes, changes_left_out) = changes::find(context);
    Picture { bin_ms: axis.bin_ms(), bins: axis.bins(), phases, faults, changes, changes_left_out, lanes }
}
