//! What this machine permits, found out by doing it (for `verify doctor`).
//!
//! Everything is done in processes that end, so the caller stays as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::unistd::pipe2;

use crate::clock::{self, FakeClock, Setting};
use crate::disk::{self, UnsyncedDisk};
use crate::enclosure::error::Step;
use crate::enclosure::{EncloseError, enclose, facts};
use crate::local::queues::{self, LinkEnd};
use crate::local::tools::{IP, NFT, TC, Tool, ip_batch};
use crate::local::{ClusterError, LocalCluster, LocalHost, netns};
use crate::machines::Need;
use crate::network::{Cut, Impairment, Network};
use crate::process::Place;

pub use crate::machines::{Facility, Probe};

/// Longest message a check may send back, bytes; well below what a pipe holds.
const MESSAGE_BYTES: usize = 4096;
/// How long the check of the cut waits for an answer that should not come.
const SILENCE: Duration = Duration::from_millis(100);
/// By how much the check of clocks sets one, milliseconds, and how far off that an answer may be: it may be slow in coming.
const HOUR_MS: i64 = 3_600_000;
const CLOCK_OFF_S: u64 = 600;

impl Probe {
    fn new(name: &'static str, outcome: Result<String, Failure>) -> Self {
        match outcome {
            Ok(found) => Self { name, ok: true, found, remedy: None, only_for: None },
            Err(Failure { found, remedy }) => Self { name, ok: false, found, remedy, only_for: None },
        }
    }
}

/// Why something did not work.
struct Failure {
    found: String,
    remedy: Option<String>,
}

impl Failure {
    fn new(found: impl ToString, remedy: impl ToString) -> Self {
        Self { found: found.to_string(), remedy: Some(remedy.to_string()) }
    }
}

/// Tries all the local backend needs. Call it before any thread starts.
pub fn probes() -> Vec<Probe> {
    let mut probes = vec![
        Probe::new("program ip", version_of(IP, "-V")),
        Probe::new("program tc", version_of(TC, "-V")),
        Probe::new("program nft", version_of(NFT, "--version")),
    ];
    let enclosed = enclose(|| 0);
    probes.extend(namespace_probes(&enclosed));
    let checks: [(&'static str, Check); 3] = [
        ("link between namespaces (veth)", || make_link("veth", "link add verify0 type veth peer name verify1\n")),
        ("bridge", || make_link("bridge", "link add verify0 type bridge\n")),
        ("cut with counters (nft, bridge family)", cut_two_hosts),
    ];
    for (name, check) in checks {
        let outcome = if enclosed.is_ok() { inside(check) } else { Err(not_tried()) };
        probes.push(Probe::new(name, outcome));
    }
    let optional: [(&'static str, &'static str, Check); 5] = [
        ("disk that forgets what was not synced (FUSE)", "power-loss, slow-disk", lose_unsynced_writes),
        ("resets (nft, netdev family)", "reset", Facility::Reset.check()),
        ("token bucket (tc, tbf)", "bandwidth", Facility::Bandwidth.check()),
        ("delay of packets (tc, netem)", "delay", Facility::Delay.check()),
        ("clocks of nodes (libfaketime)", "clock", set_a_clock),
    ];
    for (name, fault, check) in optional {
        let outcome = if enclosed.is_ok() { inside(check) } else { Err(not_tried()) };
        probes.push(Probe { only_for: Some(fault), ..Probe::new(name, outcome) });
    }
    probes
}

impl Need {
    /// Why this machine does not give it, with what helps; nothing where it does.
    pub fn refusal(self) -> Option<String> {
        match self {
            Self::LayeredDisk => disk::refusal(),
            // A tmpfs: whoever may make a root file system may have it.
            Self::BoundedDisk => None,
            Self::Clock => clock::refusal(),
        }
    }
}

impl Facility {
    fn check(self) -> Check {
        match self {
            Self::Reset => answer_with_reset,
            Self::Bandwidth => || shape("sch_tbf", &queues::bandwidth(64)),
            Self::Delay => || shape("sch_netem", &queues::delay(1, 1)),
        }
    }

    /// Why this machine does not have it, and what gives it; nothing when it does. It is tried once; call this before any
    /// thread starts.
    pub fn refusal(self) -> Option<String> {
        static TRIED: [OnceLock<Option<String>>; 3] = [const { OnceLock::new() }; 3];
        let told = |Failure { found, remedy }: Failure| match remedy {
            Some(remedy) => format!("{}. {remedy}", found.trim_end_matches('.')),
            None => found,
        };
        TRIED[self as usize].get_or_init(|| inside(self.check()).err().map(told)).clone()
    }
}

/// Something to try inside an enclosure.
type Check = fn() -> Result<String, Failure>;

fn not_tried() -> Failure {
    Failure { found: String::from("not tried: it needs the namespaces above"), remedy: None }
}

fn version_of(tool: Tool, argument: &str) -> Result<String, Failure> {
    let install = format!("apt-get install {} (Debian, Ubuntu)", tool.package);
    let program = tool.find().map_err(|_| Failure::new("not found in PATH, /usr/sbin or /sbin", &install))?;
    let output = Command::new(&program).arg(argument).output().map_err(|error| Failure::new(error, &install))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{} {argument} ended with {}", program.display(), output.status), install));
    }
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(format!("{}: {version}", program.display()))
}

/// What one attempt at an enclosure says about each of its parts.
fn namespace_probes(enclosed: &Result<i32, EncloseError>) -> Vec<Probe> {
    let parts: [(&'static str, &[Step]); 4] = [
        ("user namespace", &[Step::UserNamespace, Step::UserMap]),
        ("network namespace", &[Step::NetworkNamespace, Step::Loopback]),
        (
            "mount, UTS, IPC and PID namespaces",
            &[Step::MountNamespace, Step::UtsNamespace, Step::IpcNamespace, Step::ProcessNamespace],
        ),
        ("mount of /proc", &[Step::PrivateMounts, Step::ProcMount]),
    ];
    let privileged = facts::is_privileged();
    let probe = |(name, steps): (&'static str, &[Step])| {
        let made =
            if privileged && name == "user namespace" { "not needed: this process is privileged" } else { "made" };
        let outcome = match enclosed {
            Ok(_) => Ok(made.to_owned()),
            Err(EncloseError::Refused { what, cause, remedy }) => {
                let here = steps.iter().any(|step| step.label() == *what);
                if here { Err(Failure::new(format!("{what} was refused: {cause}"), remedy)) } else { Err(unknown()) }
            }
            Err(error) => Err(Failure { found: error.to_string(), remedy: None }),
        };
        Probe::new(name, outcome)
    };
    parts.into_iter().map(probe).collect()
}

fn unknown() -> Failure {
    Failure { found: String::from("not known: another part was refused"), remedy: None }
}

/// Runs a check in an enclosure of its own.
fn inside(check: Check) -> Result<String, Failure> {
    let (reader, writer) =
        pipe2(OFlag::O_CLOEXEC).map_err(|errno| Failure::new(errno, "Raise the limit on open files: `ulimit -n`"))?;
    let mut writer = File::from(writer);
    let enclosed = enclose(move || {
        let (ok, found, remedy) = match check() {
            Ok(found) => (true, found, None),
            Err(Failure { found, remedy }) => (false, found, remedy),
        };
        let short: String = found.chars().take(MESSAGE_BYTES / 8).collect();
        let message = serde_json::json!([ok, short, remedy]).to_string();
        i32::from(writer.write_all(message.as_bytes()).is_err())
    });
    if let Err(error) = enclosed {
        return Err(Failure { found: error.to_string(), remedy: None });
    }
    let mut message = String::new();
    let read = File::from(reader).read_to_string(&mut message).map_err(|error| error.to_string());
    let parsed = read.and_then(|_| {
        serde_json::from_str::<(bool, String, Option<String>)>(&message).map_err(|error| error.to_string())
    });
    match parsed {
        Ok((true, found, _)) => Ok(found),
        Ok((false, found, remedy)) => Err(Failure { found, remedy }),
        Err(error) => Err(Failure { found: format!("the check ended without an answer: {error}"), remedy: None }),
    }
}

fn make_link(module: &str, batch: &str) -> Result<String, Failure> {
    let load = format!("Load the kernel's module: `modprobe {module}`");
    let namespace = netns::create().map_err(|error| Failure::new(error, "Run it as root"))?;
    ip_batch(Place::network(&namespace), "make the link", batch).map_err(|error| failure(error, &load))?;
    Ok(String::from("made"))
}

fn failure(error: ClusterError, remedy: &str) -> Failure {
    match error {
        ClusterError::MissingTool { package, .. } => {
            Failure::new(error, format!("apt-get install {package} (Debian, Ubuntu)"))
        }
        ClusterError::Network { cause, .. } => Failure::new(cause, remedy),
        other => Failure::new(other, remedy),
    }
}

/// Joins two hosts, sees that the counter of packets that got through counts, then cuts them off.
fn cut_two_hosts() -> Result<String, Failure> {
    let load = "Load the kernel's modules: `modprobe -a veth bridge nf_tables`";
    let host = |id: u32| LocalHost { id, name: format!("probe-{id}"), address: format!("198.18.0.{id}") };
    let cluster = LocalCluster::create(&[host(1), host(2)], Vec::new()).map_err(|error| failure(error, load))?;
    let mut network = cluster.network();
    let cut = Cut::all(vec![(1, 2), (2, 1)]);
    let refused = |error: crate::network::NetworkError| Failure::new(error.cause, load);
    let wrong = |found: &str| Failure::new(found, "Use a kernel and an nft of a current distribution");

    let watched = network.watch(&cut).map_err(refused)?;
    if !answers(&cluster) || network.counters(watched).map_err(refused)?.crossed_packets == 0 {
        return Err(wrong("packets that got through were not counted"));
    }
    network.heal(watched).map_err(refused)?;
    let id = network.cut(&cut).map_err(refused)?;
    if answers(&cluster) {
        return Err(wrong("a cut let packets through"));
    }
    let counted = network.counters(id).map_err(refused)?;
    if counted.dropped_packets == 0 || counted.crossed_packets != 0 {
        return Err(wrong(&format!("a cut was counted wrongly: {counted:?}")));
    }
    network.heal(id).map_err(refused)?;
    if !answers(&cluster) {
        return Err(wrong("a cut did not heal"));
    }
    Ok(String::from("two hosts were cut apart, counted and joined again"))
}

/// Joins two hosts and sees that what one says to the other is answered with a reset, and counted.
fn answer_with_reset() -> Result<String, Failure> {
    let load = "It takes Linux 5.11 with CONFIG_NFT_REJECT_NETDEV: `modprobe nft_reject_netdev`";
    let host = |id: u32| LocalHost { id, name: format!("probe-{id}"), address: format!("198.18.0.{id}") };
    let cluster = LocalCluster::create(&[host(1), host(2)], Vec::new()).map_err(|error| failure(error, load))?;
    let mut network = cluster.network();
    let refused = |error: crate::network::NetworkError| Failure::new(error.cause, load);
    let id = network.impair(&Impairment::Reset(vec![(1, 2), (2, 1)])).map_err(refused)?;
    let answered = answers(&cluster);
    let counted = network.counters(id).map_err(refused)?;
    if !answered || counted.reset_packets == 0 || counted.crossed_packets != 0 {
        return Err(Failure::new(format!("a reset was not answered or counted wrongly: {counted:?}"), load));
    }
    network.heal(id).map_err(refused)?;
    Ok(String::from("a connection was answered with a reset, and counted"))
}

/// Gives a link this discipline and takes it away.
fn shape(module: &str, discipline: &str) -> Result<String, Failure> {
    let load = format!("Load the kernel's module: `modprobe {module}`");
    let namespace = netns::create().map_err(|error| Failure::new(error, "Run it as root"))?;
    let end = LinkEnd { namespace, device: String::from("lo") };
    let tried = end.add(discipline).and_then(|()| end.counts()).and_then(|_| end.remove());
    tried.map_err(|cause| Failure::new(cause, &load))?;
    Ok(String::from("a link was given it"))
}

/// Sets the clock of a process an hour ahead and asks it for the time.
fn set_a_clock() -> Result<String, Failure> {
    let (Some(library), None) = (clock::library(), clock::refusal()) else {
        let told = clock::refusal().unwrap_or_default();
        let (found, remedy) = told.split_once(": ").unwrap_or((&told, ""));
        return Err(Failure::new(found, remedy));
    };
    let refused = |error: std::io::Error| Failure::new(error, "Run it as root, and see that there is a /dev/shm");
    let memory = clock::SharedMemory::lay().map_err(refused)?;
    let directory = tempfile::tempdir().map_err(refused)?;
    let faked = FakeClock::lay(&library, directory.path()).map_err(refused)?;
    faked.set(Setting::Ahead(HOUR_MS)).map_err(refused)?;
    let before_s = unix_s();
    let output = Command::new("date").arg("+%s").envs(faked.environment()).output().map_err(refused)?;
    drop(memory);
    let said = String::from_utf8_lossy(&output.stdout);
    let ahead_s = said.trim().parse::<i64>().ok().map(|said_s| said_s - before_s);
    if ahead_s.is_none_or(|ahead_s| ahead_s.abs_diff(HOUR_MS / 1_000) > CLOCK_OFF_S) {
        let told = String::from_utf8_lossy(&output.stderr);
        let found = format!("a clock was set an hour ahead, and was {ahead_s:?} s ahead. {}", told.trim());
        return Err(Failure::new(found.trim(), "apt-get install --reinstall libfaketime (Debian, Ubuntu)"));
    }
    Ok(format!("a clock was set an hour ahead and went so, through {}", library.display()))
}

fn unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Writes to a disk, syncs a part, cuts its power and sees what is left.
fn lose_unsynced_writes() -> Result<String, Failure> {
    if let Some(reason) = disk::refusal() {
        let (found, remedy) = reason.split_once(": ").unwrap_or((&reason, "load the kernel's module: `modprobe fuse`"));
        return Err(Failure::new(found, remedy));
    }
    let refused = |error: std::io::Error| Failure::new(error, "Load the kernel's module: `modprobe fuse`");
    let directory = tempfile::tempdir().map_err(refused)?;
    let disk = UnsyncedDisk::mount(directory.path()).map_err(refused)?;
    let path = directory.path().join("file");
    let mut file = File::create(&path).map_err(refused)?;
    let written = file.write_all(b"synced").and_then(|()| file.sync_all()).and_then(|()| file.write_all(b", not"));
    written.map_err(refused)?;
    drop(file);
    disk.cut_power().and_then(|()| disk.restore_power()).map_err(refused)?;
    let left = std::fs::read_to_string(&path).map_err(refused)?;
    if left != "synced" {
        return Err(Failure::new(format!("`{left}` was left of a file"), "Use a kernel of a current distribution"));
    }
    Ok(String::from("what was synced was there after the power was cut, the rest was not"))
}

/// Whether host 2 answers host 1 by TCP (a refusal is an answer).
fn answers(cluster: &LocalCluster) -> bool {
    let Some(namespace) = cluster.namespace(1) else { return false };
    let asked = std::thread::spawn(move || {
        setns(&*namespace, CloneFlags::CLONE_NEWNET).ok()?;
        match TcpStream::connect_timeout(&SocketAddr::from(([198, 18, 0, 2], 9)), SILENCE) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => None,
            _ => Some(()),
        }
    });
    matches!(asked.join(), Ok(Some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_part_is_the_one_that_is_marked_and_has_the_remedy() {
        let refused = Err(EncloseError::Refused {
            what: Step::ProcMount.label(),
            cause: String::from("Operation not permitted (EPERM)"),
            remedy: String::from("do this"),
        });
        let probes = namespace_probes(&refused);
        let marked: Vec<&str> = probes.iter().filter(|probe| probe.remedy.is_some()).map(|probe| probe.name).collect();
        assert_eq!(marked, ["mount of /proc"]);
        assert!(probes.iter().all(|probe| !probe.ok));
        assert!(namespace_probes(&Ok(0)).iter().all(|probe| probe.ok && probe.remedy.is_none()));
    }
}
