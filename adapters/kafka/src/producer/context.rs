//! Reports on their way from the client's thread to the workload's.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::{SendOutcome, SendReport};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use super::outcome;
use super::outstanding::{Outstanding, Pending};
use crate::client_config;
use crate::native::broker_id;

#[derive(Default)]
struct State {
    outstanding: Outstanding,
    reports: Vec<SendReport>,
}

/// Sends in flight and reports that wait to be taken.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
}

impl Inbox {
    /// Takes note of a send; nothing when `limit` of them are in flight or wait to be taken.
    pub(super) fn insert(&self, pending: Pending, limit: usize) -> Option<usize> {
        let mut state = self.lock();
        (state.outstanding.len() + state.reports.len() < limit).then(|| state.outstanding.insert(pending))
    }

    /// The client refused the send: no report follows.
    pub(super) fn forget(&self, ticket: usize) {
        self.lock().outstanding.remove(ticket);
    }

    /// Sends without a report, or whose report was not taken.
    pub(super) fn in_flight(&self) -> usize {
        let state = self.lock();
        state.outstanding.len() + state.reports.len()
    }

    /// Moves the reports that are there to `reports`, waiting for the first one.
    pub(super) fn take(&self, wait: Duration, reports: &mut Vec<SendReport>) {
        let mut state = self.lock();
        if state.reports.is_empty() && !wait.is_zero() {
            let waited = self.arrived.wait_timeout_while(state, wait, |state| state.reports.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        reports.append(&mut state.reports);
    }

    /// Waits until nothing is in flight.
    pub(super) fn wait_until_empty(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.arrived.wait_timeout_while(self.lock(), left, |state| state.outstanding.len() > 0);
        drop(waited);
    }

    /// What is still in flight; a report that comes later is nobody's.
    pub(super) fn give_up(&self) -> Vec<Pending> {
        self.lock().outstanding.drain()
    }

    fn report(&self, ticket: usize, outcome: SendOutcome) {
        let mut state = self.lock();
        let Some(Pending { id, destination }) = state.outstanding.remove(ticket) else { return };
        state.reports.push(SendReport { id, destination, outcome });
        let wake = state.reports.len() == 1 || state.outstanding.len() == 0;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// A panic elsewhere leaves the lists as they were: every change is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client calls back.
pub(crate) struct Context {
    name: String,
    acknowledged: bool,
    /// A larger payload fits no batch the topic takes; nothing where it might (compression).
    never_fits_bytes: Option<usize>,
    inbox: Arc<Inbox>,
}

impl Context {
    /// For a producer that waits for acknowledgements, or not.
    pub(super) fn new(name: String, acknowledged: bool, never_fits_bytes: Option<usize>, inbox: Arc<Inbox>) -> Self {
        Self { name, acknowledged, never_fits_bytes, inbox }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_config::log(&self.name, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_config::log(&self.name, RDKafkaLogLevel::Warning, "ERROR", &format!("{error}: {reason}"));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let outcome = match result {
            Ok(message) => outcome::delivered(self.acknowledged, message.offset(), broker_id(message)),
            Err((error, message)) => {
                let never_fits = self.never_fits_bytes.is_some_and(|limit| message.payload_len() > limit);
                SendOutcome::NotAcked(outcome::not_delivered(error, never_fits))
            }
        };
        self.inbox.report(ticket, outcome);
    }
}
