//! Names of what leads to a cluster of somebody else's.

/// `amqp` or `amqps`.
pub(crate) const SCHEME: &str = "scheme";
/// As whom.
pub(crate) const USER: &str = "username";
/// With what.
pub(crate) const PASSWORD: &str = "password";
/// The virtual host.
pub(crate) const VHOST: &str = "vhost";
/// File of the certificates that are trusted, as the user names it.
pub(crate) const CA: &str = "ssl.ca.location";
/// Its content.
pub(crate) const CA_PEM: &str = "ssl.ca.pem";
/// File of the certificate that clients show, as the user names it.
pub(crate) const CERTIFICATE: &str = "ssl.certificate.location";
/// Its content.
pub(crate) const CERTIFICATE_PEM: &str = "ssl.certificate.pem";
/// File of the key to it, as the user names it.
pub(crate) const KEY: &str = "ssl.key.location";
/// Its content.
pub(crate) const KEY_PEM: &str = "ssl.key.pem";
/// What the key is locked with.
pub(crate) const KEY_PASSWORD: &str = "ssl.key.password";
/// Where the management plug-in of each node answers, in the order of the nodes.
pub(crate) const MANAGEMENT: &str = "management.url";
