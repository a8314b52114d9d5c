//! A correct history for each preset of each system, in the lane that the preset makes.
//!
//! A system that runs in a simulation runs; of the others the history is written by hand, with everything in it that
//! such a lane may show without breaking a promise: unknown sends stored and not, and a delivery that comes again.

use delivery_broker::{ConfigError, LaneRequest, System};
use delivery_history::manifest::{Lane, Workload};

use super::{buses, expected};
use crate::row::{Nature, Row, Source};
use crate::scene::{C0, C1, Scene, p0};

pub(super) fn rows(systems: &[&dyn System]) -> Result<Vec<Row>, ConfigError> {
    let mut rows = Vec::new();
    for system in systems {
        let info = system.info();
        for preset in info.presets {
            let name = format!("{}/{}", info.name, preset.name);
            if system.simulated().is_some() {
                rows.push(buses::correct(name, preset.name));
            } else {
                let request = LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() };
                rows.push(by_hand(name, info.title, system.lane(&request)?.lane));
            }
        }
    }
    Ok(rows)
}

fn by_hand(name: String, title: &str, lane: Lane) -> Row {
    let broken = format!("nothing: {title} as the preset `{}` has it", lane.name);
    let (workload, acknowledged, automatic_ack) = (lane.workload, lane.acknowledged, lane.automatic_ack);
    let mut scene = Scene::healthy(lane);
    let mut findings = Vec::new();
    match workload {
        Workload::Log | Workload::Transactions => {
            if acknowledged && workload == Workload::Log {
                scene.store_behind(0, p0(100), p0(99));
            }
            // What is committed together is given together: of a transaction the last.
            let id = p0(if workload == Workload::Transactions { 63 } else { 60 });
            let given = *scene.given(id);
            scene.rebalance(0, C0, C1, given.offset, given.at_ms + 1);
            scene.give_again(id, C1, given.at_ms + 2);
            findings.push((delivery_checks::FindingKind::Redelivered, 1));
        }
        Workload::Queue if !automatic_ack => {
            scene.refuse(p0(60), None);
            scene.reconnect(C0, 2_420);
            scene.redeliver(p0(60), C1, 2_440);
            findings.push((delivery_checks::FindingKind::Redelivered, 1));
        }
        Workload::Queue | Workload::Fanout => {}
    }
    let expected = expected(&findings, &[], &[], "");
    Row { name, broken, nature: Nature::Correct, expected, source: Source::Hand(Box::new(scene)) }
}
