//! `verify list`: what there is to choose from.

use std::fmt::Write as _;
use std::io::Write as _;

use delivery_broker::System;
use delivery_checks::judgement::Guarantee;

use crate::args::{ListArgs, Topic};
use crate::exit::CliError;
use crate::systems;

/// Prints the list.
///
/// # Errors
/// Unknown system, or standard output.
pub fn list(args: &ListArgs) -> Result<i32, CliError> {
    let systems: Vec<&dyn System> = match &args.system {
        Some(name) => vec![systems::find(name)?],
        None => systems::ALL.to_vec(),
    };
    let text = match args.topic {
        Topic::Guarantees => {
            table(Guarantee::ALL.iter().map(|guarantee| (guarantee.label().to_owned(), guarantee.about())))
        }
        Topic::Faults => faults(),
        Topic::Presets => per_system(&systems, presets),
        Topic::Settings => per_system(&systems, settings),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(0)
}

fn per_system(systems: &[&dyn System], show: fn(&dyn System) -> String) -> String {
    let sections = systems.iter().map(|system| format!("{}\n{}", system.info().title, show(*system)));
    sections.collect::<Vec<_>>().join("\n")
}

fn presets(system: &dyn System) -> String {
    let info = system.info();
    table(info.presets.iter().map(|preset| {
        let mark = if preset.in_tour { " (tour)" } else { "" };
        (format!("{}{mark}", preset.name), preset.about)
    }))
}

fn settings(system: &dyn System) -> String {
    let info = system.info();
    table(info.settings.iter().map(|setting| (format!("{}.{}", setting.scope.label(), setting.name), setting.about)))
}

fn faults() -> String {
    let mut text = String::new();
    for kind in delivery_faults::kind::ALL {
        let aliases = kind.aliases().join(", ");
        let also = if aliases.is_empty() { String::new() } else { format!(" (also: {aliases})") };
        let _ = writeln!(text, "{}{also}: {}", kind.name(), kind.about());
        let shapes = kind.shapes().iter().enumerate().map(|(index, shape)| {
            let mark = if index == 0 { " (default)" } else { "" };
            (format!("{}:{}{mark}", kind.name(), shape.name), shape.about)
        });
        text.push_str(&table(shapes));
    }
    text
}

/// Two columns, the second wrapped to 100 columns.
fn table<'a>(rows: impl Iterator<Item = (String, &'a str)>) -> String {
    let rows: Vec<(String, &str)> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(44);
    let mut text = String::new();
    for (name, about) in rows {
        let mut line = format!("  {name:width$} ");
        let indent = line.len();
        for word in about.split_whitespace() {
            if line.len() + 1 + word.len() > 100 {
                let _ = writeln!(text, "{}", line.trim_end());
                line = " ".repeat(indent);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
