//! Versions of Apache Kafka this program can run.

use std::fmt;

use delivery_broker::ConfigError;

/// The version that runs where none is asked for.
pub(crate) const DEFAULT_VERSION: &str = "4.1.1";

/// The first version whose KRaft mode is meant for production.
const OLDEST: Version = Version { major: 3, minor: 3, patch: 1 };

/// Releases, to suggest one when a version does not exist.
const RELEASES: &[&str] = &[
    "3.3.1", "3.3.2", "3.4.0", "3.4.1", "3.5.0", "3.5.1", "3.5.2", "3.6.0", "3.6.1", "3.6.2", "3.7.0", "3.7.1",
    "3.7.2", "3.8.0", "3.8.1", "3.9.0", "3.9.1", "4.0.0", "4.0.1", "4.1.0", "4.1.1",
];

/// A release of Apache Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// Reads `4.1.1`; a suffix (`-rc1`, of a distribution's file) is left aside.
    ///
    /// # Errors
    /// It is no version, or one that cannot run in KRaft mode.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: String| ConfigError::Invalid {
            setting: String::from("--broker-version"),
            value: text.to_owned(),
            reason,
        };
        let malformed = || invalid(format!("a release of Apache Kafka is needed, as in {DEFAULT_VERSION}"));
        let numbers = text.split('-').next().unwrap_or_default();
        let parts: Vec<Option<u32>> = numbers.split('.').map(number).collect();
        let [Some(major), Some(minor), Some(patch)] = parts[..] else { return Err(malformed()) };
        let version = Self { major, minor, patch };
        if version < OLDEST {
            return Err(invalid(format!("KRaft mode is needed: {OLDEST} or later")));
        }
        Ok(version)
    }

    /// The error for a version nobody has released.
    pub(crate) fn unreleased(self) -> ConfigError {
        ConfigError::unknown("version", &self.to_string(), RELEASES.iter().copied())
    }

    /// The oldest Java that runs it.
    pub(crate) fn oldest_java(self) -> u32 {
        if self.major >= 4 { 17 } else { 11 }
    }

    /// Has the group protocol of KIP-848.
    pub(crate) fn has_new_groups(self) -> bool {
        self.major >= 4
    }

    /// Logs through log4j 2 (4.0 and later) or through log4j 1's successor.
    pub(crate) fn logs_with_log4j2(self) -> bool {
        self.major >= 4
    }
}

/// Digits only: `u32::from_str` takes a sign as well.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DEFAULT_VERSION, RELEASES, Version};

    #[test]
    fn releases_are_taken() {
        for release in RELEASES.iter().chain([&DEFAULT_VERSION]) {
            assert_eq!(Version::parse(release).unwrap().to_string(), **release);
        }
        assert_eq!(Version::parse("4.0.0").unwrap().oldest_java(), 17);
        assert_eq!(Version::parse("3.9.1").unwrap().oldest_java(), 11);
        assert_eq!(Version::parse("4.2.0-rc1").unwrap().to_string(), "4.2.0");
    }

    #[test]
    fn what_is_no_version_or_too_old_is_refused() {
        for text in ["", "4", "4.1", "4.1.x", "latest", "v4.1.1", "4.1.1.1", "+4.1.1", "4..1", "99999999999.0.0"] {
            let error = Version::parse(text).unwrap_err().to_string();
            assert!(error.contains("as in 4.1.1"), "{text}: {error}");
        }
        for text in ["3.3.0", "2.8.2", "0.0.0"] {
            let error = Version::parse(text).unwrap_err().to_string();
            assert!(error.contains("3.3.1 or later"), "{text}: {error}");
        }
    }

    #[test]
    fn an_unreleased_version_gets_the_nearest() {
        let error = Version::parse("4.1.9").unwrap().unreleased().to_string();
        assert!(error.starts_with("there is no version `4.1.9`; nearest: 4.1."), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_or_an_error(text: String) {
            if let Ok(version) = Version::parse(&text) {
                prop_assert!(version >= super::OLDEST);
            }
        }
    }
}
