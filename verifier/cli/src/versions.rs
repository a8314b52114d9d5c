//! The same run on several versions of a product, one after the other, and one table of them.

use std::io::Write;
use std::path::Path;

use delivery_broker::{Installation, System};
use delivery_cluster::enclosure::enclose;
use delivery_history::RunDir;
use delivery_report::{Document, Style, versions_table};
use delivery_runner::{RunPlan, RunRequest};

use crate::args::{OutputArgs, RunArgs};
use crate::commit::plan;
use crate::exit::{self, CliError};
use crate::real::{install, run_enclosed};
use crate::run::{announce, check_lanes, request};
use crate::terminal::{use_color, use_unicode};

/// Runs every version that was asked for; returns the worst exit code. Everything that can be refused is refused
/// before the first run.
///
/// # Errors
/// A version that cannot be made ready, or that cannot run the lanes; what keeps the table from being printed.
pub fn run(system: &'static dyn System, args: &RunArgs) -> Result<i32, CliError> {
    let request = request(system, args)?;
    let mut installations = Vec::with_capacity(args.broker_version.len());
    for version in &args.broker_version {
        let installation = install(system, args, Some(version))?;
        check_lanes(system, &plan(system, &request)?, &installation)?;
        installations.push(installation);
    }
    let (mut documents, mut codes) = (Vec::new(), Vec::new());
    for installation in &installations {
        let planned = plan(system, &request)?;
        announce(&planned, args.output.quiet);
        codes.push(run_one(system, &planned, &request, installation, &args.output)?);
        match read(&request.out, &planned) {
            Some(document) => documents.push(document),
            None => eprintln!("{}: there is nothing to judge", installation.version),
        }
        if codes.last() == Some(&exit::STOPPED) {
            break;
        }
    }
    show(&documents, &args.output)?;
    Ok(worst(&codes))
}

fn run_one(
    system: &dyn System,
    planned: &RunPlan,
    request: &RunRequest,
    installation: &Installation,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    // Each run has namespaces of its own, and what it prints by itself is the table's to say.
    let output = OutputArgs { silent: true, ..output.clone() };
    let code = enclose(|| match run_enclosed(planned, &request.out, system, installation, &output) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    })?;
    Ok(code)
}

/// What a run was found to show: it ended in another process, so it is read back from where it was written.
fn read(out: &Path, planned: &RunPlan) -> Option<Document> {
    let run_dir = RunDir::open(&out.join(&planned.manifest.run_id)).ok()?;
    let text = std::fs::read(run_dir.path().join("findings.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

fn show(documents: &[Document], output: &OutputArgs) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    if output.json {
        let runs = serde_json::json!({ "runs": documents });
        writeln!(stdout, "{runs:#}").map_err(CliError::Output)?;
    } else {
        let style = Style { colour: use_color(output.color), unicode: use_unicode() };
        stdout.write_all(versions_table(documents, style).as_bytes()).map_err(CliError::Output)?;
    }
    stdout.flush().map_err(CliError::Output)
}

/// Stopped, then what could not run, then violated, then inconclusive.
fn worst(codes: &[i32]) -> i32 {
    const ORDER: [i32; 5] = [exit::STOPPED, exit::BAD_INPUT, exit::COULD_NOT_RUN, exit::VIOLATED, exit::INCONCLUSIVE];
    ORDER.into_iter().find(|code| codes.contains(code)).unwrap_or(exit::HOLDS)
}

#[cfg(test)]
mod tests {
    use super::worst;

    #[test]
    fn the_worst_of_all_runs_is_the_answer() {
        assert_eq!(worst(&[0, 3, 0]), 3);
        assert_eq!(worst(&[3, 1, 0]), 1);
        assert_eq!(worst(&[1, 4]), 4);
        assert_eq!(worst(&[]), 0);
    }
}
