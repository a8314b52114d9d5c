//! One real broker on a loopback address, without namespaces: the adapter's own node description, run as a plain
//! process group that is killed when the test ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::{
    ClientSpec, ClusterPlan, Consumer, ConsumerEvent, DestinationRef, HostPlan, InstallRequest, Installation,
    LaneRequest, LaneTopic, MessageId, NodeAddress, NodeSpec, Producer, RealSystem, SendReport, System, Timings,
    encode,
};
use delivery_rabbitmq::RabbitMq;

/// In every payload.
pub(crate) const RUN_TAG: u64 = 77;
/// What the node and its clients share.
const SECRET: &str = "HARNESS";
/// Longest wait for anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds a broker, or says why the test is skipped. With `VERIFY_REQUIRE=rabbitmq` a skipped test is a failed one.
pub(crate) fn install() -> Option<Installation> {
    let request = InstallRequest { cache_dir: PathBuf::from("/nonexistent"), ..InstallRequest::default() };
    match RabbitMq.install(&request, &mut |line| println!("{line}")) {
        Ok(installation) => Some(installation),
        Err(error) => {
            let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|names| names.contains("rabbitmq"));
            assert!(!required, "VERIFY_REQUIRE asks for RabbitMQ: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

/// One node at a time: before it starts, a broker tries out its distribution port on every address.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A node that runs.
pub(crate) struct Node {
    spec: NodeSpec,
    child: Option<Child>,
    directory: tempfile::TempDir,
    address: String,
    _alone: MutexGuard<'static, ()>,
}

impl Node {
    /// Starts a node at `127.0.77.{number}` and waits until it says that it is ready.
    pub(crate) fn start(installation: &Installation, number: u32) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let address = format!("127.0.77.{number}");
        let host = HostPlan {
            id: 1,
            name: String::from("node1"),
            address: address.clone(),
            data_dir: directory.path().join("node1"),
        };
        let config = BTreeMap::from([(String::from("cluster.secret"), String::from(SECRET))]);
        let run_id = format!("test-{}", std::process::id());
        let plan = ClusterPlan { nodes: vec![host], controllers: Vec::new(), config, timings: Timings::Short, run_id };
        let mut spec = RabbitMq.nodes(&plan, installation).unwrap().remove(0);
        for file in &spec.files {
            fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            fs::write(&file.path, &file.text).unwrap();
            fs::set_permissions(&file.path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        // Names are resolved and ports mapped for this node alone, whatever else runs on the machine.
        let inetrc = directory.path().join("inetrc");
        let dotted = address.replace('.', ",");
        fs::write(&inetrc, format!("{{host,{{{dotted}}},[\"node1\"]}}.\n{{lookup,[file,native]}}.\n")).unwrap();
        let environment = &mut spec.command.environment;
        environment.insert(String::from("ERL_INETRC"), inetrc.display().to_string());
        environment.insert(String::from("ERL_EPMD_PORT"), (43_600 + number).to_string());
        environment.insert(String::from("ERL_EPMD_ADDRESS"), address.clone());
        let flags = environment.get_mut("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS").unwrap();
        flags.push_str(&format!(" -kernel inet_dist_use_interface {{{dotted}}}"));
        let mut node = Self { spec, child: None, directory, address, _alone: alone };
        node.run();
        node
    }

    fn run(&mut self) {
        let started = Instant::now();
        let spec = &self.spec.command;
        let mut command = Command::new(&spec.program);
        command.args(&spec.arguments).env_clear().envs(&spec.environment).process_group(0);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let ready = self.listen(output);
        let limit = Duration::from_millis(self.spec.ready_limit_ms);
        assert!(ready.recv_timeout(limit).is_ok(), "not ready:\n{}", fs::read_to_string(self.log()).unwrap());
        println!("ready after {:?}", started.elapsed());
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("node.log")
    }

    fn listen(&self, output: impl BufRead + Send + 'static) -> Receiver<()> {
        let (sender, ready) = channel();
        let (line_text, log) = (self.spec.ready_line.clone(), self.log());
        std::thread::spawn(move || {
            use std::io::Write;
            let mut file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            for line in output.lines().map_while(Result::ok) {
                if line.contains(&line_text) {
                    let _ = sender.send(());
                }
                if writeln!(file, "{line}").is_err() {
                    break;
                }
            }
        });
        ready
    }

    /// Ends the node as a crash does.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // The whole group: the shell, the port mapper and the broker.
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = child.wait();
    }

    /// Starts it again with what it had stored.
    pub(crate) fn restart(&mut self) {
        self.run();
    }

    /// How a client of a lane connects.
    pub(crate) fn client(&self, name: &str, lane: &TestLane) -> ClientSpec {
        let mut config = lane.topic.config.clone();
        config.insert(String::from("cluster.secret"), String::from(SECRET));
        config.insert(String::from("cluster.timings"), String::from("short"));
        ClientSpec {
            seat: String::from("seat"),
            controllers: Vec::new(),
            client_name: name.to_owned(),
            run_tag: RUN_TAG,
            nodes: vec![NodeAddress { id: 1, address: self.address.clone() }],
            destinations: vec![lane.destination.clone()],
            config,
            group: None,
            outputs: Vec::new(),
            read_uncommitted: None,
            access: None,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A lane of a test.
pub(crate) struct TestLane {
    pub(crate) topic: LaneTopic,
    pub(crate) destination: DestinationRef,
}

impl TestLane {
    /// A lane of this preset with these settings.
    pub(crate) fn new(index: u16, name: &str, preset: &str, overrides: &[(&str, &str)]) -> Self {
        let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = LaneRequest { preset: Some(preset.to_owned()), overrides, files: Vec::new() };
        let plan = RabbitMq.lane(&request).unwrap();
        let topic = LaneTopic {
            name: name.to_owned(),
            partitions: 1,
            dead_letters: plan.dead_letters.then(|| format!("{name}.dead")),
            config: plan.lane.config,
        };
        Self { topic, destination: DestinationRef { index, name: name.to_owned(), partition: None } }
    }

    /// The queue its dead letters end in.
    pub(crate) fn dead_letters(&self) -> DestinationRef {
        let name = self.topic.dead_letters.clone().unwrap();
        DestinationRef { index: self.destination.index + 100, name, partition: None }
    }
}

/// Sends messages `from..to` and waits until each has its outcome.
pub(crate) fn send(producer: &mut dyn Producer, destination: u16, from: u32, to: u32) -> Vec<SendReport> {
    let mut payload = Vec::new();
    let mut reports = Vec::new();
    for sequence in from..to {
        let id = MessageId { session: 9, sequence };
        encode(&mut payload, RUN_TAG, id, 0, 100);
        producer.send(destination, id, 0, &payload).unwrap();
        if sequence % 50 == 0 {
            producer.poll(Duration::ZERO, &mut reports);
        }
    }
    let until = Instant::now() + PATIENCE;
    while producer.in_flight() > 0 {
        assert!(Instant::now() < until, "{} sends without an outcome", producer.in_flight());
        producer.poll(Duration::from_millis(50), &mut reports);
    }
    producer.poll(Duration::ZERO, &mut reports);
    reports
}

/// Polls until an event is one that is waited for; tells all that came.
pub(crate) fn poll_until(
    consumer: &mut dyn Consumer,
    mut wanted: impl FnMut(&ConsumerEvent) -> bool,
) -> Vec<ConsumerEvent> {
    let mut seen = Vec::new();
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "what was waited for did not come; seen: {seen:?}");
        let Some(event) = consumer.poll(Duration::from_millis(100)).unwrap() else { continue };
        seen.push(event);
        if wanted(&event) {
            return seen;
        }
    }
}
