//! The client's side of SCRAM (RFC 5802), which never says the password: brokers are shown that it is known, and show that
//! they know it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::memcmp;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// Rounds a broker may ask for: fewer protect nothing, more are an attack on us.
const ROUNDS: std::ops::RangeInclusive<usize> = 4_096..=1_000_000;

/// One authentication.
pub(super) struct Scram {
    digest: MessageDigest,
    first_bare: String,
    nonce: String,
    /// What the broker must answer in the end.
    expected: Vec<u8>,
}

impl Scram {
    /// Begins as `user`, with a nonce nobody else can guess.
    pub(super) fn new(digest: MessageDigest, user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { digest, first_bare: format!("n={user},r={nonce}"), nonce, expected: Vec::new() }
    }

    /// What is said first.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// What is answered to the broker's challenge.
    ///
    /// # Errors
    /// The challenge is none, or asks for too little or too much.
    pub(super) fn prove(&mut self, challenge: &str, password: &str) -> Result<String, String> {
        let field =
            |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).ok_or("no SCRAM challenge");
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(String::from("the challenge answers somebody else"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| "the challenge has no salt")?;
        let rounds: usize =
            rounds.parse().ok().filter(|rounds| ROUNDS.contains(rounds)).ok_or("a number of rounds out of range")?;
        let last = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{last}", self.first_bare);
        let proof = self.keys(password, &salt, rounds, signed.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{last},p={}", STANDARD.encode(proof)))
    }

    /// The proof; what the broker must say is remembered.
    fn keys(&mut self, password: &str, salt: &[u8], rounds: usize, signed: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut salted = vec![0; self.digest.size()];
        pbkdf2_hmac(password.as_bytes(), salt, rounds, self.digest, &mut salted)?;
        let client_key = self.hmac(&salted, b"Client Key")?;
        let stored_key = hash(self.digest, &client_key)?;
        let signature = self.hmac(&stored_key, signed)?;
        self.expected = self.hmac(&self.hmac(&salted, b"Server Key")?, signed)?;
        Ok(client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect())
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        Signer::new(self.digest, &key)?.sign_oneshot_to_vec(text)
    }

    /// Whether the broker knows the password, too.
    pub(super) fn is_proved_by(&self, answer: &str) -> bool {
        let given =
            answer.split(',').find_map(|part| part.strip_prefix("v=")).and_then(|text| STANDARD.decode(text).ok());
        let same = |given: &Vec<u8>| given.len() == self.expected.len() && memcmp::eq(given, &self.expected);
        !self.expected.is_empty() && given.as_ref().is_some_and(same)
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;

    use super::Scram;

    /// The example of RFC 7677.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let mut scram = Scram::new(MessageDigest::sha256(), "user", String::from("rOprNGfwEbeRWgbNEkqO"));
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = scram.prove(challenge, "pencil").unwrap();
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(scram.is_proved_by("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!scram.is_proved_by("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(!scram.is_proved_by("e=other-error"));
    }

    #[test]
    fn challenges_that_are_none_are_refused() {
        for challenge in ["", "r=x,s=AA==,i=4096", "r=mine,s=AA==,i=4096", "r=mine1,s=AA==,i=1", "r=mine1,s=!,i=4096"] {
            let mut scram = Scram::new(MessageDigest::sha512(), "a,b=c", String::from("mine"));
            assert!(scram.first().contains("n=a=2Cb=3Dc,"));
            assert!(scram.prove(challenge, "pencil").is_err(), "{challenge}");
        }
    }
}
