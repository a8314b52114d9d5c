//! The user's URL and file of client settings.

use std::collections::BTreeMap;
use std::path::Path;

use delivery_broker::external::split_port;
use delivery_broker::{Access, AccessRequest, ConfigError, Contact, Secret};

use super::{names, tls};

/// The option that names the cluster.
pub(super) const OPTION: &str = "--url";
/// What may stand in the file.
const KNOWN: [&str; 9] = [
    "url",
    names::USER,
    names::PASSWORD,
    names::VHOST,
    names::CA,
    names::CERTIFICATE,
    names::KEY,
    names::KEY_PASSWORD,
    names::MANAGEMENT,
];
/// Ports where a URL names none.
const PORTS: [(&str, u16, u16); 2] = [("amqp", 5672, 15672), ("amqps", 5671, 15671)];

/// Where the cluster is and how to get in.
///
/// # Errors
/// What is wrong with a URL, a setting or a file that it names.
pub(super) fn contact(request: &AccessRequest) -> Result<Contact, ConfigError> {
    let (path, text) = request.file.clone().unwrap_or_default();
    let settings = read(&path, &text)?;
    let get = |name: &str| settings.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let in_file = request.addresses.is_empty();
    let typed = if in_file { get("url").unwrap_or("") } else { &request.addresses };
    let urls = typed.split(',').map(str::trim).filter(|url| !url.is_empty()).map(Url::parse);
    let urls = urls.collect::<Result<Vec<Url>, ConfigError>>()?;
    let Some(first) = urls.first().cloned() else {
        return Err(invalid(
            "",
            "it names the cluster: amqp://HOST:PORT/VHOST, one for each node with commas in between",
        ));
    };
    if !in_file && urls.iter().any(|url| url.password.is_some()) {
        return Err(invalid(
            "a URL with a password",
            "process lists show it; put it into VERIFY_PASSWORD, or into --client-config",
        ));
    }
    if urls.iter().any(|url| url.scheme != first.scheme) {
        return Err(invalid("", "amqp and amqps do not go together"));
    }
    let mut access = Access::default();
    access.set(names::SCHEME, first.scheme);
    access.set(names::USER, get(names::USER).or(first.user.as_deref()).unwrap_or("guest"));
    let given = get(names::PASSWORD).map(Secret::new).or_else(|| request.password.clone());
    let in_url = || urls.iter().find_map(|url| url.password.clone()).map(Secret::new);
    access.set_secret(names::PASSWORD, given.or_else(in_url).unwrap_or_else(|| Secret::new("guest")));
    access.set(names::VHOST, get(names::VHOST).or(first.vhost.as_deref()).unwrap_or("/"));
    tls::take(&mut access, &path, &settings)?;
    let managed = get(names::MANAGEMENT)
        .map_or_else(|| urls.iter().map(Url::management).collect::<Vec<_>>().join(","), str::to_owned);
    access.set(names::MANAGEMENT, managed);
    Ok(Contact { addresses: urls.into_iter().map(|url| url.address).collect(), access: access.into() })
}

/// A value of [`OPTION`] that cannot be.
pub(super) fn invalid(value: &str, reason: &str) -> ConfigError {
    ConfigError::Invalid { setting: OPTION.to_owned(), value: value.to_owned(), reason: reason.to_owned() }
}

fn read(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let fault = |reason: String| ConfigError::File { path: path.to_owned(), reason };
    // The parser's own words may quote the line, and with it a password.
    let read = java_properties::read(text.as_bytes());
    let read = read.map_err(|error| fault(format!("line {} is no setting", error.line_number().unwrap_or(0))))?;
    match read.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        Some(unknown) => Err(fault(ConfigError::unknown("connection setting", unknown, KNOWN).to_string())),
        None => Ok(read.into_iter().collect()),
    }
}

/// `amqp(s)://[USER[:PASSWORD]@]HOST[:PORT][/VHOST]`.
#[derive(Clone)]
struct Url {
    scheme: &'static str,
    user: Option<String>,
    password: Option<String>,
    address: String,
    host: String,
    vhost: Option<String>,
}

impl Url {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        // No URL is repeated: it may hold a password.
        let bad = || invalid("this URL", "a URL looks like amqps://alice@mq-1.example.org:5671/vhost");
        let known = PORTS
            .iter()
            .find_map(|(scheme, port, _)| Some((*scheme, *port, text.strip_prefix(scheme)?.strip_prefix("://")?)));
        let (scheme, port, rest) = known.ok_or_else(bad)?;
        let (authority, vhost) = match rest.split_once('/') {
            Some((authority, vhost)) => (authority, Some(vhost)),
            None => (rest, None),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => {
                (Some(plain(user).ok_or_else(bad)?), Some(password).filter(|text| !text.is_empty()))
            }
            None => (None, None),
        };
        let bare_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let (name, port) = match split_port(host) {
            Some(split) => split,
            None if bare_v6.is_some_and(|inner| !inner.is_empty()) => (bare_v6.unwrap_or_default(), port),
            None if host.is_empty() || host.contains([':', '?']) => return Err(bad()),
            None => (host, port),
        };
        let address = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        Ok(Self {
            scheme,
            user: user.filter(|user| !user.is_empty()),
            password: password.map(|text| plain(text).ok_or_else(bad)).transpose()?,
            host: name.to_owned(),
            address,
            vhost: vhost.filter(|text| !text.is_empty()).map(|text| plain(text).ok_or_else(bad)).transpose()?,
        })
    }

    /// Where the plug-in answers unless somebody says otherwise.
    fn management(&self) -> String {
        let (scheme, port) = if self.scheme == "amqps" { ("https", PORTS[1].2) } else { ("http", PORTS[0].2) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{port}")
    }
}

/// Without what URLs escape.
fn plain(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{AccessRequest, Secret};

    use super::contact;
    use crate::external::names;

    fn request(url: &str, text: &str) -> AccessRequest {
        let file = Some((PathBuf::from("client.properties"), text.to_owned()));
        AccessRequest { addresses: url.to_owned(), file, password: Some(Secret::new("from-environment")) }
    }

    #[test]
    fn urls_are_read() {
        let contact = contact(&request("amqp://al%40ce@a/%2fmine,amqp://b:7", "")).unwrap();
        assert_eq!(contact.addresses, ["a:5672", "b:7"]);
        let get = |name: &str| contact.access.get(name).unwrap().to_owned();
        assert_eq!((get(names::USER).as_str(), get(names::VHOST).as_str()), ("al@ce", "/mine"));
        assert_eq!(get(names::MANAGEMENT), "http://a:15672,http://b:15672");
        assert!(contact.access.secret(names::PASSWORD).is_some_and(|secret| secret.expose() == "from-environment"));
        let in_file = request("", "url=amqps://bob:hidden@[::1]\npassword=other\n");
        let contact = super::contact(&in_file).unwrap();
        assert_eq!(contact.addresses, ["[::1]:5671"]);
        assert_eq!(contact.access.get(names::MANAGEMENT), Some("https://[::1]:15671"));
        assert!(contact.access.secret(names::PASSWORD).is_some_and(|secret| secret.expose() == "other"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_told() {
        for (url, text, named) in [
            ("amqp://alice:hidden@a", "", "VERIFY_PASSWORD"),
            ("http://alice:hidden@a", "", "--url"),
            ("amqp://alice:hidden%zz@a", "", "--url"),
            ("amqp://", "", "--url"),
            ("amqp://a,amqps://b", "", "--url"),
            ("", "", "--url"),
            ("amqp://a", "pasword=hidden\n", "password"),
            ("amqp://a", "ssl.ca.location=/nowhere/ca.pem\n", "/nowhere/ca.pem"),
            ("amqp://a", "ssl.certificate.location=own.pem\n", "ssl.key.location"),
        ] {
            let Err(error) = contact(&request(url, text)) else { panic!("{url}: taken") };
            let error = error.to_string();
            assert!(error.contains(named) && !error.contains("hidden"), "{url}: {error}");
        }
    }
}
