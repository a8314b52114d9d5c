//! Versions of RabbitMQ, and of the Erlang/OTP they run on.

use std::fmt;

use delivery_broker::ConfigError;

/// The first release whose nodes find each other the way they are started here.
const OLDEST: Version = Version { major: 3, minor: 8, patch: 0 };

/// A release of RabbitMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// 3 or 4.
    pub(crate) major: u32,
    /// Series within it.
    pub(crate) minor: u32,
    /// Release within that.
    pub(crate) patch: u32,
}

impl Version {
    /// Reads `4.0.5`; a suffix (`-rc.1`, `+1`) is left aside.
    ///
    /// # Errors
    /// It is no version, or one too old.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: &str| ConfigError::Invalid {
            setting: String::from("--broker-version"),
            value: text.to_owned(),
            reason: reason.to_owned(),
        };
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<Option<u32>> = numbers.split('.').map(number).collect();
        let [Some(major), Some(minor), Some(patch)] = parts[..] else {
            return Err(invalid("a release of RabbitMQ is needed, as in 4.0.5"));
        };
        let version = Self { major, minor, patch };
        if version < OLDEST {
            return Err(invalid("3.8.0 or later is needed"));
        }
        Ok(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A version of Erlang/OTP, as far as compatibility goes (`25.2` of `25.2.3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Otp {
    major: u32,
    minor: u32,
}

impl Otp {
    /// Reads `25.2.3`, as the file `OTP_VERSION` has it (a final `**` marks a patched one).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().trim_end_matches('*').split(['.', '-']).map(number);
        let major = numbers.next()??;
        Some(Self { major, minor: numbers.next().unwrap_or(Some(0))? })
    }
}

impl fmt::Display for Otp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The oldest Erlang/OTP a release runs on and the newest it supports; a newest without a minor
/// number is a whole series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtpRange {
    oldest: Otp,
    newest: (u32, Option<u32>),
}

impl OtpRange {
    /// What the vendor supports for `version`; nothing is known of releases after the last row.
    pub(crate) fn of(version: Version) -> Self {
        let first = |row: &&Row| Version { major: row.0[0], minor: row.0[1], patch: row.0[2] } <= version;
        let (_, oldest, newest) = ROWS.iter().rev().find(first).unwrap_or(&ROWS[0]);
        Self { oldest: Otp { major: oldest.0, minor: oldest.1 }, newest: *newest }
    }

    /// Whether `otp` is in it.
    pub(crate) fn holds(self, otp: Otp) -> bool {
        let (major, minor) = self.newest;
        self.oldest <= otp && (otp.major, minor.map_or(0, |_| otp.minor)) <= (major, minor.unwrap_or(0))
    }
}

impl fmt::Display for OtpRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.newest;
        let minor = minor.map_or(String::from("x"), |minor| minor.to_string());
        write!(formatter, "{} to {major}.{minor}", self.oldest)
    }
}

/// First release, its oldest Erlang, its newest Erlang; they hold until the next row.
type Row = ([u32; 3], (u32, u32), (u32, Option<u32>));

/// The vendor's compatibility matrix: <https://www.rabbitmq.com/docs/which-erlang>, read in
/// November 2026. Erlang 28 is in it for 4.2.9 to 4.3.5 with the remark "for brand new clusters
/// only", which those started here are. It ends at 28.x for 4.3.6 and names 4.3.7 as the first for 29,
/// but Debian builds 4.3.6 for Erlang 29 and says that upstream's support for it is in that release
/// (changelog of its package 4.3.6-1): so it is let through.
const ROWS: &[Row] = &[
    ([3, 8, 0], (21, 3), (22, None)),
    ([3, 8, 4], (21, 3), (23, None)),
    ([3, 8, 9], (22, 3), (23, None)),
    ([3, 8, 16], (23, 2), (24, Some(2))),
    ([3, 8, 29], (23, 2), (24, Some(3))),
    ([3, 9, 0], (23, 2), (24, Some(2))),
    ([3, 9, 15], (23, 3), (24, Some(3))),
    ([3, 9, 22], (24, 2), (24, Some(3))),
    ([3, 9, 28], (24, 3), (25, Some(2))),
    ([3, 10, 0], (23, 2), (24, Some(3))),
    ([3, 10, 5], (23, 2), (25, Some(2))),
    ([3, 10, 8], (24, 2), (25, Some(2))),
    ([3, 10, 14], (24, 3), (25, Some(2))),
    ([3, 10, 19], (24, 3), (25, Some(3))),
    ([3, 11, 0], (25, 0), (25, Some(3))),
    ([3, 12, 0], (25, 0), (26, Some(0))),
    ([3, 12, 5], (25, 0), (26, Some(1))),
    ([3, 12, 10], (25, 0), (26, Some(2))),
    ([3, 13, 0], (26, 0), (26, Some(2))),
    ([4, 0, 0], (26, 2), (26, Some(2))),
    ([4, 0, 4], (26, 2), (27, None)),
    ([4, 2, 9], (27, 0), (28, None)),
    ([4, 3, 0], (26, 2), (27, None)),
    ([4, 3, 3], (27, 0), (28, None)),
    ([4, 3, 6], (27, 0), (29, None)),
];

/// Digits only: `u32::from_str` takes a sign as well.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Otp, OtpRange, ROWS, Version};

    fn range(version: &str) -> OtpRange {
        OtpRange::of(Version::parse(version).unwrap())
    }

    #[test]
    fn versions_are_read_and_others_refused() {
        assert_eq!(Version::parse("4.0.5").unwrap().to_string(), "4.0.5");
        assert_eq!(Version::parse("4.3.0-rc.1").unwrap().to_string(), "4.3.0");
        for text in ["", "4", "4.0", "v4.0.5", "latest", "4.0.5.1", "+4.0.5", "4..5"] {
            let error = Version::parse(text).unwrap_err().to_string();
            assert!(error.contains("as in 4.0.5"), "{text}: {error}");
        }
        assert!(Version::parse("3.7.28").unwrap_err().to_string().contains("3.8.0 or later"));
    }

    #[test]
    fn what_debian_ships_together_fits_together() {
        for (broker, otp) in [("3.8.9", "23.2.6"), ("3.10.8", "25.2.3"), ("4.0.5", "27.3.4"), ("4.3.6", "29.1.2")] {
            assert!(range(broker).holds(Otp::parse(otp).unwrap()), "{broker} on {otp}");
        }
    }

    #[test]
    fn what_the_vendor_excludes_is_out_of_range() {
        for (broker, otp) in [
            ("3.8.9", "24.0"),
            ("3.8.9", "22.2.8"),
            ("3.10.8", "24.1.7"),
            ("3.10.8", "25.3"),
            ("3.10.8", "27.3.4"),
            ("3.13.7", "25.3.2"),
            ("4.0.3", "27.0"),
            ("4.0.5", "26.1"),
            ("4.0.5", "28.0"),
            ("4.3.5", "29.0"),
        ] {
            assert!(!range(broker).holds(Otp::parse(otp).unwrap()), "{broker} on {otp}");
        }
        assert!(range("4.0.5").holds(Otp::parse("27.99").unwrap()), "a whole series");
        assert_eq!(range("3.10.8").to_string(), "24.2 to 25.2");
        assert_eq!(range("4.0.5").to_string(), "26.2 to 27.x");
    }

    #[test]
    fn rows_are_in_order() {
        assert!(ROWS.is_sorted_by(|row, next| row.0 < next.0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_or_an_error(text: String) {
            let _ = Version::parse(&text);
            let _ = Otp::parse(&text);
        }
    }
}
