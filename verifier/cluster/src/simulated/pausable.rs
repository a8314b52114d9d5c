//! Software that can be made to stand still, as SIGSTOP does: it is not run, and what is sent to it waits in its socket.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The switch of one host, shared with its software.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    is_on: bool,
    waiting: Option<Waker>,
}

impl Pause {
    /// The software is not run from now on.
    pub(crate) fn stop(&self) {
        self.0.borrow_mut().is_on = true;
    }

    /// It is run again.
    pub(crate) fn go_on(&self) {
        let waiting = {
            let mut state = self.0.borrow_mut();
            state.is_on = false;
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Whether it stands still.
    pub(crate) fn is_on(&self) -> bool {
        self.0.borrow().is_on
    }
}

/// Runs `inner` except while its switch says otherwise.
pub(crate) struct Pausable<F> {
    inner: Pin<Box<F>>,
    pause: Pause,
}

impl<F> Pausable<F> {
    pub(crate) fn new(inner: F, pause: Pause) -> Self {
        Self { inner: Box::pin(inner), pause }
    }
}

impl<F: Future> Future for Pausable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        {
            let mut state = self.pause.0.borrow_mut();
            if state.is_on {
                state.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.inner.as_mut().poll(context)
    }
}
