//! `verify`: proves what message brokers really deliver.

use clap::Parser;
use delivery_verifier::args::Cli;
use delivery_verifier::{dispatch, exit};

fn main() {
    #[cfg(target_os = "linux")]
    delivery_runner::init(delivery_verifier::systems::ALL);
    #[cfg(all(feature = "docker", target_os = "linux"))]
    delivery_docker::init();
    let cli = Cli::parse();
    let code = dispatch(cli).unwrap_or_else(|error| exit::report(&error));
    std::process::exit(code);
}
