//! What stands in for `real` on other systems than Linux: it says why, and what to type instead.

use std::path::Path;

use delivery_broker::{InstallRequest, Installation, System};
use delivery_cluster::machines::Probe;
use delivery_history::RunManifest;
use delivery_runner::RunPlan;

#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
use crate::args::RootfsArgs;
use crate::args::{ReplayArgs, RunArgs, WorkerArgs};
use crate::exit::CliError;
use crate::run::not_outside;

/// What is run in a container where nothing else was typed.
const FIRST_RUN: [&str; 3] = ["kafka", "--faults", "netsplit"];

/// Why what was typed cannot be run on this system, and what can.
pub(crate) fn refusal(system: &str, arguments: &[String]) -> String {
    let subcommand = arguments.first().map_or("", String::as_str);
    let mut text = format!(
        "`verify {subcommand}` takes Linux, and this is {}: what runs brokers and their clients uses namespaces \
         of its kernel, and is built in there alone. \
         The whole of verify runs in a container, from the folder that docker-compose.yml stands in:\n\n    {}\n\n\
         `docker compose build verify` makes its image; of this machine's files it sees runs/ alone (docs/docker.md).",
        title(system),
        in_container(arguments)
    );
    if arguments.iter().any(|argument| argument.ends_with("external")) {
        text.push_str(" Seen from there, this machine is host.docker.internal (Docker Desktop).");
    }
    text
}

fn title(system: &str) -> &str {
    match system {
        "macos" => "macOS",
        "windows" => "Windows",
        "freebsd" => "FreeBSD",
        other => other,
    }
}

/// The line that has it run in a container, which needs no engine to make others.
fn in_container(arguments: &[String]) -> String {
    let mut words = vec![String::from("docker compose run --rm verify")];
    let mut rest = arguments.iter().map(String::as_str).peekable();
    while let Some(argument) = rest.next() {
        if argument == "--backend=docker" || (argument == "--backend" && rest.next_if_eq(&"docker").is_some()) {
            continue;
        }
        words.push(quoted(argument));
    }
    words.join(" ")
}

/// As a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-+=:,./@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn refused() -> CliError {
    let typed: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    CliError::CouldNotRun(refusal(std::env::consts::OS, &typed))
}

/// Whether real brokers run here.
///
/// # Errors
/// They do not.
pub(crate) fn check() -> Result<(), CliError> {
    Err(refused())
}

pub(crate) fn run(_: &'static dyn System, _: &RunArgs, _: &Path, _: RunPlan) -> Result<i32, CliError> {
    Err(refused())
}

pub(crate) fn run_again(_: &'static dyn System, _: &RunPlan, _: &ReplayArgs, _: &RunManifest) -> Result<i32, CliError> {
    Err(refused())
}

/// What does not run in this process has been refused before.
pub(crate) fn run_outside(system: &'static dyn System, _: &RunArgs) -> Result<i32, CliError> {
    Err(not_outside(system))
}

pub(crate) fn run_versions(_: &'static dyn System, _: &RunArgs) -> Result<i32, CliError> {
    Err(refused())
}

pub(crate) fn make_ready(_: &dyn System, _: &InstallRequest, _quiet: bool) -> Result<Installation, CliError> {
    Err(CliError::CouldNotRun(format!("it takes Linux, and this is {}", title(std::env::consts::OS))))
}

pub(crate) fn matrix_runs() -> Result<i32, CliError> {
    Err(refused())
}

pub(crate) fn make_all(_: &dyn System, _: &RunArgs) -> Result<i32, CliError> {
    Err(refused())
}

pub(crate) fn worker(_: &WorkerArgs) -> Result<i32, CliError> {
    Err(refused())
}

#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
pub(crate) fn rootfs(_: &RootfsArgs) -> Result<i32, CliError> {
    Err(refused())
}

/// What this machine lacks of all that real brokers need.
pub(crate) fn probes() -> Vec<Probe> {
    let first_run = in_container(&FIRST_RUN.map(String::from));
    vec![Probe {
        name: "Linux",
        ok: false,
        found: format!("this is {}", title(std::env::consts::OS)),
        remedy: Some(format!("Run it in a container: {first_run}")),
        only_for: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn elsewhere_than_on_linux_the_line_for_a_container_is_given() {
        insta::assert_snapshot!(refusal("macos", &typed("kafka --faults netsplit")));
        insta::assert_snapshot!(refusal("freebsd", &typed("rabbitmq --backend external --url amqp://localhost")));
    }

    #[test]
    fn what_was_typed_stands_in_the_line_as_a_shell_reads_it() {
        let line = |arguments: &[&str]| in_container(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        let begin = "docker compose run --rm verify";
        assert_eq!(line(&FIRST_RUN), format!("{begin} kafka --faults netsplit"));
        assert_eq!(line(&["kafka", "--set", "a=b c's", ""]), format!(r"{begin} kafka --set 'a=b c'\''s' ''"));
        assert_eq!(
            line(&["kafka", "--faults", "kill:consumer+1s*3"]),
            format!("{begin} kafka --faults 'kill:consumer+1s*3'")
        );
    }

    #[test]
    fn containers_of_an_engine_are_not_asked_for_inside_of_one() {
        let without = in_container(&typed("kafka --seed 7"));
        assert_eq!(in_container(&typed("kafka --backend docker --seed 7")), without);
        assert_eq!(in_container(&typed("kafka --backend=docker --seed 7")), without);
        assert!(in_container(&typed("kafka --backend local")).ends_with(" kafka --backend local"));
    }

    /// The same as long as this compiles.
    #[test]
    fn each_function_is_called_as_the_one_it_stands_in_for() {
        use crate::real;

        type Run = fn(&'static dyn System, &RunArgs, &Path, RunPlan) -> Result<i32, CliError>;
        let _: [Run; 2] = [run, real::run];
        type RunAgain = fn(&'static dyn System, &RunPlan, &ReplayArgs, &RunManifest) -> Result<i32, CliError>;
        let _: [RunAgain; 2] = [run_again, real::run_again];
        type RunArguments = fn(&'static dyn System, &RunArgs) -> Result<i32, CliError>;
        let _: [RunArguments; 4] = [run_outside, real::run_outside, run_versions, real::run_versions];
        type MakeReady = fn(&dyn System, &InstallRequest, bool) -> Result<Installation, CliError>;
        let _: [MakeReady; 2] = [make_ready, real::make_ready];
        type MakeAll = fn(&dyn System, &RunArgs) -> Result<i32, CliError>;
        let _: [MakeAll; 2] = [make_all, real::make_all];
        type Join = fn(&WorkerArgs) -> Result<i32, CliError>;
        let _: [Join; 2] = [worker, real::worker];
        let _: [fn() -> Result<i32, CliError>; 2] = [matrix_runs, real::matrix_runs];
        let _: [fn() -> Vec<Probe>; 2] = [probes, real::probes];
        #[cfg(any(feature = "kafka", feature = "rabbitmq"))]
        {
            type MakeRootfs = fn(&RootfsArgs) -> Result<i32, CliError>;
            let _: [MakeRootfs; 2] = [rootfs, real::rootfs];
        }
    }

    #[test]
    fn nothing_that_takes_linux_is_tried() {
        assert_eq!(check().unwrap_err().code(), (crate::exit::COULD_NOT_RUN, "could not run"));
        let probes = probes();
        assert!(probes.iter().all(|probe| !probe.ok));
        assert!(
            probes[0].remedy.as_deref().unwrap().ends_with("docker compose run --rm verify kafka --faults netsplit")
        );
    }
}
