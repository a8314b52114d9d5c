//! Answers that are held back: a disk that takes its time.
//!
//! What was asked for is done at once, and only its answer waits. Whoever asked waits for the answer, so no more of them
//! are held than requests the kernel has under way.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Something to be said later.
type Answer = Box<dyn FnOnce() + Send>;

/// How slow a disk is, and what it has not answered yet.
#[derive(Default)]
pub(super) struct Slowness {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    delay: Duration,
    jitter: Duration,
    /// By when they are due, and by the order they came in.
    held: BTreeMap<(Instant, u64), Answer>,
    came: u64,
    /// Answers that waited as long as they were to.
    held_up: u64,
    ended: bool,
}

impl State {
    /// From the delay less its jitter to the delay and its jitter, each as likely.
    fn draw(&self) -> Duration {
        let spread_us = u64::try_from(2 * self.jitter.as_micros()).unwrap_or(u64::MAX);
        self.delay - self.jitter + Duration::from_micros(fastrand::u64(0..=spread_us))
    }
}

impl Slowness {
    /// A disk that is not slow, and the thread that answers once it is.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let slowness = Arc::new(Self::default());
        let answering = Arc::clone(&slowness);
        let builder = std::thread::Builder::new().name(String::from("slow-disk"));
        let thread = builder.spawn(move || answering.answer_all())?;
        Ok((slowness, thread))
    }

    /// Holds back every answer from now on for this long, give or take the jitter; zero lets go of those that are held.
    pub(super) fn set(&self, delay: Duration, jitter: Duration) {
        let mut state = self.state();
        (state.delay, state.jitter) = (delay, jitter.min(delay));
        drop(state);
        self.changed.notify_all();
    }

    /// Answers that waited as long as they were to so far.
    pub(super) fn held_up(&self) -> u64 {
        self.state().held_up
    }

    /// Says it now, or once it is time.
    pub(super) fn answer(&self, say: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.ended || (state.delay.is_zero() && state.held.is_empty()) {
            drop(state);
            return say();
        }
        let due = Instant::now() + state.draw();
        state.came += 1;
        let came = state.came;
        state.held.insert((due, came), Box::new(say));
        self.changed.notify_all();
    }

    /// Says everything that is left, and ends the thread.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn answer_all(&self) {
        let mut state = self.state();
        loop {
            let Some((due, _)) = state.held.first_key_value().map(|(key, _)| *key) else {
                if state.ended {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            let lets_go = state.ended || state.delay.is_zero();
            if !lets_go && !left.is_zero() {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.held_up += u64::from(!lets_go);
            let answer = state.held.pop_first();
            drop(state);
            if let Some((_, say)) = answer {
                say();
            }
            state = self.state();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn answered(slowness: &Slowness, count: u32) -> Receiver<u32> {
        let (said, heard) = channel();
        for number in 0..count {
            let said = said.clone();
            slowness.answer(move || said.send(number).unwrap());
        }
        heard
    }

    #[test]
    fn answers_wait_for_their_time_in_order_and_are_counted() {
        let (slowness, thread) = Slowness::start().unwrap();
        assert_eq!(answered(&slowness, 3).try_iter().count(), 3, "a disk that is not slow answers at once");
        slowness.set(Duration::from_millis(30), Duration::ZERO);
        let asked = Instant::now();
        let heard: Vec<u32> = answered(&slowness, 3).iter().collect();
        assert_eq!((heard, slowness.held_up()), (vec![0, 1, 2], 3));
        assert!(asked.elapsed() >= Duration::from_millis(30));
        slowness.end();
        thread.join().unwrap();
    }

    #[test]
    fn a_disk_that_is_slow_no_more_lets_go_of_what_it_held() {
        let (slowness, thread) = Slowness::start().unwrap();
        slowness.set(Duration::from_secs(3_600), Duration::from_secs(1));
        let heard = answered(&slowness, 2);
        slowness.set(Duration::ZERO, Duration::ZERO);
        assert_eq!(heard.iter().count(), 2);
        slowness.set(Duration::from_secs(3_600), Duration::from_secs(1));
        let heard = answered(&slowness, 2);
        slowness.end();
        assert_eq!(heard.iter().count(), 2, "nobody waits for a disk that has ended");
        thread.join().unwrap();
        assert_eq!(slowness.held_up(), 0);
    }
}
