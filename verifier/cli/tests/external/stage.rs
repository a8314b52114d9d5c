//! A cluster that somebody else runs: nodes in namespaces of this test's own, which `verify` knows by address only.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use delivery_broker::{ClusterPlan, HostPlan, NodeSpec, Timings};
use delivery_cluster::local::{LocalCluster, LocalHost, LocalNetwork, NodeEvent};
use delivery_cluster::network::{Cut, ImpairmentId, Network};
use serde_json::Value;

/// Host `verify` and its clients run on.
const CLIENT_HOST: u32 = 101;
/// Its address.
pub(crate) const RUNNER: &str = "198.18.1.1";
/// Nodes that are the cluster.
const MEMBERS: [u32; 3] = [1, 2, 3];
/// Longest wait for any condition: reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(240);

/// Fault hook that asks this test for faults.
pub(crate) const HOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib/hooks/handover");

/// What differs between products.
pub(crate) struct Product {
    /// Listener that lets in everybody.
    pub(crate) open: u16,
    /// A preset that loses nothing.
    pub(crate) preset: &'static str,
    /// What leads `verify` to the listener with a port.
    pub(crate) lead: fn(u16) -> Vec<String>,
    /// What whoever runs the cluster does once it stands.
    pub(crate) settle: fn(&mut Stage),
    /// What stands on the cluster and has our prefix.
    pub(crate) left: fn(&mut Stage) -> Vec<String>,
    /// How many nodes of the cluster serve, as one of them knows.
    pub(crate) serving: fn(&mut Stage, u32) -> usize,
}

/// The nodes, and what was done to them.
pub(crate) struct Stage {
    pub(crate) product: &'static Product,
    cluster: LocalCluster,
    network: LocalNetwork,
    cut: Option<ImpairmentId>,
    /// A node was cut off, and the others have not been asked since whether it is one of them again.
    was_cut: bool,
    /// Whoever does nothing says that all is done, too.
    pub(crate) lies: bool,
    /// Does it, and does not say so.
    pub(crate) hangs: bool,
    /// What the hook was called with.
    pub(crate) asked: Vec<String>,
    pub(crate) directory: PathBuf,
    watched: RefCell<Vec<String>>,
}

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) out: PathBuf,
}

impl Ended {
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    pub(crate) fn told(&self) -> String {
        format!("exit {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

fn host(id: u32, name: &str, address: &str) -> LocalHost {
    LocalHost { id, name: name.to_owned(), address: address.to_owned() }
}

/// Address of a node.
pub(crate) fn address(id: u32) -> String {
    format!("198.18.0.{}", 10 + id)
}

/// Nodes with these numbers as one cluster, before anything is settled.
pub(crate) fn plan(directory: &Path, ids: &[u32]) -> ClusterPlan {
    let host = |id: &u32| HostPlan {
        id: *id,
        name: format!("n{id}"),
        address: address(*id),
        data_dir: directory.join("data").join(format!("n{id}")),
    };
    ClusterPlan {
        nodes: ids.iter().map(host).collect(),
        controllers: Vec::new(),
        config: Default::default(),
        timings: Timings::Short,
        run_id: format!("external-{}", std::process::id()),
    }
}

impl Stage {
    /// Starts the nodes, and waits until each serves clients.
    pub(crate) fn start(product: &'static Product, specs: &[NodeSpec], directory: &Path) -> Self {
        let mut hosts: Vec<LocalHost> =
            specs.iter().map(|spec| host(spec.host.id, &spec.host.name, &spec.host.address)).collect();
        hosts.push(host(CLIENT_HOST, "c1", RUNNER));
        let machine =
            |number: u32| host(CLIENT_HOST + number, &format!("m{number}"), &format!("198.18.1.{}", number + 1));
        hosts.extend([1, 2].map(machine));
        specs.iter().for_each(|spec| fs::create_dir_all(&spec.host.data_dir).unwrap());
        let mut cluster = LocalCluster::create(&hosts, specs[0].ports.clone()).unwrap();
        let logs = directory.join("node-logs");
        fs::create_dir_all(&logs).unwrap();
        cluster.start_nodes(specs, &logs, &|| false).unwrap();
        let network = cluster.network();
        let mut stage = Self {
            product,
            cluster,
            network,
            cut: None,
            was_cut: false,
            lies: false,
            hangs: false,
            asked: Vec::new(),
            directory: directory.to_owned(),
            watched: RefCell::default(),
        };
        let mut ready = 0;
        let comes = stage.comes(|stage| {
            for event in stage.cluster.poll_nodes() {
                match event {
                    NodeEvent::Ready { .. } => ready += 1,
                    other => panic!("{other:?}"),
                }
            }
            ready == specs.len()
        });
        assert!(comes, "waited in vain for the nodes: {ready} are ready");
        stage
    }

    /// Whether `condition` comes to hold.
    fn comes(&mut self, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        while !condition(self) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Runs a command on the client's host, and gives back what it says.
    pub(crate) fn on_client(&mut self, command: Command) -> String {
        let child = self.cluster.spawn(CLIENT_HOST, piped(command)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A program on another machine (1, 2) than `verify` is on, whose clock since start stands `ahead_s` ahead. What it
    /// says goes into `output`.
    pub(crate) fn on_machine(&mut self, machine: u32, ahead_s: u64, program: &Command, output: &Path) -> Child {
        let mut command = Command::new("unshare");
        command.args(["--time", "--monotonic", &ahead_s.to_string(), "--fork", "--kill-child", "--"]);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let said = fs::File::create(output).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        self.cluster.spawn(CLIENT_HOST + machine, command).unwrap()
    }

    /// Writes a file for `verify` to read; gives back its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Nothing of any run stands on the cluster, and nobody thinks so.
    pub(crate) fn is_tidy(&mut self) {
        // A node that was just cut off tells of what was deleted meanwhile until it has caught up.
        let mut left = Vec::new();
        self.comes(|stage| {
            left = (stage.product.left)(stage);
            left.is_empty()
        });
        assert_eq!(left, Vec::<String>::new(), "what runs made stands on the cluster");
        assert_eq!(self.notes(), 0, "a note of a run that is over and tidy");
    }

    /// Every node knows every other again: what does not is another cluster than a case begins with.
    fn is_whole(&mut self) {
        if !std::mem::take(&mut self.was_cut) {
            return;
        }
        let mut serving = Vec::new();
        let comes = self.comes(|stage| {
            serving = MEMBERS.map(|node| (stage.product.serving)(stage, node)).to_vec();
            serving.iter().all(|count| *count == MEMBERS.len())
        });
        assert!(comes, "waited in vain for the cluster to be whole: its nodes know {serving:?} that serve");
    }

    /// Runs that may have left something.
    pub(crate) fn notes(&self) -> usize {
        fs::read_dir(self.directory.join("cache/external")).map_or(0, Iterator::count)
    }

    /// A run against the listener with this port.
    pub(crate) fn begin(&mut self, port: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        self.asked.clear();
        self.is_whole();
        let handover = self.directory.join("handover");
        drop(fs::remove_dir_all(&handover));
        fs::create_dir_all(&handover).unwrap();
        let out = tempfile::tempdir_in(&self.directory).unwrap().keep();
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
        command.args((self.product.lead)(port));
        command.args(arguments).arg("--out").arg(&out);
        command.env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").env("VERIFY_CACHE_DIR", self.directory.join("cache"));
        command.env("VERIFY_HANDOVER_DIR", &handover).envs(environment.iter().copied());
        let (stdout, stderr) = (out.join("stdout"), out.join("stderr"));
        command.stdin(Stdio::null());
        command.stdout(fs::File::create(&stdout).unwrap()).stderr(fs::File::create(&stderr).unwrap());
        let child = self.cluster.spawn(CLIENT_HOST, command).unwrap();
        Run { child, out, handover, stdout, stderr }
    }

    /// The same, to its end.
    pub(crate) fn run(&mut self, port: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let run = self.begin(port, arguments, environment);
        self.finish(run, |_| ())
    }

    /// One against the open listener whose fault comes by `hook`.
    pub(crate) fn begin_with_hook(&mut self, faults: &str, hook: &str, more: &[&str]) -> Run {
        let fault = ["--faults", faults, "--fault-hook", hook, "--i-own-this-cluster", "--require", "none", "--json"];
        self.begin(self.product.open, &[&fault[..], more].concat(), &[])
    }

    /// The same, to its end.
    pub(crate) fn run_with_hook(&mut self, faults: &str, hook: &str, more: &[&str]) -> Ended {
        let run = self.begin_with_hook(faults, hook, more);
        self.finish(run, |_| ())
    }

    /// Serves the hook until the run has ended; `look` is asked again and again meanwhile.
    pub(crate) fn finish(&mut self, mut run: Run, mut look: impl FnMut(&Run)) -> Ended {
        let mut code = None;
        let ends = self.comes(|stage| {
            stage.serve(&run);
            look(&run);
            code = run.child.try_wait().unwrap();
            code.is_some()
        });
        assert!(ends, "waited in vain for the end of the run: {}", run.progress());
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        Ended { code: code.unwrap().code(), stdout: read(&run.stdout), stderr: read(&run.stderr), out: run.out }
    }

    /// Waits until `condition` holds of a run that goes on.
    pub(crate) fn watch(&mut self, run: &Run, what: &str, mut condition: impl FnMut(&Self, &Run) -> bool) {
        let comes = self.comes(|stage| {
            stage.serve(run);
            condition(stage, run)
        });
        assert!(comes, "waited in vain until {what}: {}", run.progress());
    }

    /// Does what the hook asks for: cuts the target from its peers, or takes that back.
    pub(crate) fn serve(&mut self, run: &Run) {
        let Ok(request) = fs::read_to_string(run.handover.join("request")) else { return };
        fs::remove_file(run.handover.join("request")).unwrap();
        let words: Vec<&str> = request.split_whitespace().collect();
        self.asked.push(request.trim_end().to_owned());
        if !self.lies {
            match words[0] {
                "start" => self.cut_off(words[2].parse().unwrap()),
                _ => self.heal(),
            }
        }
        if self.hangs && words[0] == "start" {
            return;
        }
        fs::write(run.handover.join("done.part"), &request).unwrap();
        fs::rename(run.handover.join("done.part"), run.handover.join("done")).unwrap();
    }

    fn cut_off(&mut self, target: u32) {
        self.was_cut = true;
        let others = MEMBERS.into_iter().filter(|node| *node != target);
        let pairs = others.flat_map(|other| [(target, other), (other, target)]).collect();
        self.cut = Some(self.network.cut(&Cut::all(pairs)).unwrap());
    }

    pub(crate) fn heal(&mut self) {
        if let Some(cut) = self.cut.take() {
            self.network.heal(cut).unwrap();
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Remembers what processes show to everybody: their command lines, and environments of those `verify` started.
    pub(crate) fn look_at_processes(&self) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| {
                String::from_utf8_lossy(&fs::read(entry.path().join(name)).unwrap_or_default()).replace('\0', " ")
            };
            let line = read("cmdline");
            let mut watched = self.watched.borrow_mut();
            if line.contains("__worker") || line.contains("__caretaker") {
                watched.push(read("environ"));
            }
            watched.push(line);
        }
    }

    /// What was seen of processes.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.watched.take()
    }
}

/// A run that goes on.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) out: PathBuf,
    handover: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Run {
    /// What it has said on standard error so far.
    pub(crate) fn progress(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
