//! What whoever joins a run and whoever is joined both know, and prove without sending it (HMAC-SHA-256, RFC 2104).

use std::fmt::{Debug, Formatter};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Shortest token that is taken.
const MIN_BYTES: usize = 16;

/// A secret that a run and the machines that join it share. Not shown by `Debug`.
#[derive(Clone)]
pub struct Token(Vec<u8>);

/// A token that protects nothing.
#[derive(Debug, thiserror::Error)]
#[error("the token has {found} characters: it takes {MIN_BYTES} and more, such as `openssl rand -hex 16` prints")]
pub struct ShortToken {
    found: usize,
}

impl Token {
    /// Blanks and ends of lines around it are not a part of it.
    ///
    /// # Errors
    /// When it is short.
    pub fn new(text: &str) -> Result<Self, ShortToken> {
        let text = text.trim();
        match text.len() {
            found if found < MIN_BYTES => Err(ShortToken { found }),
            _ => Ok(Self(text.as_bytes().to_vec())),
        }
    }

    fn mac(&self, words: &[&str]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for word in words {
            mac.update(&(word.len() as u64).to_le_bytes());
            mac.update(word.as_bytes());
        }
        Some(mac)
    }

    /// Shows that whoever says these words knows the token.
    pub(crate) fn prove(&self, words: &[&str]) -> Vec<u8> {
        self.mac(words).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
    }

    /// Whether `proof` is one for these words; takes as long for a wrong one.
    pub(crate) fn is_proved(&self, words: &[&str], proof: &[u8]) -> bool {
        self.mac(words).is_some_and(|mac| mac.verify_slice(proof).is_ok())
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_proves_the_same_words() {
        let token = Token::new(" 0123456789abcdef\n").unwrap();
        let proof = token.prove(&["runner", "a", "b"]);
        assert!(token.is_proved(&["runner", "a", "b"], &proof));
        assert!(!token.is_proved(&["runner", "ab", ""], &proof), "words keep their ends");
        assert!(!token.is_proved(&["machine", "a", "b"], &proof));
        assert!(!token.is_proved(&["runner", "a", "b"], &[]));
        assert!(!Token::new("0123456789abcdeF").unwrap().is_proved(&["runner", "a", "b"], &proof));
        assert!(!format!("{token:?}").contains("0123"));
        assert!(Token::new("  short            ").is_err());
    }
}
