//! `verify kafka`, `verify pubsub`: one run, start to verdict.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use delivery_broker::{ConfigFile, Installation, LaneRequest, Scope, System};
use delivery_faults::{FaultRequest, Schedule};
use delivery_history::manifest::{Phase, Requirement};
use delivery_runner::{
    Completed, Interrupts, Progress, RunEnd, RunError, RunPlan, RunRequest, draw_faults, run_simulated,
};

use crate::args::{Backend, OutputArgs, RunArgs};
use crate::commit::plan;
use crate::exit::CliError;
use crate::outcome;
use crate::progress::progress;
use crate::real;

/// Messages a second and lane where nobody says how many.
const DEFAULT_RATE_PER_S: u32 = 1_000;

/// Runs a system as asked for; returns the exit code.
///
/// # Errors
/// What keeps it from a verdict.
pub fn run(system: &'static dyn System, args: &RunArgs) -> Result<i32, CliError> {
    if system.simulated().is_none() {
        real::check()?;
    }
    if args.backend == Backend::External {
        return real::run_outside(system, args);
    }
    refuse_options(args)?;
    check_backend(system, args)?;
    if args.install_only {
        return real::make_all(system, args);
    }
    if args.broker_version.len() > 1 {
        return real::run_versions(system, args);
    }
    let request = request(system, args)?;
    let planned = plan(system, &request)?;
    tell_drawn(&request, args);
    if let Some(simulated) = system.simulated() {
        let interrupts = listen()?;
        let mut shown = progress(args.output.quiet);
        let completed = run_simulated(&planned, &request.out, simulated, &interrupts, shown.as_mut())?;
        return conclude(&completed, shown, &args.output);
    }
    real::run(system, args, &request.out, planned)
}

pub(crate) fn listen() -> Result<Interrupts, CliError> {
    Interrupts::listen().map_err(|error| CliError::CouldNotRun(format!("cannot listen to Ctrl-C: {error}")))
}

/// Judges what the run left, or says why there is nothing to judge.
pub(crate) fn conclude(
    completed: &Completed,
    mut shown: Box<dyn Progress>,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    match &completed.end {
        RunEnd::Finished | RunEnd::CutShort(_) => {
            shown.phase(Phase::Judge, None);
            drop(shown);
            outcome::judge_and_show(&completed.run_dir, None, output)
        }
        RunEnd::CouldNotRun(reason) => {
            let logs = completed.run_dir.logs_dir();
            Err(CliError::CouldNotRun(format!("{reason}\nThe logs stand in {}", logs.display())))
        }
        RunEnd::Stopped => Err(CliError::Stopped),
    }
}

/// What the version that will run does not have is refused before anything starts.
pub(crate) fn check_lanes(system: &dyn System, planned: &RunPlan, installation: &Installation) -> Result<(), CliError> {
    let Some(real) = system.real() else { return Ok(()) };
    for lane in &planned.lanes {
        real.check_lane(lane, installation)?;
    }
    Ok(())
}

pub(crate) fn announce(planned: &RunPlan, quiet: bool) {
    if quiet {
        return;
    }
    let manifest = &planned.manifest;
    let lanes: Vec<&str> = manifest.lanes.iter().map(|lane| lane.name.as_str()).collect();
    if let Some(expected_ms) = planned.expected_ms {
        eprintln!("{}: lanes {}; about {} s in all", manifest.run_id, lanes.join(", "), expected_ms.div_ceil(1_000));
    }
}

/// `$VERIFY_CACHE_DIR`, else `$XDG_CACHE_HOME/delivery-verifier`, else `~/.cache/delivery-verifier`.
pub fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("VERIFY_CACHE_DIR").unwrap_or_else(|| {
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        base.unwrap_or_else(std::env::temp_dir).join("delivery-verifier")
    })
}

pub(crate) fn not_outside(system: &dyn System) -> CliError {
    CliError::Usage(format!("--backend external is not for the {}: it runs in this process", system.info().title))
}

/// Without `--backend external` nobody says where a cluster is.
fn refuse_options(args: &RunArgs) -> Result<(), CliError> {
    let external = &args.external;
    let given = [
        ("--bootstrap-server", external.bootstrap_server.is_some()),
        ("--url", external.url.is_some()),
        ("--client-config", external.client_config.is_some()),
        ("--fault-hook", external.fault_hook.is_some()),
        ("--fault-hook-limit", external.fault_hook_limit.is_some()),
        ("--i-own-this-cluster", external.i_own_this_cluster),
        ("--machines", external.machines.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::Usage(format!("{option} needs --backend external"))),
        None => Ok(()),
    }
}

fn check_backend(system: &dyn System, args: &RunArgs) -> Result<(), CliError> {
    let title = system.info().title;
    if args.image.is_some() && args.backend != Backend::Docker {
        return Err(CliError::Usage(String::from("--image is for containers: say --backend docker, too")));
    }
    match (args.backend, system.simulated().is_some()) {
        (Backend::Local | Backend::Docker, true) => {
            Err(CliError::Usage(format!("the {title} runs in a simulation only; leave --backend out")))
        }
        (Backend::Simulated, false) => Err(CliError::Usage(format!(
            "{title} cannot be simulated: a verdict needs the real one; leave --backend out"
        ))),
        (_, true) if picks_an_installation(args) => Err(CliError::Usage(format!(
            "the {title} is built in, so --broker-version, --dist, --rootfs and --install-only mean nothing to it; leave \
             them out"
        ))),
        (Backend::Docker, _) => check_docker(args),
        _ => Ok(()),
    }
}

fn picks_an_installation(args: &RunArgs) -> bool {
    !args.broker_version.is_empty() || args.dist.is_some() || args.rootfs.is_some() || args.install_only
}

/// What containers do not offer.
fn check_docker(args: &RunArgs) -> Result<(), CliError> {
    let refused = |what: &str| Err(CliError::Usage(what.to_owned()));
    if cfg!(not(feature = "docker")) {
        return refused("this verify was built without containers; build it with `--features docker`");
    }
    if args.dist.is_some() || args.rootfs.is_some() {
        return refused("--dist and --rootfs are for --backend local; name an image with --image");
    }
    if args.install_only {
        return refused("--install-only is for --backend local: an image is pulled with `docker pull`");
    }
    if args.broker_version.len() > 1 {
        return refused("--backend docker runs one version at a time; give one --broker-version");
    }
    if args.keep_data {
        return refused("--keep-data is for --backend local: what containers stored goes with them");
    }
    Ok(())
}

pub(crate) fn request(system: &dyn System, args: &RunArgs) -> Result<RunRequest, CliError> {
    let schedule = schedule(args)?;
    let typed_ms = args.duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let mut request = RunRequest {
        lanes: lanes(system, args)?,
        faults: schedule.faults,
        duration_ms: typed_ms.or(schedule.load_ms),
        rate_per_s: args.rate.unwrap_or(DEFAULT_RATE_PER_S),
        size_bytes: args.size,
        producers: args.producers,
        consumers: args.consumers,
        seed: args.seed.unwrap_or_else(new_seed),
        timings: args.timings.into(),
        required: requirements(&args.require),
        audit: args.audit.into(),
        out: args.out.clone(),
        keep_data: args.keep_data,
        name_suffix: String::new(),
        outside: None,
    };
    if draws(args) {
        request.faults = draw_faults(system, &request, None, None)?;
    }
    Ok(request)
}

/// Whether the faults are drawn from the seed.
pub(crate) fn draws(args: &RunArgs) -> bool {
    args.schedule.is_none() && args.faults.as_deref().map(str::trim) == Some("random")
}

/// Says what was drawn, in the form it can be run again in.
pub(crate) fn tell_drawn(request: &RunRequest, args: &RunArgs) {
    if draws(args) && !args.output.quiet {
        let schedule = Schedule { load_ms: request.duration_ms, faults: request.faults.clone() };
        eprintln!("drawn from seed {}:\n{}", request.seed, schedule.to_toml().trim_end());
    }
}

/// The faults that were asked for, on the command line or in a file.
fn schedule(args: &RunArgs) -> Result<Schedule, CliError> {
    if draws(args) {
        return Ok(Schedule::default());
    }
    let Some(path) = &args.schedule else {
        let faults = FaultRequest::parse_list(args.faults.as_deref().unwrap_or_default())?;
        return Ok(Schedule { load_ms: None, faults });
    };
    let text = std::fs::read_to_string(path).map_err(|cause| CliError::Input { path: path.clone(), cause })?;
    Ok(Schedule::parse(&path.display().to_string(), &text)?)
}

/// Small enough to be typed again.
pub(crate) fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff)
}

/// The lanes the user chose; none is the tour.
fn lanes(system: &dyn System, args: &RunArgs) -> Result<Vec<LaneRequest>, CliError> {
    let lane =
        |preset: &str| LaneRequest { preset: Some(preset.to_owned()), overrides: args.set.clone(), files: Vec::new() };
    let mut lanes: Vec<LaneRequest> = args.preset.iter().map(|preset| lane(preset)).collect();
    let files = config_files(args)?;
    if !files.is_empty() {
        lanes.insert(0, LaneRequest { preset: None, overrides: args.set.clone(), files });
    } else if lanes.is_empty() && !args.set.is_empty() {
        lanes = overridden(system).into_iter().map(lane).collect();
    }
    Ok(lanes)
}

/// What `--set` alone changes: the defaults, or the whole tour of a system that has no such preset.
pub(crate) fn overridden(system: &dyn System) -> Vec<&'static str> {
    let presets = system.info().presets;
    match presets.iter().find(|preset| preset.name == "default") {
        Some(preset) => vec![preset.name],
        None => presets.iter().filter(|preset| preset.in_tour).map(|preset| preset.name).collect(),
    }
}

fn config_files(args: &RunArgs) -> Result<Vec<ConfigFile>, CliError> {
    let named = [
        (Scope::Producer, &args.producer_config),
        (Scope::Consumer, &args.consumer_config),
        (Scope::Topic, &args.topic_config),
        (Scope::Broker, &args.broker_config),
    ];
    named.into_iter().filter_map(|(scope, path)| path.as_deref().map(|path| config_file(scope, path))).collect()
}

fn config_file(scope: Scope, path: &Path) -> Result<ConfigFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(|cause| CliError::Input { path: path.to_owned(), cause })?;
    Ok(ConfigFile { scope, path: path.to_owned(), text })
}

/// `[LANE:]GUARANTEE`, or `none`; nothing where the user did not say. Names are checked once lanes are known.
pub(crate) fn requirements(texts: &[String]) -> Option<Vec<Requirement>> {
    if texts.is_empty() {
        return None;
    }
    let named = texts.iter().filter(|text| *text != "none");
    let requirement = |text: &String| match text.rsplit_once(':') {
        Some((lane, guarantee)) => Requirement { lane: Some(lane.to_owned()), guarantee: guarantee.to_owned() },
        None => Requirement { lane: None, guarantee: text.clone() },
    };
    Some(named.map(requirement).collect())
}

/// A history that cannot be written is the machine's fault, not the user's.
impl From<delivery_history::RecordError> for CliError {
    fn from(error: delivery_history::RecordError) -> Self {
        Self::Run(RunError::Record(error))
    }
}
