//! The worker that reads and writes in transactions, until it is told to finish.

use std::collections::BTreeSet;
use std::time::Duration;

use delivery_workloads::{TransformLoop, TransformPlan, WorkloadError};

use crate::real::protocol::{Command, Report, TransformJob};
use crate::real::worker::{Bench, report};

/// Longest wait for the next message.
const WAIT: Duration = Duration::from_millis(20);

/// Transforms. What it has in flight is a transaction's, which ends by itself: there is nothing to flush.
pub(crate) fn transform(bench: &mut Bench<'_>, job: TransformJob) -> Result<(), WorkloadError> {
    let mut transactor = bench.system.transactor(&bench.spec.client)?;
    let mut working = TransformLoop::new(TransformPlan {
        worker: bench.spec.worker,
        run_tag: bench.spec.client.run_tag,
        size_bytes: job.size_bytes as usize,
        outputs: job.outputs,
        sentinels: job.sentinels,
        abort_permille: job.abort_permille,
        max_messages: job.max_messages,
        max_ns: job.max_ms * 1_000_000,
        seed: job.seed,
    });
    let mut is_ready = false;
    let (mut positioned, mut drained) = (BTreeSet::new(), BTreeSet::new());
    loop {
        match bench.command() {
            Some(Command::Flush { .. }) => report(&Report::Flushed { purged: 0 }),
            Some(Command::Finish) => return working.finish(transactor.as_mut(), &mut bench.recorder),
            _ => {}
        }
        working.step(transactor.as_mut(), &mut bench.recorder, WAIT)?;
        if !is_ready && working.is_working() {
            is_ready = true;
            report(&Report::Ready);
        }
        if *working.positioned() != positioned {
            positioned.clone_from(working.positioned());
            report(&Report::Positioned { destinations: positioned.clone() });
        }
        if *working.drained() != drained {
            drained.clone_from(working.drained());
            report(&Report::Drained { destinations: drained.clone() });
        }
    }
}
