//! How Java is called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use delivery_broker::{Installation, NodeCommand};

use super::logging;
use crate::install::archive_path;

/// Three JVMs start together on as little as two cores: quick, small code and a collector without
/// threads of its own. Performance counters in /tmp serve nobody here.
const FLAGS: [&str; 4] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData"];
/// Heap of a broker, and of the storage tool.
const BROKER_HEAP: &str = "-Xmx512m";
const TOOL_HEAP: &str = "-Xmx128m";

/// The Java of an installation, for one node.
pub(super) struct Java {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Java {
    /// With the installation's jars and the node's logging.
    pub(super) fn new(installation: &Installation, data_dir: &Path) -> Self {
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        // One is made for installations on the host's files only: its path says nothing inside of a root file system.
        let archive = installation.rootfs.is_none().then(|| archive_path(installation));
        if let Some(archive) = archive.filter(|archive| archive.is_file()) {
            // Shared where it fits, left aside where it does not (`-Xshare:auto`).
            arguments.push(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        arguments.push(format!("-Dlog4j2.configurationFile={}", logging::log4j2_path(data_dir).display()));
        arguments.push(format!("-Dlog4j.configuration=file:{}", logging::reload4j_path(data_dir).display()));
        arguments.push(String::from("-cp"));
        arguments.push(installation.home.join("libs").join("*").display().to_string());
        Self { program: installation.runtime.clone(), arguments }
    }

    /// Formats the node's storage.
    pub(super) fn format_storage(&self, server_properties: &Path, cluster_id: &str) -> NodeCommand {
        let file = server_properties.display().to_string();
        self.call(TOOL_HEAP, &["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", &file])
    }

    /// Runs the broker.
    pub(super) fn run_broker(&self, server_properties: &Path) -> NodeCommand {
        self.call(BROKER_HEAP, &["kafka.Kafka", &server_properties.display().to_string()])
    }

    fn call(&self, heap: &str, main: &[&str]) -> NodeCommand {
        let mut arguments = vec![heap.to_owned()];
        arguments.extend(self.arguments.iter().cloned());
        arguments.extend(main.iter().map(|part| (*part).to_owned()));
        let environment = BTreeMap::from([(String::from("LANG"), String::from("C.UTF-8"))]);
        NodeCommand { program: self.program.clone(), arguments, environment }
    }
}
