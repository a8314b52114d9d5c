//! When faults start and end, and how long the load lasts around them.

use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{FaultKind, find_fault};
use crate::request::FaultRequest;

/// A cut without a length of its own outlasts the system's failure detection by this much.
const BEYOND_DETECTION_MS: u64 = 4_000;
/// Load without any fault lasts this long.
const LOAD_WITHOUT_FAULT_MS: u64 = 10_000;
/// Between the end of one fault and the start of the next without a time of its own.
const BETWEEN_FAULTS_MS: u64 = 5_000;
/// The same where clients are hit: a group takes a member in within a second or two.
const BETWEEN_CLIENT_FAULTS_MS: u64 = 3_000;
/// A client that was killed is succeeded after this long.
const CLIENT_DOWN_MS: u64 = 3_000;

/// The load and the faults in it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPlan {
    /// Length of the load, milliseconds.
    pub load_ms: u64,
    /// Faults in the order of their start; nothing is resolved yet.
    pub faults: Vec<Fault>,
}

/// What the system suggests where the user gives no times, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Load before the first fault.
    pub baseline_ms: u64,
    /// Load after the last heal.
    pub after_heal_ms: u64,
    /// Failure detection under the timings in force.
    pub detection_ms: u64,
    /// Longest time the brokers wait for a dead member of a group.
    pub session_timeout_ms: u64,
}

/// A schedule that cannot be run. Exit 2: nothing was started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// It would never start.
    #[error(
        "{fault} starts at {start_ms} ms, but the load ends at {load_ms} ms. Give it an earlier start (`@`) or the run a longer --duration."
    )]
    StartsTooLate {
        /// Which.
        fault: String,
        /// Its start.
        start_ms: u64,
        /// The end of the load.
        load_ms: u64,
    },
    /// It would be cut short.
    #[error(
        "{fault} ends at {end_ms} ms, but the load ends at {load_ms} ms. Give it a shorter length (`+`) or the run a longer --duration."
    )]
    EndsTooLate {
        /// Which.
        fault: String,
        /// Its end.
        end_ms: u64,
        /// The end of the load.
        load_ms: u64,
    },
    /// It has no length.
    #[error("{fault} has length 0: there is nothing to see. Give it a length (`+15s`).")]
    NoLength {
        /// Which.
        fault: String,
    },
    /// A link's queue wanted twice.
    #[error(
        "{first} is still on when {second} starts. A link has one queue, so these two follow each other (other faults may overlap them): give the second a later start (`@`)."
    )]
    Overlap {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
}

/// Fills in the times nobody gave, and refuses a schedule that cannot be run as it stands.
///
/// # Errors
/// See [`ScheduleError`].
pub fn plan_load(
    requests: &[FaultRequest],
    duration_ms: Option<u64>,
    defaults: Defaults,
) -> Result<LoadPlan, ScheduleError> {
    let mut next_start_ms = defaults.baseline_ms;
    let mut faults = Vec::with_capacity(requests.len());
    for request in requests {
        let hits_clients = kind_of(request).is_some_and(|kind| kind.clients_hit(request.shape).is_some());
        let start_ms = request.start_ms.unwrap_or(next_start_ms);
        let length_ms = request.duration_ms.unwrap_or_else(|| natural_length_ms(request, hits_clients, defaults));
        let pause_ms = if hits_clients { BETWEEN_CLIENT_FAULTS_MS } else { BETWEEN_FAULTS_MS };
        next_start_ms = start_ms + length_ms + pause_ms;
        let detection_ms = if hits_clients { 0 } else { defaults.detection_ms };
        faults.push(unresolved(request, start_ms, length_ms, detection_ms));
    }
    faults.sort_by_key(|fault| fault.start_ms);
    let last_end_ms = faults.iter().map(|fault| fault.start_ms + fault.duration_ms).max();
    let natural_ms = last_end_ms.map_or(LOAD_WITHOUT_FAULT_MS, |end_ms| end_ms + defaults.after_heal_ms);
    let load_ms = duration_ms.unwrap_or(natural_ms);
    for fault in &faults {
        check_times(fault, load_ms)?;
    }
    check_overlap(&faults)?;
    Ok(LoadPlan { load_ms, faults })
}

fn kind_of(request: &FaultRequest) -> Option<&'static dyn FaultKind> {
    find_fault(request.fault).ok()
}

/// Long enough for the cluster to notice; for a client that stands still, for its group to go on without it.
fn natural_length_ms(request: &FaultRequest, hits_clients: bool, defaults: Defaults) -> u64 {
    match (hits_clients, request.fault, request.shape) {
        (true, "pause", "consumer") => defaults.session_timeout_ms + BEYOND_DETECTION_MS,
        (true, ..) => CLIENT_DOWN_MS,
        (false, _, shape) => {
            let own_ms = kind_of(request).and_then(FaultKind::length_ms);
            let least_ms = kind_of(request).and_then(|kind| kind.takes_ms(shape)).unwrap_or(0);
            own_ms.unwrap_or(defaults.detection_ms + BEYOND_DETECTION_MS).max(least_ms)
        }
    }
}

fn unresolved(request: &FaultRequest, start_ms: u64, duration_ms: u64, detection_ms: u64) -> Fault {
    Fault {
        fault: request.fault.to_owned(),
        shape: request.shape.to_owned(),
        start_ms,
        duration_ms,
        targets: Vec::new(),
        cut: Vec::new(),
        full_cut: false,
        sides: Vec::new(),
        detection_ms,
        workers: Vec::new(),
        bites_by: BiteProof::default(),
        adds: Vec::new(),
        amount: request.amount.or_else(|| kind_of(request).and_then(FaultKind::amount)),
        gray: kind_of(request).is_some_and(|kind| kind.is_gray(request.shape)),
        hook_calls: Vec::new(),
    }
}

fn name(fault: &Fault) -> String {
    format!("{}:{}@{}ms+{}ms", fault.fault, fault.shape, fault.start_ms, fault.duration_ms)
}

fn check_times(fault: &Fault, load_ms: u64) -> Result<(), ScheduleError> {
    let end_ms = fault.start_ms + fault.duration_ms;
    if fault.duration_ms == 0 {
        return Err(ScheduleError::NoLength { fault: name(fault) });
    }
    if fault.start_ms >= load_ms {
        return Err(ScheduleError::StartsTooLate { fault: name(fault), start_ms: fault.start_ms, load_ms });
    }
    if end_ms > load_ms {
        return Err(ScheduleError::EndsTooLate { fault: name(fault), end_ms, load_ms });
    }
    Ok(())
}

fn check_overlap(faults: &[Fault]) -> Result<(), ScheduleError> {
    let takes_queue = |fault: &Fault| find_fault(&fault.fault).is_ok_and(FaultKind::takes_the_links_queue);
    let queued: Vec<&Fault> = faults.iter().filter(|fault| takes_queue(fault)).collect();
    for pair in queued.windows(2) {
        if pair[0].start_ms + pair[0].duration_ms > pair[1].start_ms {
            return Err(ScheduleError::Overlap { first: name(pair[0]), second: name(pair[1]) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Defaults, ScheduleError, plan_load};
    use crate::request::FaultRequest;

    const KAFKA: Defaults =
        Defaults { baseline_ms: 4_000, after_heal_ms: 5_000, detection_ms: 11_000, session_timeout_ms: 45_000 };

    fn plan(faults: &str, duration_ms: Option<u64>) -> Result<super::LoadPlan, ScheduleError> {
        plan_load(&FaultRequest::parse_list(faults).unwrap(), duration_ms, KAFKA)
    }

    #[test]
    fn a_fault_without_times_outlasts_detection() {
        let planned = plan("netsplit", None).unwrap();
        assert_eq!((planned.faults[0].start_ms, planned.faults[0].duration_ms), (4_000, 15_000));
        assert_eq!(planned.load_ms, 24_000);
    }

    #[test]
    fn times_that_were_given_are_kept() {
        let planned = plan("netsplit@2s+1s", Some(6_000)).unwrap();
        assert_eq!((planned.faults[0].start_ms, planned.faults[0].duration_ms, planned.load_ms), (2_000, 1_000, 6_000));
    }

    #[test]
    fn what_would_not_be_seen_is_refused() {
        assert!(matches!(plan("netsplit@9s", Some(6_000)), Err(ScheduleError::StartsTooLate { .. })));
        assert!(matches!(plan("netsplit@2s+9s", Some(6_000)), Err(ScheduleError::EndsTooLate { .. })));
        assert!(matches!(plan("netsplit@2s+0s", None), Err(ScheduleError::NoLength { .. })));
    }

    #[test]
    fn faults_overlap_unless_they_want_the_same_queue() {
        for overlapping in [
            "netsplit:leader@4s+20s,kill:leader@10s+5s",
            "netsplit:leader@4s+20s,netsplit:client@10s+5s",
            "loss=30@4s+20s,reset:clients@10s+5s",
            "bandwidth@4s+20s,netsplit@10s+5s",
        ] {
            let planned = plan(overlapping, None).unwrap();
            let starts: Vec<u64> = planned.faults.iter().map(|fault| fault.start_ms).collect();
            assert_eq!(starts, [4_000, 10_000], "{overlapping}");
        }
        for refused in ["bandwidth@4s+20s,bandwidth:follower@10s+5s", "delay@4s+20s,kill@5s+1s,bandwidth@10s+5s"] {
            let told = plan(refused, None).unwrap_err();
            assert!(matches!(told, ScheduleError::Overlap { .. }) && told.to_string().contains("one queue"), "{told}");
        }
        assert!(plan("delay@4s+5s,bandwidth@9s+5s", None).is_ok());
    }

    #[test]
    fn clients_are_down_for_as_long_as_it_takes_to_tell() {
        let lengths = |faults: &str| plan(faults, None).unwrap().faults[0].duration_ms;
        assert_eq!(lengths("kill:leader"), 15_000);
        assert_eq!(lengths("kill:consumer"), 3_000);
        assert_eq!(lengths("pause:consumer"), 49_000, "beyond the session time-out");
        let again = plan("kill:consumer@5s+1s*3", None).unwrap();
        let starts: Vec<u64> = again.faults.iter().map(|fault| fault.start_ms).collect();
        assert_eq!(starts, [5_000, 9_000, 13_000]);
    }

    #[test]
    fn no_fault_is_a_plain_load() {
        assert_eq!(plan("none", None).unwrap().load_ms, 10_000);
    }
}
