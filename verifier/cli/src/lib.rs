//! The command line: arguments, one file per subcommand, exit codes, terminal output.

// Elsewhere some of what serves real brokers lies idle.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

pub mod args;
pub mod check;
pub mod claims;
pub mod commit;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
pub mod doctor;
#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
pub mod exit;
pub mod export;
#[cfg(target_os = "linux")]
pub mod external;
pub mod generate;
pub mod list;
pub mod matrix;
pub mod mutants;
pub mod outcome;
pub mod progress;
pub mod prune;
#[cfg(target_os = "linux")]
mod ready;
#[cfg(target_os = "linux")]
mod real;
pub mod replay;
pub mod report;
#[cfg(all(any(feature = "kafka", feature = "rabbitmq"), target_os = "linux"))]
pub mod rootfs;
pub mod run;
pub mod seeds;
pub mod shrink;
pub mod systems;
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod versions;
#[cfg(target_os = "linux")]
pub mod worker;

use args::{Cli, Command};
#[cfg(not(target_os = "linux"))]
use elsewhere as real;
use exit::CliError;

/// Runs the subcommand that was asked for; returns the exit code.
///
/// # Errors
/// What keeps it from an answer: bad usage or input, or a machine that cannot run it.
pub fn dispatch(cli: Cli) -> Result<i32, CliError> {
    match cli.command {
        #[cfg(feature = "kafka")]
        Command::Kafka(args) => run::run(&delivery_kafka::Kafka, &args),
        #[cfg(feature = "rabbitmq")]
        Command::Rabbitmq(args) => run::run(&delivery_rabbitmq::RabbitMq, &args),
        Command::Pubsub(args) => match args.seeds {
            Some(seeds) => seeds::explore(&systems::PUBSUB, &args, seeds),
            None => run::run(&systems::PUBSUB, &args.run),
        },
        Command::Matrix(args) => matrix::matrix(&args),
        Command::MatrixRuns => real::matrix_runs(),
        Command::Claims(args) => claims::claims(&args),
        Command::Prune(args) => prune::prune(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Check(args) => check::check(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Report(args) => report::report(&args),
        Command::Export(args) => export::export(&args),
        Command::Worker(args) => real::worker(&args),
        Command::List(args) => list::list(&args),
        Command::Mutants(args) => mutants::mutants(&args),
        #[cfg(any(feature = "kafka", feature = "rabbitmq"))]
        Command::Rootfs(args) => real::rootfs(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(),
    }
}
