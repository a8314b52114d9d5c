//! Certificates of nodes and clients, and the authority that signs them.

use std::path::Path;
use std::process::{Command, Stdio};

use super::secrets::PASSWORD;

/// `ca.pem` signs the nodes' (`node.pem`, `node.key`; both in `store.pem`) for their addresses, not for their names, and
/// the clients' (`client.pem`, `client.key`; locked by the password in `locked.key`). `other.pem` signs nobody.
const SCRIPT: &str = r#"
set -e
key() { openssl req "$@" -newkey rsa:2048 -nodes -days 2; }
signed() { openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.names" -out "$1.pem"; }
key -x509 -keyout ca.key -out ca.pem -subj /CN=authority
key -x509 -keyout other.key -out other.pem -subj /CN=another
key -keyout node.key -out node.csr -subj /CN=nodes
echo subjectAltName=IP:198.18.0.11,IP:198.18.0.12,IP:198.18.0.13,IP:198.18.0.14 > node.names
signed node
cat node.key node.pem > store.pem
key -keyout client.key -out client.csr -subj /CN=clients
echo extendedKeyUsage=clientAuth > client.names
signed client
openssl pkcs8 -topk8 -in client.key -out locked.key -passout env:LOCK
"#;

/// Makes them all in `directory`.
pub(crate) fn make(directory: &Path) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT]).current_dir(directory).env("LOCK", PASSWORD).stdin(Stdio::null());
    let made = shell.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
