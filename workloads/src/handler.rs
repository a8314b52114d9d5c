//! The application's handler: what stands between a delivery and its settle.

use std::collections::BTreeMap;
use std::time::Duration;

use delivery_broker::{Decoded, Delivery};

/// How a handler treats messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handler {
    /// How long it takes over one message.
    pub processing: Duration,
    /// Sequence of the message of a first producer session that it never gets done with: it hangs until its process dies.
    pub poison: Option<u32>,
}

/// How long a lane's consumers work on each message (`consumer.processing.ms`).
pub fn processing(config: &BTreeMap<String, String>) -> Duration {
    let processing_ms = config.get("consumer.processing.ms").and_then(|value| value.parse().ok());
    Duration::from_millis(processing_ms.unwrap_or(0))
}

impl Handler {
    /// As a lane's settings say (`consumer.processing.ms`, `consumer.poison`).
    pub fn of(config: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| config.get(name).and_then(|value| value.parse::<u64>().ok());
        Self {
            processing: processing(config),
            poison: number("consumer.poison").and_then(|sequence| u32::try_from(sequence).ok()),
        }
    }

    /// Whether it takes any time at all over a message: then commands are looked at after each.
    pub fn is_slow(&self) -> bool {
        !self.processing.is_zero() || self.poison.is_some()
    }

    /// Works on a message; false when it hangs.
    pub fn handle(&self, delivery: &Delivery) -> bool {
        if self.is_poison(delivery) {
            return false;
        }
        if !self.processing.is_zero() {
            std::thread::sleep(self.processing);
        }
        true
    }

    fn is_poison(&self, delivery: &Delivery) -> bool {
        let Decoded::Message { id, .. } = delivery.payload else { return false };
        id.session & 0xffff == 0 && self.poison == Some(id.sequence)
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::MessageId;

    use super::*;

    fn delivery(session: u32, sequence: u32) -> Delivery {
        let payload = Decoded::Message { id: MessageId { session, sequence }, key: 0 };
        Delivery { destination: 0, offset: 1, payload, redelivered: false }
    }

    #[test]
    fn only_the_poison_of_a_first_session_hangs_it() {
        let config = BTreeMap::from([(String::from("consumer.poison"), String::from("7"))]);
        let handler = Handler::of(&config);
        assert!(handler.is_slow());
        assert!(!handler.handle(&delivery(3 << 16, 7)));
        assert!(handler.handle(&delivery(3 << 16, 8)));
        assert!(handler.handle(&delivery((3 << 16) + 1, 7)), "a later session's messages are others");
        assert!(!Handler::of(&BTreeMap::new()).is_slow());
    }
}
