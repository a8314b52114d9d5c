//! TLS as the user's file wants it: whom clients trust, and the certificate they show.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery_broker::{Access, ConfigError, Secret};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream};
use openssl::x509::{X509, X509VerifyResult};

use super::names;

/// How long a node has to say why it breaks off.
const LISTEN: Duration = Duration::from_secs(2);

/// Reads the files that `settings`, which stand in `path`, name. What does not fit together is found here, before
/// anybody is connected to.
///
/// # Errors
/// The setting, and what is wrong with the file it names.
pub(super) fn take(access: &mut Access, path: &Path, settings: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let file = Settings { path, settings };
    if let Some(name) = file.get(names::CA) {
        access.set(names::CA_PEM, file.certificates(names::CA, name)?.0);
    }
    let (certificate, key) = match (file.get(names::CERTIFICATE), file.get(names::KEY)) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(()),
        _ => return Err(file.wrong(names::CERTIFICATE, format!("a certificate and {} go together", names::KEY))),
    };
    let (pem, chain) = file.certificates(names::CERTIFICATE, certificate)?;
    let (key_file, key) = file.text(names::KEY, key)?;
    access.set(names::CERTIFICATE_PEM, pem);
    access.set_secret(names::KEY_PEM, Secret::new(key));
    access.set_secret(names::KEY_PASSWORD, Secret::new(file.get(names::KEY_PASSWORD).unwrap_or_default()));
    match key_of(access) {
        Ok(Some(key)) if chain[0].public_key().is_ok_and(|public| public.public_eq(&key)) => Ok(()),
        Ok(_) => Err(file.wrong(names::KEY, format!("is not the key of the certificate in {certificate}"))),
        Err(_) => {
            let reason = format!("{} holds no PEM key that {} opens", key_file.display(), names::KEY_PASSWORD);
            Err(file.wrong(names::KEY, reason))
        }
    }
}

struct Settings<'a> {
    path: &'a Path,
    settings: &'a BTreeMap<String, String>,
}

impl Settings<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn wrong(&self, setting: &str, reason: impl Display) -> ConfigError {
        ConfigError::File { path: self.path.to_owned(), reason: format!("{setting}: {reason}") }
    }

    /// A file's text; its name is relative to the folder of the settings.
    fn text(&self, setting: &str, file: &str) -> Result<(PathBuf, String), ConfigError> {
        let file = self.path.parent().map_or_else(|| PathBuf::from(file), |folder| folder.join(file));
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok((file, text)),
            Err(error) => Err(self.wrong(setting, format!("cannot read {}: {error}", file.display()))),
        }
    }

    /// At least one, and the text they stand in.
    fn certificates(&self, setting: &str, file: &str) -> Result<(String, Vec<X509>), ConfigError> {
        let (file, text) = self.text(setting, file)?;
        match X509::stack_from_pem(text.as_bytes()) {
            Ok(certificates) if !certificates.is_empty() => Ok((text, certificates)),
            _ => Err(self.wrong(setting, format!("{} holds no PEM certificate", file.display()))),
        }
    }
}

/// Opened with its password, even an empty one: without, OpenSSL would ask for it at the terminal.
fn key_of(access: &Access) -> Result<Option<PKey<Private>>, ErrorStack> {
    let text = |name: &str| access.secret(name).map(|secret| secret.expose().as_bytes());
    let password = text(names::KEY_PASSWORD).unwrap_or_default();
    text(names::KEY_PEM).map(|pem| PKey::private_key_from_pem_passphrase(pem, password)).transpose()
}

/// For a connection over AMQP.
///
/// # Errors
/// OpenSSL's.
pub(crate) fn config(access: &Access) -> Result<OwnedTLSConfig, ErrorStack> {
    let key = key_of(access)?.map(|key| key.private_key_to_pem_pkcs8()).transpose()?;
    let certificate = access.get(names::CERTIFICATE_PEM).map(|pem| pem.as_bytes().to_vec());
    let identity = certificate.zip(key).map(|(pem, key)| OwnedIdentity::PKCS8 { pem, key });
    Ok(OwnedTLSConfig { identity, cert_chain: access.get(names::CA_PEM).map(str::to_owned) })
}

/// The same for the management plug-in.
///
/// # Errors
/// OpenSSL's.
pub(super) fn connector(access: &Access) -> Result<SslConnector, ErrorStack> {
    let certificates = |name: &str| X509::stack_from_pem(access.get(name).unwrap_or_default().as_bytes());
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    for authority in certificates(names::CA_PEM)? {
        builder.cert_store_mut().add_cert(authority)?;
    }
    if let Some(key) = key_of(access)? {
        let mut chain = certificates(names::CERTIFICATE_PEM)?.into_iter();
        chain.next().map_or(Ok(()), |own| builder.set_certificate(&own))?;
        chain.try_for_each(|above| builder.add_extra_chain_cert(above))?;
        builder.set_private_key(&key)?;
    }
    Ok(builder.build())
}

/// Why TLS with a node does not come about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Its certificate is for other hosts.
    OtherHost(String),
    /// Nobody who is trusted has signed its certificate, or not for today.
    Distrusted(String),
    /// It breaks off: it wants a certificate, or another one.
    BrokenOff(String),
}

/// Tries TLS alone: what AMQP's client tells of it is that it failed. Nothing where it does not fail, or for another
/// reason.
pub(super) fn obstacle(access: &Access, host: &str, port: u16) -> Option<Obstacle> {
    let address = (host, port).to_socket_addrs().ok()?.next()?;
    let socket = TcpStream::connect_timeout(&address, LISTEN).ok()?;
    socket.set_read_timeout(Some(LISTEN)).ok()?;
    match connector(access).ok()?.connect(host, socket) {
        // A client of TLS 1.3 is done before the node has looked at its certificate.
        Ok(stream) => broken_off(stream),
        Err(HandshakeError::Failure(failed)) => {
            let verified = failed.ssl().verify_result();
            let told = verified.error_string().to_owned();
            match verified {
                X509VerifyResult::OK => alert(&failed.error().to_string()),
                _ if told.to_lowercase().contains("mismatch") => Some(Obstacle::OtherHost(told)),
                _ => Some(Obstacle::Distrusted(told)),
            }
        }
        Err(_) => None,
    }
}

fn broken_off(mut stream: SslStream<TcpStream>) -> Option<Obstacle> {
    stream.read(&mut [0]).err().and_then(|error| alert(&error.to_string()))
}

/// The other side's reason, where it gave one.
fn alert(words: &str) -> Option<Obstacle> {
    words.contains(" alert ").then(|| Obstacle::BrokenOff(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use delivery_broker::{Access, ConfigError};
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;
    use openssl::x509::X509Builder;

    use super::{config, connector, take};

    fn certificate(key: &PKey<Private>) -> Vec<u8> {
        let mut builder = X509Builder::new().unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(key, MessageDigest::sha256()).unwrap();
        builder.build().to_pem().unwrap()
    }

    /// A folder with a certificate, its key as it is and locked, and somebody else's key.
    fn files() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let keys = [(); 2].map(|()| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
        let locked = keys[0].private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"opens-it").unwrap();
        for (name, pem) in [
            ("own.pem", certificate(&keys[0])),
            ("own.key", keys[0].private_key_to_pem_pkcs8().unwrap()),
            ("locked.key", locked),
            ("other.key", keys[1].private_key_to_pem_pkcs8().unwrap()),
        ] {
            std::fs::write(directory.path().join(name), pem).unwrap();
        }
        directory
    }

    fn taken(directory: &Path, settings: &[(&str, &str)]) -> Result<Access, ConfigError> {
        let settings: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut access = Access::default();
        take(&mut access, &directory.join("client.properties"), &settings).map(|()| access)
    }

    const CA: &str = "ssl.ca.location";
    const OWN: (&str, &str) = ("ssl.certificate.location", "own.pem");
    const KEY: &str = "ssl.key.location";
    const PASSWORD: &str = "ssl.key.password";

    #[test]
    fn a_locked_key_is_opened_by_its_password() {
        let files = files();
        for settings in
            [&[(CA, "own.pem"), OWN, (KEY, "own.key")][..], &[OWN, (KEY, "locked.key"), (PASSWORD, "opens-it")]]
        {
            let access = taken(files.path(), settings).unwrap();
            assert!(config(&access).unwrap().identity.is_some());
            connector(&access).unwrap();
        }
        let none = taken(files.path(), &[]).unwrap();
        assert!(config(&none).unwrap().identity.is_none() && connector(&none).is_ok());
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let files = files();
        for (settings, named) in [
            (&[(CA, "own.key")][..], &[CA, "no PEM certificate"][..]),
            (&[OWN, (KEY, "nowhere.key")], &[KEY, "nowhere.key"]),
            (&[OWN, (KEY, "other.key")], &[KEY, "own.pem"]),
            (&[OWN, (KEY, "own.pem")], &[KEY, "no PEM key"]),
            (&[OWN, (KEY, "locked.key")], &[KEY, PASSWORD]),
            (&[OWN, (KEY, "locked.key"), (PASSWORD, "hidden")], &[KEY, PASSWORD]),
            (&[(KEY, "own.key")], &["ssl.certificate.location", KEY]),
        ] {
            let Err(error) = taken(files.path(), settings) else { panic!("{settings:?}: taken") };
            let error = error.to_string();
            assert!(named.iter().all(|word| error.contains(word)) && !error.contains("hidden"), "{error}");
        }
    }
}
