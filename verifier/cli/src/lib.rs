//! The command line: arguments, one file per subcommand, exit codes, terminal output.

pub mod args;
pub mod check;
pub mod claims;
pub mod commit;
#[cfg(feature = "docker")]
pub mod docker;
pub mod doctor;
pub mod exit;
pub mod export;
pub mod external;
pub mod generate;
pub mod list;
pub mod matrix;
pub mod mutants;
pub mod outcome;
pub mod progress;
pub mod prune;
mod ready;
pub mod replay;
pub mod report;
#[cfg(any(feature = "kafka", feature = "rabbitmq"))]
pub mod rootfs;
pub mod run;
pub mod seeds;
pub mod shrink;
pub mod systems;
pub mod terminal;
pub mod versions;

use args::{Cli, Command};
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
        Command::MatrixRuns => matrix::runs(),
        Command::Claims(args) => claims::claims(&args),
        Command::Prune(args) => prune::prune(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Check(args) => check::check(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Report(args) => report::report(&args),
        Command::Export(args) => export::export(&args),
        Command::List(args) => list::list(&args),
        Command::Mutants(args) => mutants::mutants(&args),
        #[cfg(any(feature = "kafka", feature = "rabbitmq"))]
        Command::Rootfs(args) => rootfs::rootfs(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(),
    }
}
