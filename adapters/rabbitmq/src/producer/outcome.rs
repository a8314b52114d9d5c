//! From lapin's confirms to outcomes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use delivery_broker::{Decoded, MessageId, Reason, SendOutcome, decode};
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use futures::task::{ArcWake, waker};
use lapin::Confirmation;

/// A confirm that came in, or will not.
pub(super) type Confirmed = (MessageId, lapin::Result<Confirmation>);

/// Messages the broker handed back, whose own confirm has not come in yet.
#[derive(Debug, Default)]
pub(super) struct Returned {
    ids: HashSet<(u32, u32)>,
}

impl Returned {
    /// Takes note of what a confirm carries. lapin hands a returned message to whichever confirm it settles next,
    /// which need not be the message's own: only its payload says which one it is.
    pub(super) fn note(&mut self, confirmed: &Confirmed, run_tag: u64) {
        let (Ok(Confirmation::Ack(Some(message))) | Ok(Confirmation::Nack(Some(message)))) = &confirmed.1 else {
            return;
        };
        if let Decoded::Message { id, .. } = decode(&message.delivery.data, run_tag) {
            self.ids.insert((id.session, id.sequence));
        }
    }

    /// What became of a send.
    pub(super) fn outcome(&mut self, confirmed: &Confirmed, by_node: u32) -> SendOutcome {
        let id = confirmed.0;
        let returned = self.ids.remove(&(id.session, id.sequence));
        match &confirmed.1 {
            Ok(Confirmation::Ack(_) | Confirmation::Nack(_)) if returned => SendOutcome::NotAcked(Reason::Returned),
            Ok(Confirmation::Ack(_)) => SendOutcome::Acked { offset: None, by_node: Some(by_node) },
            Ok(Confirmation::Nack(_)) => SendOutcome::NotAcked(Reason::Nack),
            Ok(Confirmation::NotRequested) => SendOutcome::Sent,
            Err(_) => SendOutcome::NotAcked(Reason::Transport),
        }
    }
}

struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::SeqCst);
    }
}

/// Everything that is ready now. The set gives way to others now and then, and then wakes its own waker: that is
/// told from having nothing ready.
pub(super) fn take_ready<F>(waiting: &mut FuturesUnordered<F>, done: &mut Vec<F::Output>)
where
    F: Future,
    FuturesUnordered<F>: Stream<Item = F::Output> + Unpin,
{
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = waker(Arc::clone(&woken));
    loop {
        woken.0.store(false, Ordering::SeqCst);
        match waiting.poll_next_unpin(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(output)) => done.push(output),
            Poll::Ready(None) => return,
            Poll::Pending if woken.0.load(Ordering::SeqCst) => {}
            Poll::Pending => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::{MessageId, Reason, SendOutcome, encode};
    use futures::future::{Either, pending, ready};
    use futures::stream::FuturesUnordered;
    use lapin::Confirmation;
    use lapin::message::BasicReturnMessage;

    use super::{Returned, take_ready};

    const RUN: u64 = 7;

    fn id(sequence: u32) -> MessageId {
        MessageId { session: 3, sequence }
    }

    fn returned(sequence: u32) -> BasicReturnMessage {
        let mut payload = Vec::new();
        encode(&mut payload, RUN, id(sequence), 0, 64);
        let delivery = lapin::message::Delivery::mock(1, "".into(), "".into(), false, payload);
        BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
    }

    #[test]
    fn a_return_is_the_message_it_carries_and_not_the_confirm_it_came_with() {
        let mut known = Returned::default();
        let confirms = [
            (id(0), Ok(Confirmation::Ack(None))),
            (id(1), Ok(Confirmation::Ack(Some(returned(2))))),
            (id(2), Ok(Confirmation::Ack(None))),
            (id(3), Ok(Confirmation::Nack(None))),
        ];
        for confirmed in &confirms {
            known.note(confirmed, RUN);
        }
        let outcomes: Vec<SendOutcome> = confirms.iter().map(|confirmed| known.outcome(confirmed, 2)).collect();
        let acked = SendOutcome::Acked { offset: None, by_node: Some(2) };
        let not = SendOutcome::NotAcked;
        assert_eq!(outcomes, [acked, acked, not(Reason::Returned), not(Reason::Nack)]);
    }

    #[test]
    fn everything_ready_is_taken_in_one_go() {
        let mut waiting: FuturesUnordered<_> =
            (0..500).map(|n| if n % 5 == 0 { Either::Left(pending()) } else { Either::Right(ready(n)) }).collect();
        let mut done = Vec::new();
        take_ready(&mut waiting, &mut done);
        assert_eq!((done.len(), waiting.len()), (400, 100));
    }
}
