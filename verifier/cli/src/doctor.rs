//! `verify doctor`: what this machine permits, found out by doing it.

use std::fmt::Write as _;
use std::io::Write as _;

use delivery_broker::{InstallError, InstallRequest, System};
use delivery_cluster::probe::probes;

use crate::args::DoctorArgs;
use crate::exit::{CliError, COULD_NOT_RUN};
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
    if systems.iter().any(|system| system.real().is_some()) {
        for probe in probes() {
            line(&mut text, probe.ok, &probe.name, &probe.found, probe.remedy.as_deref());
            missing += u32::from(!probe.ok);
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

/// Makes the product ready, as a run would.
fn look_at(system: &dyn System, text: &mut String) -> u32 {
    let info = system.info();
    let Some(real) = system.real() else {
        line(text, true, info.title, "built in, needs nothing", None);
        return 0;
    };
    let request = InstallRequest { cache_dir: cache_dir(), ..InstallRequest::default() };
    match real.install(&request, &mut |progress| eprintln!("{progress}")) {
        Ok(installation) => {
            let found = format!("version {}, run by {}", installation.version, installation.runtime.display());
            line(text, true, info.title, &found, None);
            0
        }
        Err(InstallError::Missing { what, remedy }) => {
            line(text, false, info.title, &what, Some(&remedy));
            1
        }
        Err(error) => {
            line(text, false, info.title, &error.to_string(), None);
            1
        }
    }
}

fn line(text: &mut String, ok: bool, name: &str, found: &str, remedy: Option<&str>) {
    let mark = if ok { "ok     " } else { "MISSING" };
    let _ = writeln!(text, "{mark} {name}: {found}");
    if let Some(remedy) = remedy.filter(|_| !ok) {
        let _ = writeln!(text, "        -> {remedy}");
    }
}
