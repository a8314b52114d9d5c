//! Names of what makes a connection secure: librdkafka's own where it has one.

/// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
pub(crate) const PROTOCOL: &str = "security.protocol";
/// How a client logs in.
pub(crate) const MECHANISM: &str = "sasl.mechanism";
/// As whom.
pub(crate) const USER: &str = "sasl.username";
/// With what.
pub(crate) const PASSWORD: &str = "sasl.password";
/// File of the certificates that are trusted, as the user names it.
pub(crate) const CA: &str = "ssl.ca.location";
/// Its content.
pub(crate) const CA_PEM: &str = "ssl.ca.pem";
/// File of the client's own certificate.
pub(crate) const CERTIFICATE: &str = "ssl.certificate.location";
/// Its content.
pub(crate) const CERTIFICATE_PEM: &str = "ssl.certificate.pem";
/// File of the key to it.
pub(crate) const KEY: &str = "ssl.key.location";
/// Its content.
pub(crate) const KEY_PEM: &str = "ssl.key.pem";
/// What the key is locked with.
pub(crate) const KEY_PASSWORD: &str = "ssl.key.password";
/// `https` where a broker's certificate must name its host, `none` where any name will do.
pub(crate) const IDENTIFICATION: &str = "ssl.endpoint.identification.algorithm";

/// Those that are the client library's, too, and no secret.
pub(crate) const PLAIN: [&str; 6] = [PROTOCOL, MECHANISM, USER, CA_PEM, CERTIFICATE_PEM, IDENTIFICATION];
/// Those that are, and are secret.
pub(crate) const SECRET: [&str; 3] = [PASSWORD, KEY_PEM, KEY_PASSWORD];
