//! Faults that a command of the user's injected: its word counts for nothing.

mod common;

use common::*;
use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_history::manifest::{BiteProof, Fault, HookCall, HookStep};
use delivery_history::{Event, EventKind};

fn call(step: HookStep, began_ms: u64, ended_ms: u64) -> HookCall {
    let ns = |at_ms: u64| (START_MS + at_ms) * 1_000_000;
    HookCall {
        step,
        began_ns: ns(began_ms),
        ended_ns: ns(ended_ms),
        succeeded: true,
        status: String::from("exit status 0"),
        output: String::new(),
    }
}

/// A scene whose one fault, on n2 that leads, came by a command; others missed it from 9 s on.
fn hooked() -> Scene {
    let mut scene = Scene::log();
    scene.manifest.faults[0] = Fault {
        cut: Vec::new(),
        full_cut: false,
        sides: Vec::new(),
        bites_by: BiteProof::HookFelt,
        gray: true,
        hook_calls: vec![call(HookStep::Start, FAULT_MS, FAULT_MS + 200), call(HookStep::Heal, HEAL_MS - 100, HEAL_MS)],
        ..cut()
    };
    scene
        .without
        .push(|event| event.kind == EventKind::FaultDropped as u8 || event.kind == EventKind::FaultCrossed as u8);
    scene
}

fn durability(scene: &Scene) -> (Verdict, String) {
    let lane = scene.lane();
    (verdict(&lane, Guarantee::Durability), reason(&lane, Guarantee::Durability))
}

fn is_open(scene: &Scene, why: &str) {
    let (verdict, reason) = durability(scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains(why), "{reason}");
    assert!(!scene.judge().faults[0].bit);
}

#[test]
fn whom_others_missed_until_the_heal_was_hit() {
    let scene = hooked();
    assert_eq!(durability(&scene).0, Verdict::Holds, "{}", durability(&scene).1);
    let judged = scene.judge();
    let fault = &judged.faults[0];
    assert!(fault.bit && fault.noticed && fault.healed, "{fault:#?}");
    let words = "hook start: exit status 0 after 0.2 s, hook heal: exit status 0 after 0.1 s";
    assert_eq!(fault.hook.as_deref(), Some(words));
    assert_eq!(judged.lanes[0].label.observed, "not shown", "nobody counted what crossed");
}

#[test]
fn a_command_that_only_says_so_proves_nothing() {
    let mut scene = hooked();
    scene.noticed = false;
    is_open(&scene, "the fault hook said that netsplit@4s+15s was on, but neither");
}

#[test]
fn a_change_that_is_about_somebody_else_proves_nothing() {
    let mut scene = hooked();
    scene.noticed = false;
    // n3, whom nobody asked to be hit, drops out of the in-sync set by itself.
    for node in [1, 2] {
        let said = Event::new(EventKind::ObservedIsr).destination(0).detail(0b0110).message(node, 0);
        scene.extra.push((OBSERVER, at(said, TAKEOVER_MS)));
    }
    is_open(&scene, "the fault hook said");
}

#[test]
fn whom_others_missed_before_may_have_been_gone_anyhow() {
    let mut scene = hooked();
    let said = |bits: u32| Event::new(EventKind::ObservedIsr).destination(0).detail(bits).message(3, 0);
    scene.extra.push((OBSERVER, at(said(0b1010), 1_000)));
    scene.extra.push((OBSERVER, at(said(0b1110), 2_000)));
    is_open(&scene, "before netsplit@4s+15s others missed whom it was to hit already");
}

#[test]
fn who_is_back_before_the_heal_was_not_held() {
    let mut scene = hooked();
    for node in [1, 3] {
        let said = |bits: u32| Event::new(EventKind::ObservedIsr).destination(0).detail(bits).message(node, 0);
        scene.extra.push((OBSERVER, at(said(0b1010), TAKEOVER_MS)));
        scene.extra.push((OBSERVER, at(said(0b1110), TAKEOVER_MS + 3_000)));
    }
    is_open(&scene, "was back before it was healed");
    scene.manifest.faults[0].shape = String::from("flap");
    assert_eq!(durability(&scene).0, Verdict::Holds, "that comes and goes on purpose");
}

type Spoil = fn(&mut Vec<HookCall>);

#[test]
fn calls_that_went_wrong_leave_it_open() {
    let spoil: &[(Spoil, &str)] = &[
        (|calls| calls.clear(), "nobody wrote down how the fault hook was called"),
        (|calls| calls.truncate(1), "was never called to heal"),
        (|calls| fail(&mut calls[0]), "did not start netsplit@4s+15s: exit status 3 (no way in)"),
        (|calls| fail(&mut calls[1]), "did not heal netsplit@4s+15s: exit status 3 (no way in)"),
        (|calls| calls[0].ended_ns = calls[1].began_ns, "took all the time of netsplit@4s+15s"),
    ];
    for (spoil, why) in spoil {
        let mut scene = hooked();
        spoil(&mut scene.manifest.faults[0].hook_calls);
        is_open(&scene, why);
    }
}

fn fail(call: &mut HookCall) {
    call.succeeded = false;
    call.status = String::from("exit status 3");
    call.output = String::from("trying\nno way in\n");
}
