//! Answers that are held back: a disk that takes its time.
//!
//! What was asked for is done at once, and only its answer waits. Whoever asked waits for the answer, so no more of them
//! are held than requests the kernel has under way.

use std::collections::VecDeque;
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
    /// In the order they came, with when.
    held: VecDeque<(Instant, Answer)>,
    /// Answers that waited as long as they were to.
    held_up: u64,
    ended: bool,
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

    /// Holds back every answer from now on for this long; zero lets go of those that are held.
    pub(super) fn set(&self, delay: Duration) {
        self.state().delay = delay;
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
        state.held.push_back((Instant::now(), Box::new(say)));
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
            let Some((came, _)) = state.held.front() else {
                if state.ended {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = came.elapsed();
            let lets_go = state.ended || state.delay.is_zero();
            if !lets_go && waited < state.delay {
                let left = state.delay - waited;
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.held_up += u64::from(!lets_go);
            let answer = state.held.pop_front();
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
        slowness.set(Duration::from_millis(30));
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
        slowness.set(Duration::from_secs(3_600));
        let heard = answered(&slowness, 2);
        slowness.set(Duration::ZERO);
        assert_eq!(heard.iter().collect::<Vec<_>>(), [0, 1]);
        slowness.set(Duration::from_secs(3_600));
        let heard = answered(&slowness, 2);
        slowness.end();
        assert_eq!(heard.iter().collect::<Vec<_>>(), [0, 1], "nobody waits for a disk that has ended");
        thread.join().unwrap();
        assert_eq!(slowness.held_up(), 0);
    }
}
