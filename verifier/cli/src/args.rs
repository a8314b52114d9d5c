//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use delivery_broker::Timings;
use delivery_runner::{AuditMode, MAX_MACHINES};

/// Proves what message brokers really deliver: runs producers and consumers under faults, checks
/// every message, and says which guarantees held.
#[derive(Debug, Parser)]
#[command(name = "verify", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify a real three-node Apache Kafka cluster, started on this machine.
    #[cfg(feature = "kafka")]
    Kafka(RunArgs),
    /// Verify a real three-node RabbitMQ cluster, started on this machine.
    #[cfg(feature = "rabbitmq")]
    Rabbitmq(RunArgs),
    /// Verify the embedded PubSub on a simulated network: needs nothing, takes a second.
    Pubsub(Box<SeedsArgs>),
    /// Judge a finished or killed run again from its directory alone, or a history that others recorded.
    Check(CheckArgs),
    /// Run the very schedule of a recorded run again: same lanes, settings, seed and times, and the same nodes hit.
    Replay(ReplayArgs),
    /// Run the cells of a file: many configurations, versions and faults, against what is expected of each.
    Matrix(MatrixArgs),
    /// Make the runs of a matrix, told what to do on standard input: for `verify matrix` itself.
    #[command(hide = true)]
    MatrixRuns,
    /// Show what vendors promise, and where they say it.
    Claims(ClaimsArgs),
    /// Take away run directories that are not worth their space.
    Prune(PruneArgs),
    /// Make the schedule of a failing simulated run as small as it can be while it still fails.
    Shrink(ShrinkArgs),
    /// Write the history of a run for other programs.
    Export(ExportArgs),
    /// Join a run that is started elsewhere with --machines, and run clients of it here.
    Worker(WorkerArgs),
    /// Write the results of many runs as tables and one page: for readers, spreadsheets and continuous integration.
    Report(ReportArgs),
    /// Show presets, faults, settings or guarantees.
    List(ListArgs),
    /// Try the checks: broken buses and histories they must catch, correct ones they must leave alone.
    Mutants(MutantsArgs),
    /// Make a root file system with one release of a broker, without root, from Debian's packages or an image.
    #[cfg(any(feature = "kafka", feature = "rabbitmq"))]
    Rootfs(RootfsArgs),
    /// Try out what this machine permits, and say how to install or permit what is missing.
    Doctor(DoctorArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man,
}

/// How a run is shown.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print one JSON document instead of the table.
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error.
    #[arg(long)]
    pub quiet: bool,
    /// When to colour the table.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Append one row per lane to this file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Nothing on standard output: a table of several runs says it.
    #[arg(skip)]
    pub silent: bool,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which backend runs the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The one that fits the system.
    Auto,
    /// Linux namespaces on this machine.
    Local,
    /// Containers of the Docker engine on this machine.
    Docker,
    /// A simulated network and clock in this process.
    Simulated,
    /// Nodes that somebody else runs: only addresses are known.
    External,
}

/// Timings as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimingsArg {
    /// As the vendor ships them.
    Vendor,
    /// Shortened: the headline says so.
    Short,
}

impl From<TimingsArg> for Timings {
    fn from(timings: TimingsArg) -> Self {
        match timings {
            TimingsArg::Vendor => Self::Vendor,
            TimingsArg::Short => Self::Short,
        }
    }
}

/// How much the audit reads, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditArg {
    /// Every replica.
    Full,
    /// One replica: whether replicas agree is then not shown.
    Quick,
}

impl From<AuditArg> for AuditMode {
    fn from(audit: AuditArg) -> Self {
        match audit {
            AuditArg::Full => Self::Full,
            AuditArg::Quick => Self::Quick,
        }
    }
}

/// A run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Version of the product (Kafka: 3.3.1 or later), resolved through the system's package manager; several run in
    /// turn, and make one table.
    #[arg(long, value_name = "VERSION[,VERSION]", value_delimiter = ',')]
    pub broker_version: Vec<String>,
    /// The vendor's archive to run instead.
    #[arg(long, value_name = "FILE", conflicts_with = "broker_version")]
    pub dist: Option<PathBuf>,
    /// A root file system that holds the product, to run instead (`verify rootfs` makes one).
    #[arg(long, value_name = "DIR", conflicts_with_all = ["broker_version", "dist"])]
    pub rootfs: Option<PathBuf>,
    /// Get what the version needs, downloads included, and start nothing.
    #[arg(long)]
    pub install_only: bool,
    /// Image that holds the product, with --backend docker; without it the vendor's own, and with no tag the version.
    #[arg(long, value_name = "NAME[:TAG]", conflicts_with_all = ["dist", "rootfs"])]
    pub image: Option<String>,
    /// Configurations to run side by side (`verify list presets`); without any, the tour.
    #[arg(long, value_name = "PRESET", value_delimiter = ',')]
    pub preset: Vec<String>,
    /// Override one setting: `acks=1`, `topic.min.insync.replicas=1` (`verify list settings`).
    #[arg(long, value_name = "[SCOPE.]KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Your producer's configuration file: makes the lane `mine`.
    #[arg(long, value_name = "FILE")]
    pub producer_config: Option<PathBuf>,
    /// Your consumer's configuration file.
    #[arg(long, value_name = "FILE")]
    pub consumer_config: Option<PathBuf>,
    /// Your topic's configuration file.
    #[arg(long, value_name = "FILE")]
    pub topic_config: Option<PathBuf>,
    /// Your broker's configuration file.
    #[arg(long, value_name = "FILE")]
    pub broker_config: Option<PathBuf>,
    /// Faults, each FAULT[:SHAPE][=AMOUNT][@START][+DURATION][*TIMES] (`netsplit:leader@5s+20s`,
    /// `kill:consumer+1s*3`, `loss=30`), or `none`; `random` draws them from the seed. Without it, none. `verify list
    /// faults` has them all.
    #[arg(long, value_name = "FAULTS", conflicts_with = "schedule")]
    pub faults: Option<String>,
    /// Faults from a TOML file, such as the schedule.toml of another run.
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// Length of the load (`30s`); without it, what the faults need.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Messages a second and lane; 1000 without it (with --seeds: 100).
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// Bytes a message.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub size: u32,
    /// Producers a lane; without it one, or one for each side that a fault confines clients to.
    #[arg(long, value_name = "N")]
    pub producers: Option<u16>,
    /// Consumers a lane (the PubSub: one a node, always).
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub consumers: u16,
    /// Seed of everything drawn; without it, a new one, which the output names.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Failure detection and election timings.
    #[arg(long, default_value = "vendor")]
    pub timings: TimingsArg,
    /// Guarantee the exit code answers for, of one lane or all; `none` for no guarantee. With a
    /// configuration of yours, `durability` is required unless you say otherwise.
    #[arg(long, value_name = "[LANE:]GUARANTEE|none")]
    pub require: Vec<String>,
    /// What runs the nodes.
    #[arg(long, default_value = "auto")]
    pub backend: Backend,
    /// How much of the stored log is read at the end.
    #[arg(long, default_value = "full")]
    pub audit: AuditArg,
    /// Where run directories are made.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Leave the nodes' data in the run directory.
    #[arg(long)]
    pub keep_data: bool,
    /// A cluster that somebody else runs.
    #[command(flatten)]
    pub external: ExternalArgs,
    /// How it is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where a cluster is that somebody else runs, how to get in, and who breaks it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A cluster that somebody else runs (--backend external)")]
pub struct ExternalArgs {
    /// Addresses of Kafka's brokers, one at least.
    #[arg(long, value_name = "HOST:PORT,...")]
    pub bootstrap_server: Option<String>,
    /// Where RabbitMQ's nodes are: amqp(s)://USER@HOST:PORT/VHOST, without the password.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// File with what it takes to get in: user, password, certificates, as Kafka's clients read it. A password may come
    /// in VERIFY_PASSWORD instead. It never goes into a run directory, a log or a process list.
    #[arg(long, value_name = "FILE")]
    pub client_config: Option<PathBuf>,
    /// Command that injects faults of nodes: called with start or heal, the fault, the targets' numbers and addresses
    /// (contrib/hooks/ has some).
    #[arg(long, value_name = "CMD")]
    pub fault_hook: Option<String>,
    /// How long one call of it may take; 30s without it.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub fault_hook_limit: Option<Duration>,
    /// The cluster is yours to break: faults may be injected, and more than 1000 messages a second sent.
    #[arg(long)]
    pub i_own_this_cluster: bool,
    /// Run the clients on this many other machines, each of which runs `verify worker`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_MACHINES)))]
    pub machines: Option<u16>,
    /// Where those join this run.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:7654", requires = "machines")]
    pub listen: String,
    /// How long they are waited for; 5m without it.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, requires = "machines")]
    pub machines_limit: Option<Duration>,
    /// File with the token that this run and those machines share; without it, VERIFY_WORKER_TOKEN.
    #[arg(long, value_name = "FILE", requires = "machines")]
    pub token_file: Option<PathBuf>,
}

/// Joining a run.
#[derive(Clone, Debug, Args)]
pub struct WorkerArgs {
    /// Where the run is that was started with --machines (its port is 7654 unless --listen says otherwise).
    #[arg(value_name = "HOST:PORT")]
    pub runner: String,
    /// What this machine is called in the run; its host name without it.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// File with what it takes to get into the cluster from here, as for the run itself. A password may come in
    /// VERIFY_PASSWORD instead. The run does not send its own.
    #[arg(long, value_name = "FILE")]
    pub client_config: Option<PathBuf>,
    /// File with the token that the run and this machine share; without it, VERIFY_WORKER_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How long the run is waited for; 5m without it.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub join_limit: Option<Duration>,
    /// Folder for what is recorded until it is handed over; the system's own for such without it.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Nothing on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// Formats of histories that others recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// Operations of Jepsen's Kafka workload, as JSON lines or EDN.
    Jepsen,
    /// One event a line, as JSON: your own logs, or an exported run.
    Jsonl,
}

/// Judging again.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The run's directory, such as `runs/latest`; with --format, the file.
    #[arg(value_name = "RUN_DIR|FILE")]
    pub path: PathBuf,
    /// Judge a history that others recorded, in this format.
    #[arg(long)]
    pub format: Option<ImportFormat>,
    /// Take the order of offsets for an order of transactions (with --format jepsen).
    #[arg(long, requires = "format")]
    pub ww_deps: bool,
    /// Guarantees the exit code answers for, instead of those the run was started with (with --format: instead of all).
    #[arg(long, value_name = "[LANE:]GUARANTEE|none")]
    pub require: Vec<String>,
    /// How it is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A simulated run, or many.
#[derive(Clone, Debug, Args)]
pub struct SeedsArgs {
    /// Explore every seed of a range instead of running one: 20 simulated seconds each, three nodes, on all cores. Faults
    /// are drawn from each seed unless they are given; no run leaves files unless it breaks a promise.
    #[arg(long, value_name = "A..B", value_parser = seed_range, conflicts_with = "seed")]
    pub seeds: Option<SeedRange>,
    /// Leave a run directory of every seed.
    #[arg(long, requires = "seeds")]
    pub keep: bool,
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Seeds from the first up to, and without, the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first.
    pub first: u64,
    /// One behind the last.
    pub end: u64,
}

impl SeedRange {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.end - self.first
    }
}

fn seed_range(text: &str) -> Result<SeedRange, String> {
    let range = text.split_once("..").and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)));
    match range {
        Some((first, end)) if first < end => Ok(SeedRange { first, end }),
        _ => Err(String::from("seeds look like 0..10000: from the first up to, and without, the second")),
    }
}

/// Shrinking.
#[derive(Clone, Debug, Args)]
pub struct ShrinkArgs {
    /// The directory of a failing simulated run.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// What must stay violated; without it, the gravest violation of the run.
    #[arg(long, value_name = "[LANE:]GUARANTEE")]
    pub require: Vec<String>,
    /// Where the directory of the smallest run is made.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Nothing on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// Which runs of a matrix keep their histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeepArg {
    /// All.
    All,
    /// Those that are surprising, inconclusive or, with nothing expected, violated; of the others run.json and
    /// findings.json stay.
    Failing,
}

/// Many runs from one file.
#[derive(Clone, Debug, Args)]
pub struct MatrixArgs {
    /// The file (TOML), such as `workloads/quick.toml`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only cells whose name or row matches (`K*`, `*/fast/*`); may be given again.
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
    /// How often each cell is run, whatever the file says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: Option<u32>,
    /// How often a repetition that is inconclusive is run again, alone; all of it is recorded.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub retries: u32,
    /// Directory of the journal and the run directories; without it, one under `matrices`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the matrix in --out, which was stopped or killed: what has its result is not run again.
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Which runs keep their histories.
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub keep: KeepArg,
    /// Number that the seeds of all runs are drawn from; without it, a new one.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Show the cells and what is expected of each, and run nothing.
    #[arg(long)]
    pub list: bool,
    /// Print the results as one JSON document instead of lines.
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// What vendors promise.
#[derive(Clone, Debug, Args)]
pub struct ClaimsArgs {
    /// Of which system; without it, of all.
    pub system: Option<String>,
    /// Only claims about a configuration with these settings, by full name (`producer.acks=all,topic.min.insync.replicas=2`);
    /// `version=4.1.1` and `fault=netsplit:leader` narrow it further.
    #[arg(long = "for", value_name = "KEY=VALUE,...", value_delimiter = ',', value_parser = key_value)]
    pub settings: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Cleaning up.
#[derive(Clone, Debug, Args)]
pub struct PruneArgs {
    /// A directory of run directories, or of a matrix.
    #[arg(value_name = "DIR", default_value = "runs")]
    pub dir: PathBuf,
    /// Take away failing runs, too. Without it, only runs whose verdict was neither violated nor inconclusive go.
    #[arg(long)]
    pub all: bool,
    /// Only runs that ended longer ago than this (`7d`).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Say what would go, and take nothing away.
    #[arg(long)]
    pub dry_run: bool,
}

/// Running again.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The run's directory, such as `runs/latest`.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// The vendor's archive to run instead of the recorded version.
    #[arg(long, value_name = "FILE")]
    pub dist: Option<PathBuf>,
    /// A root file system that holds the product, to run instead.
    #[arg(long, value_name = "DIR", conflicts_with = "dist")]
    pub rootfs: Option<PathBuf>,
    /// Where the new run's directory is made.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// How it is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Formats runs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One event a line, as JSON: `verify check --format jsonl` judges it as the run itself.
    Jsonl,
    /// One event a row, for spreadsheets.
    Csv,
    /// Operations of Jepsen's Kafka workload, as JSON lines.
    Jepsen,
    /// One event a row, for query engines (built with `--features parquet`).
    Parquet,
}

/// Writing a history for others.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The run's directory, such as `runs/latest`.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// The format.
    #[arg(long)]
    pub format: ExportFormat,
    /// Where it is written; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Publishing tables.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Directories of runs, of matrices, or that hold such.
    #[arg(value_name = "DIR", required_unless_present = "onto")]
    pub directories: Vec<PathBuf>,
    /// Where the tables are written.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Tables that were published before and are gone on with: what they say stays, except where a newer run is about the
    /// same. May be where the new ones go.
    #[arg(long, value_name = "RESULTS")]
    pub onto: Option<PathBuf>,
    /// Tables that were published before: says what changed, and exits 1 where something is newly violated.
    #[arg(long, value_name = "RESULTS")]
    pub since: Option<PathBuf>,
    /// Nothing on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// What `verify list` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// Named configurations.
    Presets,
    /// Faults and their shapes.
    Faults,
    /// Settings for `--set`.
    Settings,
    /// What is judged.
    Guarantees,
}

/// Listing.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// What to list.
    pub topic: Topic,
    /// Of which system; without it, of all.
    pub system: Option<String>,
}

/// Trying the checks.
#[derive(Clone, Debug, Args)]
pub struct MutantsArgs {
    /// Print one JSON document instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// Making a root file system.
#[derive(Clone, Debug, Args)]
pub struct RootfsArgs {
    /// With which broker: `kafka`, `rabbitmq`.
    pub system: String,
    /// From which of Debian's suites (bullseye, bookworm, trixie, sid): it decides the release. RabbitMQ only.
    #[arg(long, value_name = "SUITE", required_unless_present = "image")]
    pub suite: Option<String>,
    /// From which image of a registry (`apache/kafka:4.1.1`, `rabbitmq:4.1`); no engine is needed.
    #[arg(long, value_name = "NAME[:TAG]", conflicts_with_all = ["suite", "mirror"])]
    pub image: Option<String>,
    /// The mirror to download packages from; without it, the one this machine's own come from.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// No progress on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// Probing.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// For which system; without it, for all.
    pub system: Option<String>,
}

/// Completions.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    pub shell: clap_complete::Shell,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(String::from("a setting looks like acks=1 or topic.min.insync.replicas=2")),
    }
}
