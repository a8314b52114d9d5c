//! `verify doctor`: what this machine permits, found out by doing it.

use std::fmt::Write as _;
use std::io::Write as _;

use delivery_broker::System;

use crate::args::DoctorArgs;
use crate::exit::{COULD_NOT_RUN, CliError};
use crate::real::probes;
use crate::run::cache_dir;
use crate::systems;

/// Probes, prints, and says by its exit code whether everything is there.
///
/// # Errors
/// Unknown system, or standard output.
pub fn doctor(args: &DoctorArgs) -> Result<i32, CliError> {
    let systems: Vec<&dyn System> = match &args.system {
        Some(name) => vec![systems::find(name)?],
        None => systems::ALL.to_vec(),
    };
    let mut text = String::new();
    let mut missing = 0;
    if systems.iter().any(|system| system.simulated().is_none()) {
        for probe in probes() {
            let name = match probe.only_for {
                Some(fault) => format!("{}, for `{fault}` only", probe.name),
                None => probe.name.to_owned(),
            };
            let mark = mark(probe.ok, probe.only_for.is_some());
            line(&mut text, mark, &name, &probe.found, probe.remedy.as_deref().filter(|_| !probe.ok));
            missing += u32::from(mark == MISSING);
        }
    }
    for system in systems {
        missing += look_at(system, &mut text);
    }
    let (code, why) = match missing {
        0 => (0, String::from("everything is there")),
        missing => (COULD_NOT_RUN, format!("{missing} missing; what to do stands beside each")),
    };
    let _ = writeln!(text, "exit {code}: {why}");
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(code)
}

/// What the product needs of the machine.
fn look_at(system: &dyn System, text: &mut String) -> u32 {
    let info = system.info();
    if system.simulated().is_some() {
        line(text, OK, info.title, "built in, needs nothing", None);
    }
    let Some(real) = system.real() else { return 0 };
    let mut missing = 0;
    for probe in real.probe(&cache_dir()) {
        let name = format!("{} for {}", probe.name, info.title);
        match probe.found {
            Ok(found) => line(text, OK, &name, &found, None),
            Err(problem) => {
                line(text, MISSING, &name, &problem.what, Some(&problem.remedy));
                missing += 1;
            }
        }
    }
    missing
}

/// It is there.
const OK: &str = "ok     ";
/// No run works without it.
const MISSING: &str = "MISSING";
/// A fault cannot be had without it; all else can.
const ABSENT: &str = "absent ";

fn mark(ok: bool, is_optional: bool) -> &'static str {
    match (ok, is_optional) {
        (true, _) => OK,
        (false, true) => ABSENT,
        (false, false) => MISSING,
    }
}

fn line(text: &mut String, mark: &str, name: &str, found: &str, remedy: Option<&str>) {
    let _ = writeln!(text, "{mark} {name}: {found}");
    if let Some(remedy) = remedy {
        let _ = writeln!(text, "        -> {remedy}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_run_needs_is_missing() {
        assert_eq!((mark(true, true), mark(false, true), mark(false, false)), (OK, ABSENT, MISSING));
    }
}
