//! `verify claims`: what vendors promise, and where they say it.

use std::fmt::Write as _;
use std::io::Write as _;

use delivery_broker::{ConfigError, System};
use delivery_claims::{Claim, Promise, Registry, registry, release_of};
use delivery_faults::FaultRequest;

use crate::args::ClaimsArgs;
use crate::exit::CliError;
use crate::systems;

/// Columns of the text.
const COLUMNS: usize = 100;

/// Prints the claims; returns the exit code.
///
/// # Errors
/// An unknown system or setting, with the nearest valid ones; standard output.
pub fn claims(args: &ClaimsArgs) -> Result<i32, CliError> {
    let chosen: Vec<&dyn System> = match &args.system {
        Some(name) => vec![systems::find(name)?],
        None => systems::ALL.to_vec(),
    };
    let wanted = Wanted::read(&args.settings, &chosen)?;
    let registry = registry();
    let of = |system: &dyn System| {
        let claims = registry.of_system(system.info().name).filter(|claim| wanted.is_about(claim));
        claims.collect::<Vec<_>>()
    };
    let text = if args.json {
        let claims: Vec<serde_json::Value> =
            chosen.iter().flat_map(|system| of(*system)).map(|claim| json(registry, claim)).collect();
        format!("{:#}\n", serde_json::json!({ "claims": claims }))
    } else {
        let sections = chosen.iter().map(|system| section(registry, *system, &of(*system)));
        sections.collect::<Vec<_>>().join("\n")
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(0)
}

/// What `--for` narrows to.
#[derive(Default)]
struct Wanted {
    version: Option<String>,
    fault: Option<FaultRequest>,
    settings: Vec<(String, String)>,
}

impl Wanted {
    fn read(typed: &[(String, String)], systems: &[&dyn System]) -> Result<Self, CliError> {
        let mut wanted = Self::default();
        for (name, value) in typed {
            match name.as_str() {
                "version" => wanted.version = Some(value.clone()),
                "fault" => wanted.fault = Some(FaultRequest::parse(value)?),
                _ => {
                    check_known(name, systems)?;
                    wanted.settings.push((name.clone(), value.clone()));
                }
            }
        }
        if let Some(version) = wanted.version.as_ref().filter(|version| release_of(version).is_none()) {
            return Err(CliError::Usage(format!("`{version}` names no release; versions look like 4.1.1")));
        }
        Ok(wanted)
    }

    /// Whether a claim may speak of such a configuration: nothing it asks for is known to be otherwise.
    fn is_about(&self, claim: &Claim) -> bool {
        let release = self.version.as_deref().and_then(release_of);
        let value = |name: &str| self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let fault = self.fault.as_ref();
        release.is_none_or(|release| claim.versions.matches(&release))
            && claim.when.iter().all(|(name, accepted)| value(name).is_none_or(|value| accepted.accepts(value)))
            && !claim.unless.iter().any(|(name, excluded)| value(name).is_some_and(|value| excluded.accepts(value)))
            && fault.is_none_or(|fault| claim.covers(fault.fault, fault.shape))
    }
}

/// A setting is known where some claim speaks of it, some preset states it, or `--set` takes it.
fn check_known(name: &str, systems: &[&dyn System]) -> Result<(), CliError> {
    let mut names: Vec<String> = Vec::new();
    for system in systems {
        let info = system.info();
        let of_claims = registry().of_system(info.name).flat_map(|claim| claim.when.keys().chain(claim.unless.keys()));
        names.extend(of_claims.cloned());
        names.extend(info.settings.iter().map(|setting| format!("{}.{}", setting.scope.label(), setting.name)));
    }
    names.sort_unstable();
    names.dedup();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let valid = names.iter().map(String::as_str).chain(["version", "fault"]);
    Err(ConfigError::unknown("setting", name, valid).into())
}

fn section(registry: &Registry, system: &dyn System, claims: &[&Claim]) -> String {
    let mut text = format!("{} ({} claims)\n", system.info().title, claims.len());
    for claim in claims {
        text.push('\n');
        text.push_str(&entry(registry, claim));
    }
    text
}

fn entry(registry: &Registry, claim: &Claim) -> String {
    let mut text = format!("{}: {}\n", claim.id, what(claim));
    let mut put = |label: &str, value: &str| {
        let first = format!("    {label:12}");
        let indents = indents(&first);
        for line in wrap(value, &indents) {
            let _ = writeln!(text, "{line}");
        }
    };
    put("says", &claim.says);
    if let Some(quote) = &claim.quote {
        put("quote", &format!("\"{quote}\""));
    }
    put("versions", &claim.versions.to_string());
    let expression = claim.expression();
    if !expression.is_empty() {
        put("where", &expression);
    }
    put("faults", &claim.faults.join(", "));
    put("source", &registry.cited(&claim.source));
    put("evidence", claim.evidence.about());
    for other in &claim.contradicted {
        let quote = other.quote.as_ref().map_or_else(String::new, |quote| format!(" \"{quote}\""));
        put("against it", &format!("{}{quote} {}", other.says, registry.cited(&other.source)));
    }
    text
}

/// What is claimed, in a few words.
fn what(claim: &Claim) -> String {
    let Some(guarantee) = claim.guarantee else {
        return format!("calls itself {}", claim.label.as_deref().unwrap_or_default());
    };
    let about = claim.finding.map_or_else(String::new, |kind| format!(" ({} only)", kind.label()));
    match claim.promises {
        Some(Promise::MayViolate) => format!("warns that {} may be broken", guarantee.label()),
        _ => format!("promises {}{about}", guarantee.label()),
    }
}

fn json(registry: &Registry, claim: &Claim) -> serde_json::Value {
    let mut value = serde_json::to_value(claim).unwrap_or_default();
    if let (Some(fields), Some(document)) = (value.as_object_mut(), registry.document(&claim.source)) {
        fields.insert(String::from("document"), serde_json::to_value(document).unwrap_or_default());
    }
    value
}

struct Indents {
    first: String,
    others: String,
}

fn indents(first: &str) -> Indents {
    Indents { first: first.to_owned(), others: " ".repeat(first.len()) }
}

/// Words in lines of at most [`COLUMNS`].
fn wrap(text: &str, indents: &Indents) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = indents.first.clone();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indents.others.clone()));
        }
        line.push(' ');
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use delivery_claims::Evidence;

    use super::{COLUMNS, indents, wrap};

    #[test]
    fn words_are_wrapped_and_none_is_lost() {
        let text = "word ".repeat(60);
        let lines = wrap(&text, &indents("    says        "));
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS));
        assert_eq!(lines.join(" ").matches("word").count(), 60);
        assert_eq!(wrap(&"x".repeat(200), &indents("")).len(), 1, "a word that is too long stays whole");
    }

    #[test]
    fn every_class_of_evidence_is_said_in_words() {
        for evidence in Evidence::ALL {
            assert!(!evidence.about().is_empty());
        }
    }
}
