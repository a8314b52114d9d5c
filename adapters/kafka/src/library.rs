//! What planning asks of the client library. Only Linux has it built in, and only there are its clients needed.

#[cfg(target_os = "linux")]
pub(crate) use built_in::{name, refusal};

/// The library, without a version.
#[cfg(not(target_os = "linux"))]
pub(crate) fn name() -> String {
    String::from("librdkafka")
}

/// Nobody is there to ask.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refusal(_name: &str, _value: &str) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
mod built_in {
    use rdkafka::ClientConfig;
    use rdkafka::error::KafkaError;

    /// `librdkafka 2.12.1`.
    pub(crate) fn name() -> String {
        format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1)
    }

    /// Why a property does not take a value, in librdkafka's words; nothing where it does.
    pub(crate) fn refusal(name: &str, value: &str) -> Option<String> {
        let mut config = ClientConfig::new();
        config.set(name, value);
        match config.create_native_config().err()? {
            KafkaError::ClientConfig(_, words, _, _) => Some(words),
            other => Some(other.to_string()),
        }
    }
}
