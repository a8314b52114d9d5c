//! What a fault hook began is taken back on every way out, on any product. Cuts are too short to be taken for a partition,
//! which somebody would have to end, unless a case says otherwise.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::{HOOK, Run, Stage};
use crate::common::{guarantee, lane, told, verify};

/// A start that hangs, or fails, is healed at once, and proves nothing.
pub(crate) fn hangs_or_fails(stage: &mut Stage) {
    let preset = stage.product.preset;
    let failing = "sh -c 'echo no way in; test $1 = heal' hook";
    for (hook, said) in [(HOOK, "was killed"), (failing, "no way in")] {
        stage.hangs = hook == HOOK;
        let limit = ["--preset", preset, "--fault-hook-limit", "2s"];
        let ended = stage.run_with_hook("netsplit:leader@2s+2s", hook, &limit);
        let document = ended.document();
        let (verdict, reason) = guarantee(lane(&document, preset), "durability");
        assert_eq!(verdict, "inconclusive", "{document:#}");
        assert!(reason.contains("did not start") && reason.contains(said), "{reason}");
        let recorded = fs::read_to_string(ended.out.join("latest/run.json")).unwrap();
        assert!(recorded.contains("\"step\": \"heal\""), "{recorded}");
        assert!(!stage.is_cut(), "{}", ended.told());
    }
    assert!(stage.asked.is_empty(), "the second hook asks nobody");
    stage.is_tidy();
}

/// A heal that fails is tried again. One that fails again ends the run, and whoever tidies up after it tries once more.
pub(crate) fn heal_fails(stage: &mut Stage) {
    // Whether so short a cut is felt, and the run shows anything, is another matter.
    for (times, codes) in [(1, &[0, 3][..]), (2, &[3])] {
        is_healed_after(stage, times, "echo no way back && exit 1", "no way back", codes);
    }
}

/// One that hangs is ended, and tried again. The cut is long enough to be taken for a partition.
pub(crate) fn heal_hangs(stage: &mut Stage) {
    is_healed_after(stage, 1, "exec sleep 600", "was killed", &[0, 3]);
}

/// The heal goes wrong so many `times`, of which it is `told`; the next call of it works.
fn is_healed_after(stage: &mut Stage, times: usize, how: &str, told: &str, codes: &[i32]) {
    let tried = stage.write("tried", "");
    let is_tried = format!("[ $1 = heal ] && [ $(wc -l < {tried}) -lt {times} ] && echo once more >> {tried}");
    let hook = format!("sh -c '{is_tried} && {how}; exec {HOOK} \"$@\"' hook");
    let limit = ["--preset", stage.product.preset, "--fault-hook-limit", "15s"];
    let ended = stage.run_with_hook("netsplit:leader@2s+2s", &hook, &limit);
    assert!(ended.code.is_some_and(|code| codes.contains(&code)), "{}", ended.told());
    assert_eq!(fs::read_to_string(&tried).unwrap().lines().count(), times, "{}", ended.told());
    assert_eq!(stage.asked.len(), 2, "the heal that works is a call of its own: {:?}", stage.asked);
    assert!(!stage.is_cut(), "{}", ended.told());
    let recorded = fs::read_to_string(ended.out.join("latest/run.json")).unwrap();
    assert!(recorded.contains(told), "{recorded}");
    assert_eq!(ended.stdout.contains("did not heal netsplit:leader"), times == 2, "{}", ended.told());
    stage.is_tidy();
}

/// `kill -9` of `verify`, while the fault is on, and while the call that begins it has not come back.
pub(crate) fn killed(stage: &mut Stage) {
    for hangs in [false, true] {
        stage.hangs = hangs;
        let preset = ["--preset", stage.product.preset, "--fault-hook-limit", "200s"];
        let mut run = stage.begin_with_hook("netsplit:leader@2s+60s", HOOK, &preset);
        stage.watch(&run, "the fault is on", |stage, _| stage.is_cut());
        interrupt(&run, Signal::SIGKILL);
        run.child.wait().unwrap();
        stage.watch(&run, "it is healed", |stage, _| !stage.is_cut());
        stage.watch(&run, "everything is taken away", |stage, _| stage.notes() == 0);
        stage.is_tidy();
        let check = verify().arg("check").arg(run.out.join("latest")).arg("--json").output().unwrap();
        assert_eq!(check.status.code(), Some(3), "{}", told(&check));
    }
}

/// Ctrl-C.
pub(crate) fn interrupted(stage: &mut Stage) {
    let preset = ["--preset", stage.product.preset];
    let run = stage.begin_with_hook("netsplit:leader@2s+120s", HOOK, &preset);
    stage.watch(&run, "the fault is on", |stage, _| stage.is_cut());
    interrupt(&run, Signal::SIGINT);
    let ended = stage.finish(run, |_| ());
    assert!(!stage.is_cut(), "{}", ended.told());
    assert_eq!(ended.document()["run"]["status"]["status"], "finished", "{}", ended.told());
    stage.is_tidy();
}

fn interrupt(run: &Run, signal: Signal) {
    kill(Pid::from_raw(run.child.id().cast_signed()), signal).unwrap();
}
