//! Runs with pictures, to be published.

use delivery_checks::Picture;
use delivery_checks::picture::{Bin, Change, ChangeKind, FaultSpan, LanePicture, Spread};
use delivery_history::manifest::Phase;
use delivery_report::{JudgedRun, Publication};

use super::Sample;

/// A run over 24 seconds, two of them a stretch: cut off from 4 s to 19 s, with messages lost from 4 s to 10 s.
pub(crate) fn picture(sample: &Sample) -> Picture {
    let lane = |name: &String| {
        let losing = sample.judgement.lanes.iter().find(|judged| judged.lane == *name);
        let losing = losing.is_some_and(|judged| judged.findings.iter().any(|found| found.count > 0));
        let bins = (0..12).map(|bin| {
            let cut = (2..10).contains(&bin) && !losing;
            Bin {
                invoked: 2_000,
                acked: if cut { 0 } else { 1_990 },
                failed: u32::from(bin == 3),
                unknown: if cut { 60 } else { 0 },
                delivered: if bin == 10 { 9_000 } else { 1_900 },
                lost: if losing && (2..5).contains(&bin) { 1_500 } else { 0 },
                send: (!cut).then_some(Spread { p50_ms: 2.5, max_ms: 41.25 }),
                age: Some(Spread { p50_ms: if bin == 10 { 14_000.0 } else { 4.0 }, max_ms: 15_000.0 }),
            }
        });
        LanePicture { bins: bins.collect() }
    };
    let change = |at_ms, kind, lane, what: &str| Change { at_ms, kind, lane, what: what.to_owned() };
    Picture {
        bin_ms: 2_000,
        bins: 12,
        phases: vec![(Phase::Baseline, 0), (Phase::Fault, 4_000), (Phase::Heal, 19_004), (Phase::Recover, 24_000)],
        faults: vec![FaultSpan {
            fault: String::from("netsplit:leader"),
            targets: vec![String::from("n2")],
            from_ms: 4_000,
            to_ms: Some(19_004),
        }],
        changes: vec![
            change(13_404, ChangeKind::Leader, Some(0), "n1 said leader of safe-0 n2 -> n3"),
            change(13_404, ChangeKind::Members, None, "n1 said members {n1, n2, n3} -> {n1, n3}"),
        ],
        changes_left_out: 0,
        lanes: sample.manifest.lanes.iter().map(|lane_of| lane(&lane_of.name)).collect(),
    }
}

pub(crate) fn judged_run(sample: Sample) -> JudgedRun {
    let (picture, verdict) = (picture(&sample), sample.verdict());
    JudgedRun { manifest: sample.manifest, judgement: sample.judgement, verdict, picture: Some(picture) }
}

/// The same run under another name and at another time.
pub(crate) fn named(mut sample: Sample, run_id: &str, started_at: &str) -> Sample {
    sample.manifest.run_id = run_id.to_owned();
    sample.manifest.started_at = started_at.to_owned();
    sample
}

pub(crate) fn publication(samples: impl IntoIterator<Item = Sample>) -> Publication {
    let runs = samples.into_iter().map(judged_run).collect();
    let mut publication = Publication { runs, ..Publication::default() };
    publication.sort();
    publication
}
