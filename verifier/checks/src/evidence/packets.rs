//! What the rules of a fault of the network counted.

use delivery_history::manifest::{BiteProof, Fault};

use crate::evidence::timeline::FaultWindow;
use crate::judgement::PacketsHit;

/// The words for what a fault does to packets.
struct Words {
    /// `dropped`.
    done: &'static str,
    /// `dropped no packet`.
    none: &'static str,
    /// `drop packets`.
    does: &'static str,
}

const fn words(proof: BiteProof) -> Option<Words> {
    match proof {
        BiteProof::PacketsDropped => Some(Words { done: "dropped", none: "dropped no packet", does: "drop packets" }),
        BiteProof::PacketsReset => Some(Words {
            done: "answered with a reset",
            none: "answered no packet with a reset",
            does: "answer packets with a reset",
        }),
        BiteProof::PacketsHeldBack => {
            Some(Words { done: "held back", none: "held no packet back", does: "hold packets back" })
        }
        BiteProof::PacketsDelayed => Some(Words { done: "delayed", none: "delayed no packet", does: "delay packets" }),
        _ => None,
    }
}

/// Whether the proof is a count of packets.
pub(crate) const fn counts_packets(proof: BiteProof) -> bool {
    words(proof).is_some()
}

/// (time, how many by then) of what the fault has to be seen to do.
fn series(window: &FaultWindow, proof: BiteProof) -> &[(u64, u64)] {
    match proof {
        BiteProof::PacketsReset => &window.reset,
        BiteProof::PacketsHeldBack => &window.held_back,
        BiteProof::PacketsDelayed => &window.delayed,
        _ => &window.dropped,
    }
}

/// Why what was counted does not show that the fault bit; empty when it does.
pub(crate) fn packet_reasons(label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let Some(words) = words(fault.bites_by) else { return Vec::new() };
    let mut reasons = Vec::new();
    let thirds = window.growth_by_third(series(window, fault.bites_by));
    if thirds == [0; 3] {
        reasons.push(format!("{label} {}: there was nothing to bite", words.none));
    } else if thirds.contains(&0) {
        let [first, second, last] = thirds;
        reasons.push(format!(
            "{label} did not {} throughout: {first}, {second} and {last} in the thirds of its time",
            words.does
        ));
    }
    if fault.full_cut {
        match window.crossed {
            None => reasons.push(format!("{label}: nobody counted what crossed the cut")),
            Some(0) => {}
            Some(crossed) => reasons.push(format!("{crossed} packets crossed the full cut of {label}")),
        }
    }
    reasons
}

/// What became of packets that were not simply dropped; nothing for any other fault.
pub(crate) fn packets_hit(fault: &Fault, window: &FaultWindow) -> Option<PacketsHit> {
    let words = words(fault.bites_by).filter(|_| fault.bites_by != BiteProof::PacketsDropped)?;
    let counted = series(window, fault.bites_by);
    let count = last(counted);
    Some(PacketsHit { how: words.done.to_owned(), count, by_third: window.growth_by_third(counted) })
}

/// Packets its rules dropped, in all and by third.
pub(crate) fn packets_dropped(window: &FaultWindow) -> (u64, [u64; 3]) {
    (last(&window.dropped), window.growth_by_third(&window.dropped))
}

fn last(counted: &[(u64, u64)]) -> u64 {
    counted.iter().map(|(_, total)| *total).max().unwrap_or(0)
}
