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

/// How the programs of an installation are called for one node.
pub(super) trait Calls {
    /// Formats the node's storage.
    fn format_storage(&self, server_properties: &Path, cluster_id: &str) -> NodeCommand;

    /// Runs the broker.
    fn run_broker(&self, server_properties: &Path) -> NodeCommand;
}

/// By Java itself, or by an image's own scripts.
pub(super) fn calls(installation: &Installation, data_dir: &Path) -> Box<dyn Calls> {
    match installation.image {
        Some(_) => Box::new(Scripts::new(installation, data_dir)),
        None => Box::new(Java::new(installation, data_dir)),
    }
}

/// The vendor's scripts, which find their Java themselves.
struct Scripts {
    directory: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Scripts {
    fn new(installation: &Installation, data_dir: &Path) -> Self {
        // The scripts take what ends in log4j.properties for the configuration of an older log4j: it stands first.
        let logging = format!(
            "-Dlog4j.configuration=file:{} -Dlog4j2.configurationFile={}",
            logging::reload4j_path(data_dir).display(),
            logging::log4j2_path(data_dir).display()
        );
        let settings = [
            ("KAFKA_LOG4J_OPTS", logging),
            ("KAFKA_JVM_PERFORMANCE_OPTS", FLAGS.join(" ")),
            // Without it there is a log of collections, too.
            ("EXTRA_ARGS", String::from("-name kafkaServer")),
            ("LOG_DIR", data_dir.display().to_string()),
        ];
        let environment = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { directory: installation.home.join("bin"), environment }
    }

    fn call(&self, script: &str, heap: &str, arguments: &[&str]) -> NodeCommand {
        let mut environment = self.environment.clone();
        environment.insert(String::from("KAFKA_HEAP_OPTS"), heap.to_owned());
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        NodeCommand { program: self.directory.join(script), arguments, environment }
    }
}

impl Calls for Scripts {
    fn format_storage(&self, server_properties: &Path, cluster_id: &str) -> NodeCommand {
        let file = server_properties.display().to_string();
        self.call("kafka-storage.sh", TOOL_HEAP, &["format", "-t", cluster_id, "-c", &file])
    }

    fn run_broker(&self, server_properties: &Path) -> NodeCommand {
        self.call("kafka-server-start.sh", BROKER_HEAP, &[&server_properties.display().to_string()])
    }
}

/// The Java of an installation, for one node.
struct Java {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Java {
    /// With the installation's jars and the node's logging.
    fn new(installation: &Installation, data_dir: &Path) -> Self {
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

    fn call(&self, heap: &str, main: &[&str]) -> NodeCommand {
        let mut arguments = vec![heap.to_owned()];
        arguments.extend(self.arguments.iter().cloned());
        arguments.extend(main.iter().map(|part| (*part).to_owned()));
        let environment = BTreeMap::from([(String::from("LANG"), String::from("C.UTF-8"))]);
        NodeCommand { program: self.program.clone(), arguments, environment }
    }
}

impl Calls for Java {
    fn format_storage(&self, server_properties: &Path, cluster_id: &str) -> NodeCommand {
        let file = server_properties.display().to_string();
        self.call(TOOL_HEAP, &["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", &file])
    }

    fn run_broker(&self, server_properties: &Path) -> NodeCommand {
        self.call(BROKER_HEAP, &["kafka.Kafka", &server_properties.display().to_string()])
    }
}
