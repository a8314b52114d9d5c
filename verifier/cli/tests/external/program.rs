//! A test program without the standard harness: namespaces are made before any thread starts, and its cases share one stage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use delivery_broker::{InstallRequest, Installation, NodeSpec, RealSystem, System};
use delivery_cluster::enclosure::enclose;

use super::stage::{Product, Stage};
use crate::common::can_run;

/// A case and its name.
pub(crate) type Case = (&'static str, fn(&mut Stage));

/// Plays the cases the command line asks for on the `nodes` of a system.
pub(crate) fn main(
    system: &(impl System + RealSystem),
    product: &'static Product,
    nodes: fn(&Installation, &Path) -> Vec<NodeSpec>,
    cases: &[Case],
) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |case: &&Case| words.is_empty() || words.iter().any(|word| case.0.contains(word));
    let cases: Vec<&Case> = cases.iter().filter(wanted).collect();
    if std::env::args().any(|word| word == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if cases.is_empty() || !can_run(system.info().name) {
        return ExitCode::SUCCESS;
    }
    let request = InstallRequest { cache_dir: delivery_verifier::run::cache_dir(), ..InstallRequest::default() };
    let installation = system.install(&request, &mut |line| println!("{line}")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let failed = enclose(|| {
        let mut stage = Stage::start(product, &nodes(&installation, directory.path()), directory.path());
        (product.settle)(&mut stage);
        cases.iter().map(|case| play(&mut stage, case)).sum()
    });
    let failed: i32 = failed.unwrap();
    println!("{} cases, {failed} failed", cases.len());
    ExitCode::from(u8::from(failed > 0))
}

/// How many failed of the one.
fn play(stage: &mut Stage, (name, case): &Case) -> i32 {
    let passed = catch_unwind(AssertUnwindSafe(|| case(stage))).is_ok();
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    stage.heal();
    (stage.lies, stage.hangs) = (false, false);
    i32::from(!passed)
}
