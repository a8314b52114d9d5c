//! What makes a connection one that a secured broker talks on: TLS, and then who we are.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use delivery_broker::{Access, ClientError, Secret};
use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::X509;

use super::connection::{Call, WireError};
use super::scram::Scram;
use crate::external::names;

impl Call for SaslHandshakeRequest {
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const VERSION: i16 = 1;
    type Answer = SaslHandshakeResponse;
}

impl Call for SaslAuthenticateRequest {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const VERSION: i16 = 2;
    type Answer = SaslAuthenticateResponse;
}

/// Bytes to and from a broker.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

impl Stream {
    /// The socket, for its time limits.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// How connections to a secured cluster are made.
pub(crate) struct Security {
    tls: Option<Tls>,
    login: Option<Login>,
}

struct Tls {
    connector: SslConnector,
    checks_host: bool,
}

struct Login {
    mechanism: String,
    user: String,
    password: Secret,
}

impl Security {
    /// From what the user gave.
    ///
    /// # Errors
    /// A certificate or key that is none.
    pub(crate) fn new(access: &Access) -> Result<Arc<Self>, ClientError> {
        let protocol = access.get(names::PROTOCOL).unwrap_or("plaintext");
        let tls = protocol.ends_with("ssl").then(|| Tls::new(access)).transpose();
        let tls = tls.map_err(ClientError::Configuration)?;
        let login = protocol.starts_with("sasl").then(|| Login {
            mechanism: access.get(names::MECHANISM).unwrap_or_default().to_owned(),
            user: access.get(names::USER).unwrap_or_default().to_owned(),
            password: access.secret(names::PASSWORD).cloned().unwrap_or_else(|| Secret::new("")),
        });
        Ok(Arc::new(Self { tls, login }))
    }

    /// Lays TLS over a connection, where it is asked for.
    pub(super) fn wrap(&self, socket: TcpStream, host: &str) -> Result<Stream, WireError> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let configured = tls.connector.configure().map_err(|error| WireError::Certificate(error.to_string()))?;
        let configured = configured.verify_hostname(tls.checks_host).use_server_name_indication(tls.checks_host);
        match configured.connect(host, socket) {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(HandshakeError::WouldBlock(_)) => Err(WireError::TimedOut),
            Err(HandshakeError::SetupFailure(error)) => Err(WireError::Certificate(error.to_string())),
            Err(HandshakeError::Failure(stream)) => Err(Tls::words(&stream)),
        }
    }

    /// Says who we are, where that is asked for. `ask` puts a question on the connection.
    pub(super) fn log_in(&self, talk: &mut impl Talk, deadline: Instant) -> Result<(), WireError> {
        let Some(login) = &self.login else { return Ok(()) };
        let question = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(login.mechanism.clone()));
        let answer = talk.ask(&question, deadline)?;
        if answer.error_code != 0 {
            let offered: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
            let words = match offered.is_empty() {
                true => String::from("its listener wants no login: compare security.protocol"),
                false => format!("it does not take {}, but {}", login.mechanism, offered.join(", ")),
            };
            return Err(WireError::Login(words));
        }
        match login.mechanism.as_str() {
            "SCRAM-SHA-256" => login.scram(MessageDigest::sha256(), talk, deadline),
            "SCRAM-SHA-512" => login.scram(MessageDigest::sha512(), talk, deadline),
            _ => {
                let plain = format!("\0{}\0{}", login.user, login.password.expose());
                say(talk, plain.into_bytes(), deadline).map(drop)
            }
        }
    }
}

/// Puts questions on a connection that is being made.
pub(super) trait Talk {
    /// Asks, and waits for the answer.
    fn ask<Q: Call>(&mut self, question: &Q, deadline: Instant) -> Result<Q::Answer, WireError>;
}

impl Login {
    fn scram(&self, digest: MessageDigest, talk: &mut impl Talk, deadline: Instant) -> Result<(), WireError> {
        let mut scram = Scram::new(digest, &self.user, nonce()?);
        let challenge = say(talk, scram.first().into_bytes(), deadline)?;
        let challenge = String::from_utf8_lossy(&challenge).into_owned();
        let proof = scram.prove(&challenge, self.password.expose()).map_err(WireError::Login)?;
        let answer = say(talk, proof.into_bytes(), deadline)?;
        match scram.is_proved_by(&String::from_utf8_lossy(&answer)) {
            true => Ok(()),
            false => Err(WireError::Login(String::from("it does not know the password itself: it is not who it says"))),
        }
    }
}

/// What nobody can guess.
fn nonce() -> Result<String, WireError> {
    let mut bytes = [0; 18];
    rand_bytes(&mut bytes).map_err(|error| WireError::Login(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

fn say(talk: &mut impl Talk, bytes: Vec<u8>, deadline: Instant) -> Result<Bytes, WireError> {
    let answer = talk.ask(&SaslAuthenticateRequest::default().with_auth_bytes(bytes.into()), deadline)?;
    if answer.error_code == 0 {
        return Ok(answer.auth_bytes);
    }
    let words = answer.error_message.map(|words| words.to_string()).filter(|words| !words.is_empty());
    Err(WireError::Login(words.unwrap_or_else(|| super::error_name(answer.error_code))))
}

impl Tls {
    fn new(access: &Access) -> Result<Self, String> {
        let wrong = |setting: &'static str| move |error: ErrorStack| format!("{setting}: {error}");
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(wrong("TLS"))?;
        if let Some(pem) = access.get(names::CA_PEM) {
            let mut store = openssl::x509::store::X509StoreBuilder::new().map_err(wrong(names::CA))?;
            for certificate in X509::stack_from_pem(pem.as_bytes()).map_err(wrong(names::CA))? {
                store.add_cert(certificate).map_err(wrong(names::CA))?;
            }
            builder.set_cert_store(store.build());
        }
        builder.set_verify(SslVerifyMode::PEER);
        if let (Some(chain), Some(key)) = (access.get(names::CERTIFICATE_PEM), access.secret(names::KEY_PEM)) {
            let mut chain = X509::stack_from_pem(chain.as_bytes()).map_err(wrong(names::CERTIFICATE))?.into_iter();
            let own = chain.next().ok_or_else(|| format!("{}: there is no certificate in it", names::CERTIFICATE))?;
            builder.set_certificate(&own).map_err(wrong(names::CERTIFICATE))?;
            for certificate in chain {
                builder.add_extra_chain_cert(certificate).map_err(wrong(names::CERTIFICATE))?;
            }
            let password = access.secret(names::KEY_PASSWORD).map_or("", Secret::expose);
            let key = PKey::private_key_from_pem_passphrase(key.expose().as_bytes(), password.as_bytes());
            let key = key.map_err(wrong(names::KEY))?;
            builder.set_private_key(&key).map_err(wrong(names::KEY))?;
        }
        Ok(Self { connector: builder.build(), checks_host: access.get(names::IDENTIFICATION) != Some("none") })
    }

    fn words(failed: &openssl::ssl::MidHandshakeSslStream<TcpStream>) -> WireError {
        let verified = failed.ssl().verify_result();
        if verified != openssl::x509::X509VerifyResult::OK {
            return WireError::Certificate(verified.error_string().to_owned());
        }
        match failed.error().io_error() {
            Some(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                WireError::TimedOut
            }
            Some(error) => WireError::Transport(io::Error::new(error.kind(), error.to_string())),
            None => WireError::Certificate(failed.error().to_string()),
        }
    }
}
