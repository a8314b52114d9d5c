//! Root file systems from images of a real registry on loopback, and brokers that run in them.
#![cfg(all(feature = "kafka", feature = "rabbitmq"))]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{can_run, count, document, guarantee, lane, one_cluster, run, told, verify};
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;

/// Debian's registry, with a directory of its own; ended when dropped.
struct Registry {
    process: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Registry {
    fn start() -> Option<Self> {
        let required =
            std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.split(',').any(|word| word == "images"));
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.yml");
        let store = directory.path().join("store");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
            store.display()
        );
        fs::write(&config, text).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                assert!(!required, "VERIFY_REQUIRE names images, but docker-registry cannot be started: {error}");
                println!("skipped: docker-registry cannot be started ({error})");
                return None;
            }
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let address =
                line.split("listening on ").nth(1).map(|rest| rest.split(['"', ' ']).next().unwrap().to_owned());
            seen.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("the registry never listened: {seen:#?}"));
        // Its later lines are read, so that it never waits for somebody to read them.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, address, _directory: directory })
    }

    /// Puts an image there whose layers are these trees, lowest first.
    fn push(&self, name: &str, layers: &[&Path]) -> String {
        let image = format!("{}/{name}", self.address);
        let reference = image.parse().unwrap();
        let layers: Vec<ImageLayer> = layers
            .iter()
            .map(|tree| {
                let mut archive = tar::Builder::new(Vec::new());
                archive.follow_symlinks(false);
                archive.append_dir_all(".", tree).unwrap();
                ImageLayer::new(
                    archive.into_inner().unwrap(),
                    String::from("application/vnd.oci.image.layer.v1.tar"),
                    None,
                )
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // The client is built with whatever cryptography is installed, though loopback has none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
            let config = Config::oci_v1(b"{}".to_vec(), None);
            client.push(&reference, &layers, config, &RegistryAuth::Anonymous, None).await.unwrap();
        });
        image
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes the root file system, and says where it is.
fn unpacked(system: &str, image: &str, cache: &Path) -> (PathBuf, String) {
    let output = verify().args(["rootfs", system, "--image", image]).env("VERIFY_CACHE_DIR", cache).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    let path = printed.split(" in ").nth(1).unwrap().split(" (").next().unwrap();
    (PathBuf::from(path), printed)
}

/// Copies the libraries that a program or a library names to where they stand on this machine.
fn copy_libraries_of(program: &Path, root: &Path) {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for file in said.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
        let to = root.join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fs::canonicalize(file).unwrap(), to).unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        // A link of a package may lead to another package's directory, which the image has not.
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => copy_tree(&path, &target),
            Ok(_) => drop(fs::copy(&path, &target).unwrap()),
            Err(_) => {}
        }
    }
}

/// An image as the vendor's is laid out: `/opt/kafka`, and Java in `/opt/java/openjdk`. The lower layer has another
/// version, which the upper one takes away.
fn kafka_image(registry: &Registry, work: &Path) -> String {
    let java = fs::canonicalize(which("java")).unwrap();
    let java_home = java.parent().unwrap().parent().unwrap();
    let (lower, upper) = (work.join("lower"), work.join("upper"));
    let home = lower.join("opt/java/openjdk");
    for part in ["bin", "lib", "conf"] {
        copy_tree(&java_home.join(part), &home.join(part));
    }
    fs::copy(java_home.join("release"), home.join("release")).unwrap();
    for program in [java.clone(), java_home.join("lib/server/libjvm.so")] {
        copy_libraries_of(&program, &lower);
    }
    fs::create_dir_all(lower.join("opt/kafka/libs")).unwrap();
    File::create(lower.join("opt/kafka/libs/kafka_2.13-9.9.9.jar")).unwrap();
    symlink("usr/lib", lower.join("old-lib")).unwrap();
    let libs = upper.join("opt/kafka/libs");
    fs::create_dir_all(&libs).unwrap();
    File::create(upper.join("opt/kafka/libs/.wh.kafka_2.13-9.9.9.jar")).unwrap();
    File::create(upper.join(".wh.old-lib")).unwrap();
    for jar in fs::read_dir(kafka_libs()).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&jar, libs.join(jar.file_name().unwrap())).unwrap();
    }
    registry.push("apache/kafka:4.1.1", &[&lower, &upper])
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file()).unwrap()
}

fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = || set("XDG_CACHE_HOME").unwrap_or_else(|| set("HOME").unwrap().join(".cache"));
    set("VERIFY_CACHE_DIR").unwrap_or_else(|| base().join("delivery-verifier"))
}

/// The jars that a run without images uses.
fn kafka_libs() -> PathBuf {
    cache_dir().join("kafka/4.1.1/libs")
}

#[test]
fn kafka_runs_in_what_was_unpacked_from_its_image() {
    if !can_run("kafka") {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let _turn = one_cluster();
    let (work, cache, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());

    // Brings Kafka into the cache where no run did before.
    let warm = run(
        &["kafka", "--preset", "fast", "--duration", "2s", "--rate", "50", "--broker-version", "4.1.1", "--json"],
        out.path(),
    );
    assert!(warm.status.code().is_some_and(|code| code == 0 || code == 3), "{}", told(&warm));
    let image = kafka_image(&registry, work.path());
    let (tree, printed) = unpacked("kafka", &image, cache.path());
    assert!(printed.starts_with("Apache Kafka 4.1.1 from 127.0.0.1:") && printed.contains("(made)"), "{printed}");
    assert!(!tree.join("old-lib").exists() && !tree.join("opt/kafka/libs/kafka_2.13-9.9.9.jar").exists());
    let (_, again) = unpacked("kafka", &image, cache.path());
    assert!(again.contains("already there"), "{again}");
    let rootfs = tree.display().to_string();
    let arguments =
        ["kafka", "--rootfs", &rootfs, "--preset", "safe,fast", "--faults", "netsplit", "--rate", "200", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    assert_eq!(document["run"]["broker_version"], "4.1.1", "{}", told(&output));
    assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds", "{document:#}");
    assert!(count(lane(&document, "fast"), "lost") > 0, "{document:#}");
}

#[test]
fn rabbitmq_runs_in_what_was_unpacked_from_its_image() {
    if !can_run("rabbitmq") {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let packaged = cache_dir().join("rootfs/rabbitmq/trixie");
    if !packaged.is_dir() {
        println!("skipped: `verify rootfs rabbitmq --suite trixie` has made nothing that an image could be made of");
        return;
    }
    let _turn = one_cluster();
    let (cache, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = registry.push("rabbitmq:4.0.5", &[&packaged]);
    let (tree, printed) = unpacked("rabbitmq", &image, cache.path());
    assert!(printed.starts_with("RabbitMQ 4.0.5 from 127.0.0.1:"), "{printed}");
    let rootfs = tree.display().to_string();
    let arguments =
        ["rabbitmq", "--rootfs", &rootfs, "--preset", "quorum", "--duration", "3s", "--rate", "100", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    assert_eq!(count(lane(&document, "quorum"), "lost"), 0, "{document:#}");
    assert!(lane(&document, "quorum")["stats"]["acked"].as_u64().unwrap() > 100, "{document:#}");
}
