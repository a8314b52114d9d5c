//! RabbitMQ in the vendor's image, and in others that are laid out like it.

use std::path::PathBuf;

use delivery_broker::{ImageLayout, Installation};

/// Where the image has it.
const HOME: &str = "/opt/rabbitmq";
/// What the name of the broker's own plugin begins with.
const BROKER: &str = "rabbit-";

/// The vendor's image: <https://hub.docker.com/_/rabbitmq>.
pub(crate) static IMAGE_LAYOUT: ImageLayout = ImageLayout {
    name: "rabbitmq",
    default_tag: "4.0.5",
    look: "[ -x /opt/rabbitmq/sbin/rabbitmq-server ] && \
           { command -v erl || ls /opt/erlang/bin/erl; } && ls /opt/rabbitmq/plugins",
    read,
};

fn read(said: &str) -> Option<Installation> {
    let mut lines = said.lines().map(str::trim);
    let runtime = lines.next().filter(|line| line.starts_with('/'))?;
    let version = lines.find_map(|line| line.strip_prefix(BROKER))?;
    Some(Installation {
        rootfs: None,
        home: PathBuf::from(HOME),
        version: version.strip_suffix(".ez").unwrap_or(version).to_owned(),
        runtime: PathBuf::from(runtime),
        image: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_own_plugin_says_which_version_an_image_has() {
        let installation = read("/opt/erlang/bin/erl\nra-2.15.0\nrabbit-4.0.5\nrabbit_common-4.0.5\n").unwrap();
        assert_eq!((installation.version.as_str(), installation.home), ("4.0.5", PathBuf::from("/opt/rabbitmq")));
        assert_eq!(installation.runtime, PathBuf::from("/opt/erlang/bin/erl"));
        assert_eq!(read("/usr/bin/erl\nrabbit-3.8.9.ez\n").unwrap().version, "3.8.9");
        assert_eq!(read("rabbit-4.0.5"), None, "it needs an Erlang");
        assert_eq!(read("/usr/bin/erl\nrabbit_common-4.0.5"), None);
    }
}
