//! How clients get in to a cluster that somebody else runs: addresses are no secret, passwords and keys are.

use std::collections::BTreeMap;
use std::fmt;

/// Put where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter ones are not looked for in texts: they would be found everywhere.
const SHORTEST_REDACTED: usize = 4;

/// A password or a key. It has no `Debug`, `Display` or `Serialize`: who wants it out has to say so.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever proves itself with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What clients prove themselves with, and how they tell that a node is the right one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

/// Names only: settings may hold a user's name and certificates, secrets are secret.
impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.settings.keys().chain(self.secrets.keys()).collect();
        formatter.debug_struct("Access").field("names", &names).finish()
    }
}

impl Access {
    /// Sets what is no secret.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// Sets what is one.
    pub fn set_secret(&mut self, name: &str, secret: Secret) {
        self.secrets.insert(name.to_owned(), secret);
    }

    /// A setting that is no secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// A secret.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    /// `text` without any of the secrets: what brokers, client libraries and hooks say is repeated only so.
    pub fn redact(&self, text: &str) -> String {
        let secrets = self.secrets.values().map(Secret::expose).flat_map(|secret| {
            // A key of many lines may be quoted line by line.
            std::iter::once(secret).chain(secret.lines())
        });
        let mut text = text.to_owned();
        for secret in secrets.filter(|secret| secret.len() >= SHORTEST_REDACTED) {
            text = text.replace(secret, REDACTED);
        }
        text
    }

    /// All of it on one line, for the pipe to a process of this program and for nothing else.
    pub fn to_line(&self) -> String {
        let settings = self.settings.iter().map(|(name, value)| format!("={}", field(name, value)));
        let secrets = self.secrets.iter().map(|(name, secret)| format!("!{}", field(name, secret.expose())));
        settings.chain(secrets).collect::<Vec<_>>().join("\t")
    }

    /// Reads what [`Access::to_line`] wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut access = Self::default();
        for part in line.trim_end_matches('\n').split('\t').filter(|part| !part.is_empty()) {
            let (name, value) = part.get(1..)?.split_once(' ')?;
            match part.as_bytes()[0] {
                b'=' => access.set(&plain(name)?, plain(value)?),
                b'!' => access.set_secret(&plain(name)?, Secret::new(plain(value)?)),
                _ => return None,
            }
        }
        Some(access)
    }
}

fn field(name: &str, value: &str) -> String {
    format!("{} {}", escaped(name), escaped(value))
}

/// No blank, no tab and no end of line of its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            ' ' => out.push_str("\\s"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out
}

fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                's' => ' ',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Access, Secret};

    proptest! {
        #[test]
        fn a_line_brings_all_of_it_over(name in "[a-z. ]{1,12}", value in ".{0,40}", secret in "(?s).{0,60}") {
            let mut access = Access::default();
            access.set(&name, value);
            access.set_secret("password", Secret::new(secret));
            let line = access.to_line();
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert!(Access::from_line(&line) == Some(access));
        }

        #[test]
        fn no_line_makes_it_panic(line in ".{0,80}") {
            let _ = Access::from_line(&line);
        }
    }

    #[test]
    fn secrets_are_taken_out_of_what_others_say_and_out_of_its_own_description() {
        let mut access = Access::default();
        access.set("sasl.username", "alice");
        access.set_secret("sasl.password", Secret::new("correct horse"));
        assert_eq!(access.redact("no: correct horse!"), "no: [redacted]!");
        let shown = format!("{access:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("horse") && !shown.contains("alice"), "{shown}");
    }
}
