//! Apache Kafka in the vendor's image, and in others that are laid out like it.

use std::path::PathBuf;

use delivery_broker::{ImageLayout, Installation};

use super::jars::version_of_jar;
use crate::version::DEFAULT_VERSION;

/// Where the image has it.
const HOME: &str = "/opt/kafka";

/// The vendor's image: <https://hub.docker.com/r/apache/kafka>.
pub(crate) static IMAGE_LAYOUT: ImageLayout = ImageLayout {
    name: "apache/kafka",
    default_tag: DEFAULT_VERSION,
    look: "[ -x /opt/kafka/bin/kafka-server-start.sh ] && [ -x /opt/kafka/bin/kafka-storage.sh ] && ls /opt/kafka/libs",
    read,
};

fn read(said: &str) -> Option<Installation> {
    let version = said.lines().filter_map(|line| version_of_jar(line.trim())).next_back()?;
    Some(Installation {
        rootfs: None,
        home: PathBuf::from(HOME),
        version: version.to_owned(),
        runtime: PathBuf::new(),
        image: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_own_jar_says_which_version_an_image_has() {
        let installation = read("kafka-clients-4.1.1.jar\nkafka_2.13-4.1.1.jar\nslf4j-api.jar\n").unwrap();
        assert_eq!((installation.version.as_str(), installation.home), ("4.1.1", PathBuf::from("/opt/kafka")));
        assert_eq!(read("ls: cannot access '/opt/kafka/libs'"), None);
    }
}
