//! From the attempts of a cell to what it comes to.

use delivery_journal::{Attempt, Cause, CellResult, CellStatus, Comparison, Window};

use crate::expectation::{Expectation, Seen};
use crate::statistics::clopper_pearson;

/// What to do after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This repetition is done.
    Done,
    /// Run it again, alone.
    Again(Cause),
}

/// What to do after the attempts of one repetition of a cell, in their order.
pub fn next(attempts: &[&Attempt], retries: u32) -> Next {
    let Some(last) = attempts.last() else { return Next::Again(Cause::Due) };
    let tried = |cause: Cause| attempts.iter().filter(|attempt| attempt.cause == cause).count();
    match last.comparison {
        Comparison::Surprising if tried(Cause::Surprise) == 0 => Next::Again(Cause::Surprise),
        Comparison::Inconclusive | Comparison::NotExpected
            if last.saturated && !last.alone && tried(Cause::Saturated) == 0 =>
        {
            Next::Again(Cause::Saturated)
        }
        Comparison::Inconclusive if tried(Cause::Retry) < retries as usize => Next::Again(Cause::Retry),
        _ => Next::Done,
    }
}

/// What one expectation comes to over all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Agreed,
    Open,
    Surprising,
}

/// What a cell comes to over all its attempts, in their order.
pub fn settle(name: &str, expected: &[Expectation], attempts: &[&Attempt]) -> CellResult {
    let status = status(expected, attempts);
    let deciding = deciding(attempts, status);
    let mut reasons = Vec::new();
    if status != CellStatus::Agreed {
        for reason in deciding.iter().flat_map(|attempt| &attempt.reasons) {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
    }
    CellResult {
        cell: name.to_owned(),
        status,
        runs: deciding.iter().filter_map(|attempt| attempt.run.clone()).collect(),
        windows: expected.iter().map(|expectation| window(expectation, attempts)).collect(),
        reasons,
    }
}

fn status(expected: &[Expectation], attempts: &[&Attempt]) -> CellStatus {
    if expected.is_empty() {
        let judged = attempts.iter().any(|attempt| attempt.observed.is_some());
        return if judged { CellStatus::Judged } else { CellStatus::Inconclusive };
    }
    let worst = expected.iter().map(|expectation| outcome(expectation, attempts)).max();
    match worst {
        Some(Outcome::Agreed) => CellStatus::Agreed,
        Some(Outcome::Surprising) => CellStatus::Surprising,
        Some(Outcome::Open) | None => CellStatus::Inconclusive,
    }
}

/// What was seen of an expectation, by attempt.
fn seen(expectation: &Expectation, attempts: &[&Attempt]) -> Vec<(u32, Seen)> {
    let judged = attempts.iter().filter_map(|attempt| Some((attempt.repetition, attempt.observed.as_ref()?)));
    judged.map(|(repetition, observed)| (repetition, expectation.seen(observed))).collect()
}

fn outcome(expectation: &Expectation, attempts: &[&Attempt]) -> Outcome {
    let mut seen = seen(expectation, attempts);
    if !expectation.is_settled_by_one() && !expectation.is_refuted_by_one() {
        // Nothing but the run itself stands for it: in each repetition the last run that shows anything counts.
        seen = last_of_each(seen);
    }
    let expected = seen.iter().any(|(_, seen)| *seen == Seen::Expected);
    let other = seen.iter().any(|(_, seen)| matches!(seen, Seen::Other(_)));
    match (expected, other) {
        (true, true) if expectation.is_settled_by_one() => Outcome::Agreed,
        (_, true) => Outcome::Surprising,
        (true, false) => Outcome::Agreed,
        (false, false) => Outcome::Open,
    }
}

fn last_of_each(seen: Vec<(u32, Seen)>) -> Vec<(u32, Seen)> {
    let mut last: Vec<(u32, Seen)> = Vec::new();
    for (repetition, seen) in seen.into_iter().filter(|(_, seen)| *seen != Seen::Open) {
        last.retain(|(known, _)| *known != repetition);
        last.push((repetition, seen));
    }
    last
}

fn window(expectation: &Expectation, attempts: &[&Attempt]) -> Window {
    let seen = seen(expectation, attempts);
    let count = |wanted: fn(&Seen) -> bool| seen.iter().filter(|(_, seen)| wanted(seen)).count() as u32;
    let shown = count(|seen| *seen == Seen::Expected);
    let of = shown + count(|seen| matches!(seen, Seen::Other(_)));
    let (low, high) = clopper_pearson(shown, of);
    Window {
        subject: expectation.subject.name().to_owned(),
        value: expectation.values.join(" or "),
        shown,
        of,
        low,
        high,
    }
}

/// Of each repetition the last attempt that shows what the cell comes to; where none does, the last.
fn deciding<'a>(attempts: &[&'a Attempt], status: CellStatus) -> Vec<&'a Attempt> {
    let shows = |attempt: &Attempt| match status {
        CellStatus::Agreed => attempt.comparison == Comparison::Agreed,
        CellStatus::Surprising => attempt.comparison == Comparison::Surprising,
        CellStatus::Inconclusive => attempt.comparison == Comparison::Inconclusive,
        CellStatus::Judged | CellStatus::NotRun => attempt.observed.is_some(),
    };
    let mut repetitions: Vec<u32> = attempts.iter().map(|attempt| attempt.repetition).collect();
    repetitions.sort_unstable();
    repetitions.dedup();
    let of = |repetition: u32| {
        let of_it = || attempts.iter().copied().filter(move |attempt| attempt.repetition == repetition);
        of_it().rfind(|attempt| shows(attempt)).or_else(|| of_it().next_back())
    };
    repetitions.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use delivery_checks::judgement::{Guarantee, Verdict};
    use delivery_claims::{Overall, Standing};
    use delivery_journal::{Attempt, Cause, CellStatus, Comparison, Observed};

    use super::{Next, next, settle};
    use crate::expectation::{Expectation, compare};

    fn expecting(name: &str, value: &str) -> Vec<Expectation> {
        vec![Expectation::parse(name, &[value.to_owned()]).expect("it is one")]
    }

    /// A run of this repetition, made for this cause, that showed this of durability (and this label).
    fn attempt(expected: &[Expectation], repetition: u32, cause: Cause, seen: (Verdict, &str)) -> Attempt {
        let observed = Observed {
            verdict: Overall::NotJudged,
            standing: Standing::Held,
            label: seen.1.to_owned(),
            guarantees: BTreeMap::from([(Guarantee::Durability, seen.0)]),
            findings: BTreeMap::new(),
            sent: 10,
            acked: 10,
        };
        let (comparison, reasons) = compare(expected, &observed, |_| String::new());
        Attempt {
            cell: String::from("c"),
            repetition,
            attempt: 1,
            cause,
            run: Some(format!("runs/{repetition}-{cause:?}")),
            alone: cause != Cause::Due,
            saturated: false,
            observed: Some(observed),
            comparison,
            reasons,
            took_ms: 1,
            at: String::new(),
        }
    }

    fn come_to(expected: &[Expectation], attempts: &[Attempt]) -> (CellStatus, Vec<(u32, u32)>) {
        let attempts: Vec<&Attempt> = attempts.iter().collect();
        let result = settle("c", expected, &attempts);
        (result.status, result.windows.iter().map(|window| (window.shown, window.of)).collect())
    }

    const LOST: (Verdict, &str) = (Verdict::Violated, "neither");
    const KEPT: (Verdict, &str) = (Verdict::Holds, "CP");
    const OPEN: (Verdict, &str) = (Verdict::Inconclusive, "not shown");

    #[test]
    fn a_promise_is_refuted_by_one_run_whatever_the_others_show() {
        let expected = expecting("durability", "holds");
        let of = |seen: &[(u32, Cause, (Verdict, &str))]| -> Vec<Attempt> {
            seen.iter().map(|(repetition, cause, seen)| attempt(&expected, *repetition, *cause, *seen)).collect()
        };
        assert_eq!(come_to(&expected, &of(&[(1, Cause::Due, KEPT)])), (CellStatus::Agreed, vec![(1, 1)]));
        let refuted = of(&[(1, Cause::Due, LOST), (1, Cause::Surprise, KEPT), (2, Cause::Due, KEPT)]);
        assert_eq!(come_to(&expected, &refuted), (CellStatus::Surprising, vec![(2, 3)]));
        assert_eq!(come_to(&expected, &of(&[(1, Cause::Due, OPEN)])), (CellStatus::Inconclusive, vec![(0, 0)]));
        let partly = of(&[(1, Cause::Due, OPEN), (2, Cause::Due, KEPT)]);
        assert_eq!(come_to(&expected, &partly), (CellStatus::Agreed, vec![(1, 1)]));
    }

    #[test]
    fn a_loss_is_shown_by_one_run_and_missing_only_where_none_shows_it() {
        let expected = expecting("durability", "violated");
        let shown = [attempt(&expected, 1, Cause::Due, KEPT), attempt(&expected, 2, Cause::Due, LOST)];
        assert_eq!(come_to(&expected, &shown), (CellStatus::Agreed, vec![(1, 2)]));
        let never = [attempt(&expected, 1, Cause::Due, KEPT), attempt(&expected, 1, Cause::Surprise, OPEN)];
        assert_eq!(come_to(&expected, &never), (CellStatus::Surprising, vec![(0, 1)]));
    }

    #[test]
    fn of_a_label_the_last_run_of_each_repetition_counts() {
        let expected = expecting("label", "CP");
        let calmed = [attempt(&expected, 1, Cause::Due, LOST), attempt(&expected, 1, Cause::Surprise, KEPT)];
        assert_eq!(come_to(&expected, &calmed), (CellStatus::Agreed, vec![(1, 2)]));
        let confirmed = [attempt(&expected, 1, Cause::Due, KEPT), attempt(&expected, 2, Cause::Due, LOST)];
        assert_eq!(come_to(&expected, &confirmed).0, CellStatus::Surprising);
    }

    #[test]
    fn a_result_names_the_runs_it_rests_on() {
        let expected = expecting("durability", "holds");
        let attempts = [
            attempt(&expected, 1, Cause::Due, LOST),
            attempt(&expected, 1, Cause::Surprise, KEPT),
            attempt(&expected, 2, Cause::Due, KEPT),
        ];
        let result = settle("c", &expected, &attempts.iter().collect::<Vec<_>>());
        assert_eq!(result.runs, ["runs/1-Due", "runs/2-Due"], "the one with the witness, not the one after it");
        assert_eq!(result.reasons, ["durability: expected holds, saw violated"]);
    }

    #[test]
    fn runs_are_made_again_for_a_reason_and_not_for_ever() {
        let expected = expecting("durability", "holds");
        let made = |cause, seen| attempt(&expected, 1, cause, seen);
        let then = |attempts: &[Attempt]| next(&attempts.iter().collect::<Vec<_>>(), 1);
        assert_eq!(then(&[]), Next::Again(Cause::Due));
        assert_eq!(then(&[made(Cause::Due, KEPT)]), Next::Done);
        assert_eq!(then(&[made(Cause::Due, LOST)]), Next::Again(Cause::Surprise));
        assert_eq!(then(&[made(Cause::Due, LOST), made(Cause::Surprise, LOST)]), Next::Done);
        assert_eq!(then(&[made(Cause::Due, OPEN)]), Next::Again(Cause::Retry));
        assert_eq!(then(&[made(Cause::Due, OPEN), made(Cause::Retry, OPEN)]), Next::Done);
        let saturated = Attempt { saturated: true, ..made(Cause::Due, OPEN) };
        assert_eq!(then(std::slice::from_ref(&saturated)), Next::Again(Cause::Saturated));
        let alone = Attempt { saturated: true, ..made(Cause::Saturated, OPEN) };
        assert_eq!(then(&[saturated, alone.clone()]), Next::Again(Cause::Retry));
        assert_eq!(then(&[alone, made(Cause::Retry, LOST)]), Next::Again(Cause::Surprise));
    }

    #[test]
    fn what_nothing_is_expected_of_is_judged_or_not() {
        let judged = attempt(&[], 1, Cause::Due, LOST);
        assert_eq!(judged.comparison, Comparison::NotExpected);
        assert_eq!(come_to(&[], std::slice::from_ref(&judged)).0, CellStatus::Judged);
        let nothing = Attempt { observed: None, comparison: Comparison::Inconclusive, ..judged };
        assert_eq!(come_to(&[], &[nothing]).0, CellStatus::Inconclusive);
    }
}
