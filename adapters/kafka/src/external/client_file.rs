//! The user's file of client settings: as the Java client reads it, or as librdkafka does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use delivery_broker::external::split_port;
use delivery_broker::{Access, AccessRequest, ConfigError, Contact, Secret};

use super::names;

/// The option that names the cluster.
pub(super) const OPTION: &str = "--bootstrap-server";
/// Ways to log in that this program has.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
/// What may stand in the file.
const KNOWN: &[&str] = &[
    "bootstrap.servers",
    names::PROTOCOL,
    names::MECHANISM,
    names::USER,
    names::PASSWORD,
    "sasl.jaas.config",
    names::CA,
    names::CA_PEM,
    names::CERTIFICATE,
    names::CERTIFICATE_PEM,
    names::KEY,
    names::KEY_PEM,
    names::KEY_PASSWORD,
    names::IDENTIFICATION,
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.certificates",
    "ssl.keystore.type",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
];

/// Where the cluster is and how to get in.
///
/// # Errors
/// What is wrong with an address, a setting or a file that it names.
pub(super) fn contact(request: &AccessRequest) -> Result<Contact, ConfigError> {
    let (path, text) = request.file.clone().unwrap_or_default();
    let settings = Settings::read(&path, &text)?;
    let typed =
        if request.addresses.is_empty() { settings.get("bootstrap.servers").unwrap_or("") } else { &request.addresses };
    let addresses: Vec<String> =
        typed.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
    if addresses.is_empty() {
        return Err(invalid(OPTION, typed, "it names the cluster: HOST:PORT, several with commas in between"));
    }
    if let Some(bad) = addresses.iter().find(|address| split_port(address).is_none()) {
        return Err(invalid(OPTION, bad, "an address looks like kafka-1.example.org:9092"));
    }
    let access = settings.access(request.password.clone())?;
    Ok(Contact { addresses, access: access.into() })
}

fn invalid(setting: &str, value: &str, reason: &str) -> ConfigError {
    ConfigError::Invalid { setting: setting.to_owned(), value: value.to_owned(), reason: reason.to_owned() }
}

struct Settings<'a> {
    path: &'a Path,
    values: BTreeMap<String, String>,
}

impl<'a> Settings<'a> {
    fn read(path: &'a Path, text: &str) -> Result<Self, ConfigError> {
        let fault = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        // The parser's own words may quote the line, and with it a password.
        let read = java_properties::read(text.as_bytes());
        let read = read.map_err(|error| fault(format!("line {} is no setting", error.line_number().unwrap_or(0))))?;
        let mut values = BTreeMap::new();
        for (name, value) in read {
            let name = if name == "sasl.mechanisms" { String::from(names::MECHANISM) } else { name };
            if !KNOWN.contains(&name.as_str()) {
                let hint = "only how to connect stands in this file; the rest is --producer-config's, --consumer-config's or --set's";
                let unknown = ConfigError::unknown("connection setting", &name, KNOWN.iter().copied());
                return Err(fault(format!("{unknown}: {hint}")));
            }
            values.insert(name, value);
        }
        Ok(Self { path, values })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn wrong(&self, setting: &str, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::File { path: self.path.to_owned(), reason: format!("{setting}: {reason}") }
    }

    fn access(&self, password: Option<Secret>) -> Result<Access, ConfigError> {
        let mut access = Access::default();
        let protocol = self.get(names::PROTOCOL).unwrap_or("plaintext").to_lowercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(self.wrong(names::PROTOCOL, format!("takes {}", PROTOCOLS.join(", "))));
        }
        if protocol.starts_with("sasl") {
            self.log_in(&mut access, password)?;
        } else if self.get(names::USER).or(self.get("sasl.jaas.config")).is_some() {
            return Err(self.wrong(names::PROTOCOL, format!("{protocol} has no login: sasl_ssl or sasl_plaintext has")));
        }
        if protocol.ends_with("ssl") {
            self.trust(&mut access)?;
        }
        access.set(names::PROTOCOL, protocol);
        Ok(access)
    }

    fn log_in(&self, access: &mut Access, password: Option<Secret>) -> Result<(), ConfigError> {
        let mechanism = self.get(names::MECHANISM).unwrap_or_default().to_uppercase();
        if !MECHANISMS.contains(&mechanism.as_str()) {
            return Err(self.wrong(names::MECHANISM, format!("takes {}", MECHANISMS.join(", "))));
        }
        let jaas = self.get("sasl.jaas.config").unwrap_or_default();
        let user = self.get(names::USER).map(str::to_owned).or_else(|| quoted(jaas, "username"));
        let user = user.ok_or_else(|| self.wrong(names::USER, "is missing"))?;
        let given = self.get(names::PASSWORD).map(str::to_owned).or_else(|| quoted(jaas, "password"));
        let password = given.map(Secret::new).or(password);
        let password =
            password.ok_or_else(|| self.wrong(names::PASSWORD, "is missing: it stands here or in VERIFY_PASSWORD"))?;
        access.set(names::MECHANISM, mechanism);
        access.set(names::USER, user);
        access.set_secret(names::PASSWORD, password);
        Ok(())
    }

    fn trust(&self, access: &mut Access) -> Result<(), ConfigError> {
        for store in ["ssl.truststore.type", "ssl.keystore.type"] {
            if self.get(store).is_some_and(|kind| !kind.eq_ignore_ascii_case("PEM")) {
                return Err(self.wrong(store, "takes PEM; `keytool -exportcert -rfc` writes a certificate as PEM"));
            }
        }
        let is_pem = self.get("ssl.truststore.type").is_some();
        if self.get("ssl.truststore.location").is_some() && !is_pem {
            return Err(self.wrong(
                "ssl.truststore.location",
                "is a Java key store unless ssl.truststore.type=PEM; name a PEM file by ssl.ca.location",
            ));
        }
        let ca = self.pem(&[names::CA_PEM, "ssl.truststore.certificates"], &[names::CA, "ssl.truststore.location"])?;
        let chain = self.pem(&[names::CERTIFICATE_PEM, "ssl.keystore.certificate.chain"], &[names::CERTIFICATE])?;
        let key = self.pem(&[names::KEY_PEM, "ssl.keystore.key"], &[names::KEY])?;
        if chain.is_some() != key.is_some() {
            return Err(self.wrong(names::CERTIFICATE, format!("a certificate and {} go together", names::KEY)));
        }
        ca.into_iter().for_each(|pem| access.set(names::CA_PEM, pem));
        chain.into_iter().for_each(|pem| access.set(names::CERTIFICATE_PEM, pem));
        key.into_iter().for_each(|pem| access.set_secret(names::KEY_PEM, Secret::new(pem)));
        if let Some(password) = self.get(names::KEY_PASSWORD) {
            access.set_secret(names::KEY_PASSWORD, Secret::new(password));
        }
        // The Java client writes "none" as nothing at all.
        let checks = self.values.get(names::IDENTIFICATION).is_none_or(|name| name.eq_ignore_ascii_case("https"));
        access.set(names::IDENTIFICATION, if checks { "https" } else { "none" });
        Ok(())
    }

    /// What stands in the file itself, or in another one that it names.
    fn pem(&self, inline: &[&str], files: &[&str]) -> Result<Option<String>, ConfigError> {
        if let Some(text) = inline.iter().find_map(|name| self.get(name)) {
            return Ok(Some(text.to_owned()));
        }
        let Some((name, file)) = files.iter().find_map(|name| Some((name, self.get(name)?))) else { return Ok(None) };
        let file = self.path.parent().map_or_else(|| PathBuf::from(file), |folder| folder.join(file));
        let text = std::fs::read_to_string(&file)
            .map_err(|error| self.wrong(name, format!("cannot read {}: {error}", file.display())))?;
        match text.contains("-----BEGIN ") {
            true => Ok(Some(text)),
            false => Err(self.wrong(name, format!("{} is no PEM file", file.display()))),
        }
    }
}

/// `name="value"` in the words of JAAS.
fn quoted(jaas: &str, name: &str) -> Option<String> {
    let mut rest = jaas;
    loop {
        let at = rest.find(name)?;
        let is_word = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start).filter(|_| is_word) else {
            continue;
        };
        let Some(value) = value.strip_prefix('"') else {
            return value.split([' ', ';']).next().map(str::to_owned).filter(|value| !value.is_empty());
        };
        let mut out = String::new();
        let mut letters = value.chars();
        loop {
            match letters.next()? {
                '"' => return Some(out),
                '\\' => out.push(letters.next()?),
                letter => out.push(letter),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{AccessRequest, Secret};

    use super::{contact, quoted};
    use crate::external::names;

    fn request(text: &str) -> AccessRequest {
        let file = Some((PathBuf::from("client.properties"), text.to_owned()));
        AccessRequest { addresses: String::from("a:9092, b:9093"), file, password: None }
    }

    #[test]
    fn both_ways_to_write_a_login_are_read() {
        let java = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=org.apache.kafka.common.\
                    security.scram.ScramLoginModule required username=\"alice\" password=\"a\\\\\"b\";\n";
        let ours = "security.protocol=sasl_plaintext\nsasl.mechanisms=SCRAM-SHA-256\nsasl.username=alice\nsasl.password=a\"b\n";
        for text in [java, ours] {
            let contact = contact(&request(text)).unwrap();
            assert_eq!(contact.addresses, ["a:9092", "b:9093"]);
            assert_eq!(contact.access.get(names::USER), Some("alice"));
            assert!(contact.access.secret(names::PASSWORD).is_some_and(|secret| secret.expose() == "a\"b"));
        }
        let mut from_environment =
            request("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=bob\n");
        assert!(contact(&from_environment).unwrap_err().to_string().contains("VERIFY_PASSWORD"));
        from_environment.password = Some(Secret::new("pw"));
        assert!(contact(&from_environment).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_told() {
        for (text, named) in [
            ("security.protocol=SASL\n", "security.protocol"),
            ("security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI\n", "SCRAM-SHA-256"),
            ("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.password=hidden\n", "sasl.username"),
            ("sasl.username=a\nsasl.password=hidden\n", "security.protocol"),
            ("ssl.ca.locatoin=x\n", "ssl.ca.location"),
            ("acks=1\n", "--producer-config"),
            ("security.protocol=SSL\nssl.ca.location=/nowhere/ca.pem\n", "/nowhere/ca.pem"),
            ("security.protocol=SSL\nssl.truststore.location=x.jks\n", "PEM"),
            ("sasl.password=hidden\\u00\n", "line 1"),
        ] {
            let error = contact(&request(text)).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("hidden"), "{text}: {error}");
        }
        for address in ["", "localhost", "a:b", "a:9092,:1"] {
            let typed = AccessRequest { addresses: address.to_owned(), ..AccessRequest::default() };
            assert!(contact(&typed).unwrap_err().to_string().contains("--bootstrap-server"), "{address}");
        }
    }

    #[test]
    fn jaas_values_are_found_by_their_whole_name() {
        let jaas = "X required user.username=\"no\" username = \"yes\" password=plain;";
        assert_eq!(quoted(jaas, "username").as_deref(), Some("yes"));
        assert_eq!(quoted(jaas, "password").as_deref(), Some("plain"));
        assert_eq!(quoted(jaas, "token"), None);
        assert_eq!(quoted("password=\"open", "password"), None);
    }
}
