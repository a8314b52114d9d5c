//! `--backend external`: a run on a cluster that somebody else runs.

use std::path::PathBuf;
use std::sync::Arc;

use delivery_broker::{
    AccessRequest, ClientSpec, Contact, ExternalError, ExternalSystem, NodeAddress, Secret, Survey, System,
};
use delivery_history::manifest::{Host, Role};
use delivery_runner::{
    Errands, Expected, FaultHook, Interrupts, Joined, Outside, OutsideCluster, PASSWORD_VARIABLE, Reception,
    ReceptionError, RunPlan, RunRequest, notes_dir, run_outside, tidy_after_the_dead,
};

use crate::args::RunArgs;
use crate::commit::plan;
use crate::exit::CliError;
use crate::progress::progress;
use crate::run::{announce, cache_dir, conclude, draws, listen, not_outside, request, tell_drawn};
use crate::worker::{JOIN_LIMIT, token};

/// Messages a second and lane where nobody says how many.
const DEFAULT_RATE_PER_S: u32 = 200;
/// What all lanes together may send to a cluster without leave.
const MAX_RATE_PER_S: u64 = 1_000;
/// The same in bytes a second.
const MAX_BYTES_PER_S: u64 = 1 << 20;
/// How long one call of the fault hook may take where nobody says, milliseconds.
const HOOK_LIMIT_MS: u64 = 30_000;

/// Runs a system on a cluster of somebody else's; returns the exit code.
///
/// # Errors
/// What keeps it from a verdict.
pub fn run(system: &'static dyn System, args: &RunArgs) -> Result<i32, CliError> {
    let external = system.real().and_then(|real| real.external());
    let external = external.ok_or_else(|| not_outside(system))?;
    check_options(external, args)?;
    let contact = contact(external, args)?;
    let survey = external.survey(&contact).map_err(|error| told(error, &contact))?;
    let interrupts = listen()?;
    let joined = machines(system, args, &interrupts)?;
    let request = outside_request(system, args, &survey, joined.as_deref())?;
    let planned = plan(system, &request)?;
    check_leave(&planned, args)?;
    let spec = spec(&planned, &contact);
    tidy_first(system, external, &survey, &spec, args);
    external.rehearse(&spec, &planned.topics()).map_err(|error| told(error, &contact))?;
    tell_drawn(&request, args);
    announce(&planned, args.output.quiet);
    let outside = Outside {
        access: contact.access.clone(),
        cluster: survey.cluster.clone(),
        hook: hook(args),
        notes_dir: notes_dir(&cache_dir()),
        joined,
    };
    let mut shown = progress(args.output.quiet);
    let (completed, left) = run_outside(&planned, &request.out, system, &outside, &interrupts, shown.as_mut())?;
    let ended = conclude(&completed, shown, &args.output);
    for (name, why) in left {
        eprintln!("NOT TAKEN AWAY: {name}: {why}");
    }
    ended
}

/// Options that are about nodes of our own, or about getting in, where they have no meaning.
fn check_options(external: &dyn ExternalSystem, args: &RunArgs) -> Result<(), CliError> {
    let own = [
        ("--dist", args.dist.is_some()),
        ("--rootfs", args.rootfs.is_some()),
        ("--install-only", args.install_only),
        ("--broker-config", args.broker_config.is_some()),
        ("several --broker-version", args.broker_version.len() > 1),
    ];
    if let Some((option, _)) = own.iter().find(|(_, given)| *given) {
        return Err(CliError::Usage(format!(
            "{option} is about nodes that verify starts: with --backend external they are somebody else's; leave it out"
        )));
    }
    if let Some((name, _)) =
        args.set.iter().find(|(name, _)| name.starts_with("cluster.") || name.starts_with("broker."))
    {
        return Err(CliError::Usage(format!(
            "--set {name} is about nodes that verify starts: with --backend external they are somebody else's; leave it out"
        )));
    }
    let theirs = [("--bootstrap-server", &args.external.bootstrap_server), ("--url", &args.external.url)];
    let wrong = theirs.iter().find(|(option, value)| *option != external.option() && value.is_some());
    match wrong {
        Some((option, _)) => {
            Err(CliError::Usage(format!("{option} leads to another product; take {}", external.option())))
        }
        None => Ok(()),
    }
}

fn contact(external: &dyn ExternalSystem, args: &RunArgs) -> Result<Contact, CliError> {
    let typed = args.external.bootstrap_server.as_ref().or(args.external.url.as_ref());
    way_in(external, typed.cloned().unwrap_or_default(), args.external.client_config.clone())
}

/// How to get in, from the addresses, the user's file and the environment.
pub(crate) fn way_in(
    external: &dyn ExternalSystem,
    addresses: String,
    file: Option<PathBuf>,
) -> Result<Contact, CliError> {
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(cause) => Err(CliError::Input { path, cause }),
    };
    let password = std::env::var(PASSWORD_VARIABLE).ok().filter(|text| !text.is_empty()).map(Secret::new);
    let request = AccessRequest { addresses, file: file.map(read).transpose()?, password };
    Ok(external.contact(&request)?)
}

/// Waits for the machines that are to run the clients.
fn machines(system: &dyn System, args: &RunArgs, interrupts: &Interrupts) -> Result<Option<Arc<Joined>>, CliError> {
    let external = &args.external;
    let Some(machines) = external.machines else { return Ok(None) };
    let token = token(external.token_file.as_ref())?;
    let addresses = external.bootstrap_server.as_ref().or(external.url.as_ref()).cloned().unwrap_or_default();
    let errands = Errands { system: system.info().name.to_owned(), addresses };
    let limit = external.machines_limit.unwrap_or(JOIN_LIMIT);
    let expected = Expected { machines, limit, token: &token, errands: &errands };
    let mut tell = |line: &str| {
        if !args.output.quiet {
            eprintln!("{line}");
        }
    };
    let reception = Reception::open(&external.listen).map_err(|error| CliError::CouldNotRun(error.to_string()))?;
    tell(&format!("waiting for {machines} machines at {}: verify worker HOST:PORT on each", reception.address()));
    let joined = reception.wait(&expected, &mut tell, &|| interrupts.pending());
    joined.map(|joined| Some(Arc::new(joined))).map_err(|error| match error {
        ReceptionError::Stopped => CliError::Stopped,
        other => CliError::CouldNotRun(other.to_string()),
    })
}

fn outside_request(
    system: &dyn System,
    args: &RunArgs,
    survey: &Survey,
    joined: Option<&Joined>,
) -> Result<RunRequest, CliError> {
    let mut request = request(system, args)?;
    request.rate_per_s = args.rate.unwrap_or(DEFAULT_RATE_PER_S);
    request.outside = Some(OutsideCluster {
        nodes: survey.nodes.clone(),
        version: args.broker_version.first().unwrap_or(&survey.version).clone(),
        has_hook: args.external.fault_hook.is_some(),
        machines: joined.map(Joined::machines).unwrap_or_default(),
    });
    if draws(args) {
        return Err(CliError::Usage(String::from(
            "--faults random draws from all there is, and somebody else's cluster is no place for that; name the faults",
        )));
    }
    Ok(request)
}

/// What could hurt others on the cluster needs the word of who owns it.
fn check_leave(planned: &RunPlan, args: &RunArgs) -> Result<(), CliError> {
    if args.external.i_own_this_cluster {
        return Ok(());
    }
    let manifest = &planned.manifest;
    if let Some(fault) = manifest.faults.first() {
        return Err(CliError::Usage(format!(
            "`{}:{}` is injected into a cluster that others may use: say --i-own-this-cluster if it is yours to break",
            fault.fault, fault.shape
        )));
    }
    let rate_per_s = u64::from(manifest.rate_per_s) * manifest.lanes.len() as u64;
    let bytes_per_s = rate_per_s * u64::from(manifest.size_bytes);
    if rate_per_s > MAX_RATE_PER_S || bytes_per_s > MAX_BYTES_PER_S {
        return Err(CliError::Usage(format!(
            "--rate {} and --size {} make {rate_per_s} messages and {bytes_per_s} bytes a second in {} lanes; more than \
             {MAX_RATE_PER_S} messages or {MAX_BYTES_PER_S} bytes a second are sent only with --i-own-this-cluster",
            manifest.rate_per_s,
            manifest.size_bytes,
            manifest.lanes.len()
        )));
    }
    Ok(())
}

fn hook(args: &RunArgs) -> Option<FaultHook> {
    let command = args.external.fault_hook.clone()?;
    let limit_ms = args.external.fault_hook_limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    Some(FaultHook { command, limit_ms: limit_ms.unwrap_or(HOOK_LIMIT_MS) })
}

/// A client as the observer will be.
fn spec(planned: &RunPlan, contact: &Contact) -> ClientSpec {
    let observer = planned.worker_numbers(Role::Observer).first().copied().unwrap_or_default();
    let node = |host: &Host| NodeAddress { id: host.id, address: host.address.clone() };
    let mut spec = planned.client_spec(observer, planned.manifest.nodes.iter().map(node).collect());
    spec.access = Some(Arc::clone(&contact.access));
    spec
}

/// What dead runs of this machine left is taken away first; what others made is only named.
fn tidy_first(system: &dyn System, external: &dyn ExternalSystem, survey: &Survey, spec: &ClientSpec, args: &RunArgs) {
    let notes = notes_dir(&cache_dir());
    let tried = tidy_after_the_dead(&notes, system.info().name, &survey.cluster, external, spec);
    if args.output.quiet {
        return;
    }
    let is_gone = |name: &String| tried.iter().any(|(known, why)| known == name && why.is_none());
    for name in survey.found.iter().filter(|name| is_gone(name)) {
        eprintln!("taken away: {name}, which a dead run of this machine had left");
    }
    let others: Vec<&str> = survey.found.iter().filter(|name| !is_gone(name)).map(String::as_str).collect();
    if !others.is_empty() {
        eprintln!("left alone, since no dead run of this machine made them: {}", others.join(", "));
    }
    for what in &survey.unseen {
        eprintln!("note: {what}");
    }
}

fn told(error: ExternalError, contact: &Contact) -> CliError {
    match error {
        ExternalError::Config(error) => CliError::Config(error),
        other => CliError::CouldNotRun(contact.access.redact(&other.to_string())),
    }
}
