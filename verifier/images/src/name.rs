//! What images are called.

use std::fmt;
use std::net::IpAddr;

use delivery_broker::ConfigError;
use oci_client::Reference;

/// An image: registry, repository, and tag or digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName(pub(crate) Reference);

impl ImageName {
    /// Whether its registry is on this machine, and so is spoken to without TLS, as engines do.
    pub(crate) fn is_local(&self) -> bool {
        let registry = self.0.resolve_registry();
        let host = match registry.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => registry.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// As typed: `apache/kafka:4.1.1`, `registry.example:5000/team/rabbitmq@sha256:...`. Without a registry it is Docker's, without
/// a tag `latest`.
pub(crate) fn parse(typed: &str) -> Result<ImageName, ConfigError> {
    typed.parse().map(ImageName).map_err(|error: oci_client::ParseError| ConfigError::Invalid {
        setting: String::from("--image"),
        value: typed.to_owned(),
        reason: format!("an image is needed, as in apache/kafka:4.1.1 ({error})"),
    })
}

/// The name of its root file system's directory: letters, digits, dots and hyphens of the whole name.
pub fn directory_name(name: &ImageName) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("image-{}", name.to_string().chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{directory_name, parse};

    #[test]
    fn names_are_completed_as_engines_do() {
        let told = |typed: &str| parse(typed).map(|name| name.to_string());
        assert_eq!(told("rabbitmq:4.0").unwrap(), "docker.io/library/rabbitmq:4.0");
        assert_eq!(told("apache/kafka").unwrap(), "docker.io/apache/kafka:latest");
        assert_eq!(told("127.0.0.1:5000/kafka:1").unwrap(), "127.0.0.1:5000/kafka:1");
        for bad in ["", "a b", "apache/UPPER", "x:y:z", "../etc"] {
            assert!(told(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_registries_of_this_machine_are_spoken_to_in_plain() {
        for (name, local) in [
            ("localhost:5000/kafka", true),
            ("127.0.0.9:1/kafka", true),
            ("apache/kafka", false),
            ("localhost.example:5000/kafka", false),
            ("10.0.0.1:5000/kafka", false),
        ] {
            assert_eq!(parse(name).unwrap().is_local(), local, "{name}");
        }
    }

    #[test]
    fn a_directory_is_named_by_the_whole_of_it() {
        assert_eq!(directory_name(&parse("apache/kafka:4.1.1").unwrap()), "image-docker.io-apache-kafka-4.1.1");
        assert_eq!(directory_name(&parse("localhost:5000/a_b:x").unwrap()), "image-localhost-5000-a-b-x");
    }
}
