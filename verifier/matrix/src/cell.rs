//! From rows to cells that can run: names checked, everything that can be refused refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use delivery_broker::config::split_scope;
use delivery_broker::{ConfigError, LanePlan, LaneRequest, System, Timings};
use delivery_faults::{FaultRequest, find_fault};
use delivery_journal::CellEntry;
use delivery_runner::{AuditMode, PlanError, RunPlan, RunRequest, plan};
use toml::Spanned;

use crate::expand::{Combination, MAX_CELLS, expand};
use crate::expectation::{Expectation, entries};
use crate::file::{MAX_REPEAT, MatrixFile, MatrixFileError, Mistake, Row, read_time, whole};
use crate::values::Many;

/// Messages a second where the file does not say.
const RATE_PER_S: u32 = 1_000;
/// Bytes a message where the file does not say.
const SIZE_BYTES: u32 = 128;
/// A run that takes longer is over its limit, milliseconds, where the file does not say.
const LIMIT_MS: u64 = 600_000;

/// A cell that can run.
#[derive(Clone)]
pub struct Cell {
    /// As it stands in the journal.
    pub entry: CellEntry,
    /// Its system.
    pub system: &'static dyn System,
    /// The run it would make alone; where run directories are made and its seed are the engine's to say.
    pub request: RunRequest,
    /// What is expected of it.
    pub expected: Vec<Expectation>,
    /// What two cells must agree in to be lanes of one run.
    pub shares: String,
    /// What two cells must agree in for their runs to have the same cluster, one after the other.
    pub cluster: String,
    /// It shares with none.
    pub alone: bool,
    /// A run that takes longer is stopped, milliseconds.
    pub limit_ms: u64,
    /// Length of a run as expected, milliseconds; nothing of a simulated one.
    pub expected_ms: Option<u64>,
}

/// The cells of a file.
#[derive(Clone, Default)]
pub struct Cells {
    /// Those that can run, in the order of the file.
    pub run: Vec<Cell>,
    /// Those that are listed and not run.
    pub listed: Vec<CellEntry>,
}

/// Every cell of a file; `repeat` stands above what the file says.
///
/// # Errors
/// The first mistake, with its place: a name that is unknown, what contradicts itself, a verdict that no check gives, two
/// cells of one name.
pub fn cells(
    file: &MatrixFile,
    systems: &[&'static dyn System],
    repeat: Option<u32>,
) -> Result<Cells, MatrixFileError> {
    let mut cells = Cells::default();
    let mut names = BTreeSet::new();
    for row in &file.rows {
        let of_row = Reading { file, row: row.get_ref(), systems, repeat };
        for combination in expand(row, &file.defaults).map_err(|mistake| file.place(mistake))? {
            let made = of_row.make(&combination).map_err(|mistake| file.place(mistake))?;
            let name = made.name().to_owned();
            if !names.insert(name.clone()) {
                let problem = format!("there are two cells `{name}`: give one of their rows another id");
                return Err(file.place((row.get_ref().id.span(), problem)));
            }
            if names.len() > MAX_CELLS {
                let problem = format!("a matrix has at most {MAX_CELLS} cells");
                return Err(file.place((row.span(), problem)));
            }
            match made {
                Made::Run(cell) => cells.run.push(*cell),
                Made::Listed(entry) => cells.listed.push(*entry),
            }
        }
    }
    Ok(cells)
}

enum Made {
    Run(Box<Cell>),
    Listed(Box<CellEntry>),
}

impl Made {
    fn name(&self) -> &str {
        match self {
            Self::Run(cell) => &cell.entry.name,
            Self::Listed(entry) => &entry.name,
        }
    }
}

struct Reading<'a> {
    file: &'a MatrixFile,
    row: &'a Row,
    systems: &'a [&'static dyn System],
    repeat: Option<u32>,
}

impl Reading<'_> {
    fn make(&self, combination: &Combination) -> Result<Made, Mistake> {
        let row = self.row;
        if !row.id.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
            || row.id.get_ref().is_empty()
        {
            return Err((row.id.span(), String::from("an id is letters, digits, `-`, `.` and `_`")));
        }
        let expected = self.expected()?;
        match &row.not_run {
            Some(reason) if reason.get_ref().trim().is_empty() => {
                Err((reason.span(), String::from("says nothing: tell what is missing for it to be run")))
            }
            Some(reason) => Ok(Made::Listed(Box::new(self.entry(combination, reason.get_ref(), &expected)))),
            None => match self.missing_here(combination)? {
                Some(reason) => Ok(Made::Listed(Box::new(self.entry(combination, &reason, &expected)))),
                None => self.cell(combination, expected).map(|cell| Made::Run(Box::new(cell))),
            },
        }
    }

    /// What a fault needs of the machine and does not have: no mistake of the file's.
    fn missing_here(&self, combination: &Combination) -> Result<Option<String>, Mistake> {
        let wanted = combination.system.get_ref();
        let is_real = |system: &&&dyn System| system.info().name == wanted && system.simulated().is_none();
        if self.systems.iter().find(is_real).is_none() {
            return Ok(None);
        }
        let refusal = |fault: &FaultRequest| {
            let reason = find_fault(fault.fault).ok()?.refusal()?;
            Some(format!("{} cannot be had on this machine: {reason}", fault.label()))
        };
        Ok(faults(combination.faults.as_ref())?.iter().find_map(refusal))
    }

    fn expected(&self) -> Result<Vec<Expectation>, Mistake> {
        let read = |(name, values): (&String, &Spanned<Many>)| {
            let texts: Vec<String> = Many::values(values).into_iter().map(Spanned::into_inner).collect();
            Expectation::parse(name, &texts).map_err(|problem| (values.span(), problem))
        };
        self.row.expect.iter().map(read).collect()
    }

    /// What is listed and not run may speak of what this program does not know yet.
    fn entry(&self, combination: &Combination, not_run: &str, expected: &[Expectation]) -> CellEntry {
        let text = |value: Option<&Spanned<String>>| value.map(|value| value.get_ref().clone());
        let faults = text(combination.faults.as_ref()).unwrap_or_else(|| String::from("none"));
        let preset = text(combination.preset.as_ref()).unwrap_or_default();
        let system = combination.system.get_ref().clone();
        let settings: BTreeMap<String, String> =
            combination.settings.iter().map(|(name, value)| (name.clone(), value.get_ref().clone())).collect();
        let version = text(combination.version.as_ref());
        let timings = text(combination.timings.as_ref()).unwrap_or_else(|| String::from("vendor"));
        let mut shown = preset.clone();
        settings.iter().for_each(|(name, value)| shown.push_str(&format!("+{name}={value}")));
        CellEntry {
            name: name(self.row.id.get_ref(), &system, version.as_deref(), &shown, &faults, &timings),
            row: self.row.id.get_ref().clone(),
            about: self.row.about.clone(),
            system,
            version,
            preset,
            settings,
            faults,
            timings,
            lane: String::new(),
            repeat: 0,
            expected: entries(expected),
            not_run: Some(not_run.to_owned()),
        }
    }

    fn cell(&self, combination: &Combination, expected: Vec<Expectation>) -> Result<Cell, Mistake> {
        let system = self.system(combination)?;
        let request = self.request(combination)?;
        let lane_plan = self.lane(system, combination, &request)?;
        for expectation in &expected {
            if let Some(refusal) = expectation.refusal(lane_plan.lane.workload) {
                let at = self.row.expect.get(expectation.subject.name()).map_or(self.row.id.span(), Spanned::span);
                return Err((at, format!("no check gives this verdict here: {refusal}")));
            }
        }
        let planned = plan(system, &request).map_err(|error| self.mistake(&error, combination))?;
        let limit = self.row.limit.as_ref().or(self.file.defaults.limit.as_ref());
        let mut entry = self.entry(combination, "", &expected);
        entry.not_run = None;
        entry.lane.clone_from(&lane_plan.lane.name);
        entry.repeat = self.repeat()?;
        entry.timings.clone_from(&planned.manifest.timings);
        entry.faults = typed(&request.faults);
        let version = entry.version.as_deref();
        entry.name = name(&entry.row, &entry.system, version, &entry.lane, &entry.faults, &entry.timings);
        Ok(Cell {
            cluster: cluster(&entry, &request, &planned),
            shares: shares(&entry, &request, &planned),
            entry,
            system,
            request,
            expected,
            alone: self.row.alone,
            limit_ms: limit.map(read_time).transpose()?.unwrap_or(LIMIT_MS),
            expected_ms: planned.expected_ms,
        })
    }

    fn system(&self, combination: &Combination) -> Result<&'static dyn System, Mistake> {
        let wanted = combination.system.get_ref();
        let found = self.systems.iter().copied().find(|system| system.info().name == wanted);
        let system = found.ok_or_else(|| {
            let names = self.systems.iter().map(|system| system.info().name);
            (combination.system.span(), ConfigError::unknown("system", wanted, names).to_string())
        })?;
        match &combination.version {
            Some(version) if system.simulated().is_some() => {
                Err((version.span(), format!("the {} is built in and has no other version", system.info().title)))
            }
            _ => Ok(system),
        }
    }

    fn repeat(&self) -> Result<u32, Mistake> {
        let written = self.row.repeat.as_ref().or(self.file.defaults.repeat.as_ref());
        let written = written.map(|repeat| whole(repeat, 1, MAX_REPEAT)).transpose()?;
        Ok(self.repeat.or(written).unwrap_or(1))
    }

    fn request(&self, combination: &Combination) -> Result<RunRequest, Mistake> {
        let (row, defaults) = (self.row, &self.file.defaults);
        let preset = combination.preset.as_ref().ok_or_else(|| {
            (row.id.span(), String::from("names no preset: `preset = \"...\"` (`verify list presets`)"))
        })?;
        let number = |of_row: &Option<Spanned<u64>>, of_all: &Option<Spanned<u64>>, most: u32| {
            of_row.as_ref().or(of_all.as_ref()).map(|number| whole(number, 1, most)).transpose()
        };
        let duration = row.duration.as_ref().or(defaults.duration.as_ref());
        let clients = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        Ok(RunRequest {
            lanes: vec![LaneRequest {
                preset: Some(preset.get_ref().clone()),
                overrides: combination
                    .settings
                    .iter()
                    .map(|(name, value)| (name.clone(), value.get_ref().clone()))
                    .collect(),
                files: Vec::new(),
            }],
            faults: faults(combination.faults.as_ref())?,
            duration_ms: duration.map(read_time).transpose()?,
            rate_per_s: number(&row.rate, &defaults.rate, 1_000_000)?.unwrap_or(RATE_PER_S),
            size_bytes: number(&row.size, &defaults.size, u32::MAX)?.unwrap_or(SIZE_BYTES),
            producers: number(&row.producers, &defaults.producers, 32)?.map(clients),
            consumers: number(&row.consumers, &defaults.consumers, 32)?.map_or(1, clients),
            seed: 0,
            timings: timings(combination.timings.as_ref())?,
            // What is expected decides; the claims of the vendor are judged all the same.
            required: Some(Vec::new()),
            audit: AuditMode::Full,
            out: std::path::PathBuf::new(),
            keep_data: false,
            name_suffix: String::new(),
            outside: None,
        })
    }

    fn lane(&self, system: &dyn System, combination: &Combination, request: &RunRequest) -> Result<LanePlan, Mistake> {
        let lane = request.lanes.first().cloned().unwrap_or_default();
        system.lane(&lane).map_err(|error| self.mistake(&PlanError::Config(error), combination))
    }

    /// A refusal, at what it is about.
    fn mistake(&self, error: &PlanError, combination: &Combination) -> Mistake {
        let setting = |name: &str| {
            let mut settings = combination.settings.iter();
            let short = |name: &str| split_scope(name).1.to_owned();
            settings.find(|(typed, _)| typed == name || short(typed) == short(name)).map(|(_, value)| value.span())
        };
        let at: Option<Range<usize>> = match error {
            PlanError::Config(ConfigError::Unknown { what: "preset", .. }) => {
                combination.preset.as_ref().map(Spanned::span)
            }
            PlanError::Config(ConfigError::Unknown { name, .. }) => setting(name),
            PlanError::Config(ConfigError::Invalid { setting: name, .. }) => setting(name),
            PlanError::Schedule(_) | PlanError::Fault(_) => combination.faults.as_ref().map(Spanned::span),
            PlanError::Config(ConfigError::Contradiction(text)) if text.starts_with('`') => {
                combination.faults.as_ref().map(Spanned::span)
            }
            PlanError::OutOfRange { option, .. } => match *option {
                "--size" => self.row.size.as_ref().map(Spanned::span),
                "--rate" => self.row.rate.as_ref().map(Spanned::span),
                _ => None,
            },
            PlanError::Config(_) => None,
        };
        (at.unwrap_or_else(|| self.row.id.span()), error.to_string())
    }
}

fn faults(text: Option<&Spanned<String>>) -> Result<Vec<FaultRequest>, Mistake> {
    let Some(text) = text else { return Ok(Vec::new()) };
    if text.get_ref().trim() == "random" {
        return Err((text.span(), String::from("a matrix says which faults it wants: `random` compares with nothing")));
    }
    FaultRequest::parse_list(text.get_ref()).map_err(|error| (text.span(), error.to_string()))
}

fn timings(text: Option<&Spanned<String>>) -> Result<Timings, Mistake> {
    match text.map(|text| (text.get_ref().as_str(), text.span())) {
        None | Some(("vendor", _)) => Ok(Timings::Vendor),
        Some(("short", _)) => Ok(Timings::Short),
        Some((other, at)) => Err((at, format!("there are no timings `{other}`: vendor or short"))),
    }
}

/// The faults as they are typed, names in full: `kill:leader@8s*3`.
fn typed(faults: &[FaultRequest]) -> String {
    if faults.is_empty() {
        return String::from("none");
    }
    let follows = |first: &FaultRequest, next: &FaultRequest| {
        next.start_ms.is_none() && FaultRequest { start_ms: first.start_ms, ..next.clone() } == *first
    };
    let mut runs: Vec<(&FaultRequest, usize)> = Vec::new();
    for fault in faults {
        match runs.last_mut() {
            Some((first, times)) if follows(first, fault) => *times += 1,
            _ => runs.push((fault, 1)),
        }
    }
    let text = |(fault, times): (&FaultRequest, usize)| match times {
        1 => fault.typed(),
        times => format!("{}*{times}", fault.typed()),
    };
    runs.into_iter().map(text).collect::<Vec<_>>().join(",")
}

fn name(row: &str, system: &str, version: Option<&str>, lane: &str, faults: &str, timings: &str) -> String {
    let version = version.map_or_else(String::new, |version| format!("-{version}"));
    let timings = if timings == "short" { "short" } else { "" };
    let product = format!("{system}{version}");
    let parts = [row, &product, lane, faults, timings].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("/")
}

/// Everything that makes a cluster.
fn cluster(entry: &CellEntry, request: &RunRequest, planned: &RunPlan) -> String {
    let needs = |fault: &FaultRequest| find_fault(fault.fault).ok()?.needs();
    let machines: BTreeSet<_> = request.faults.iter().filter_map(needs).collect();
    format!("{} {:?} {:?} {:?} {machines:?}", entry.system, entry.version, request.timings, planned.broker_config)
}

/// Everything that makes a cluster, its load and its schedule.
fn shares(entry: &CellEntry, request: &RunRequest, planned: &RunPlan) -> String {
    let RunRequest { duration_ms, rate_per_s, size_bytes, producers, consumers, timings, audit, .. } = request;
    format!(
        "{} {:?} {timings:?} {} {duration_ms:?} {rate_per_s} {size_bytes} {producers:?} {consumers} {audit:?} {:?}",
        entry.system, entry.version, entry.faults, planned.broker_config
    )
}

#[cfg(test)]
mod tests {
    use delivery_faults::FaultRequest;
    use proptest::prelude::*;

    use super::typed;

    #[test]
    fn faults_that_come_again_are_said_once() {
        let again = |text: &str| typed(&FaultRequest::parse_list(text).unwrap());
        assert_eq!(again("kill@8s+2s*3,netsplit"), "kill:leader@8s+2s*3,netsplit:leader");
        assert_eq!(again("kill,kill@9s,kill"), "kill:leader,kill:leader@9s*2");
        assert_eq!(again("none"), "none");
    }

    proptest! {
        #[test]
        fn what_is_typed_is_read_back(picks in proptest::collection::vec((0usize..4, 1usize..4), 0..5)) {
            let texts = ["kill:leader@8s+2s", "kill:leader", "netsplit+15s", "loss=30"];
            let list: Vec<String> = picks.iter().map(|(text, times)| format!("{}*{times}", texts[*text])).collect();
            let faults = FaultRequest::parse_list(&list.join(",")).unwrap();
            prop_assert_eq!(FaultRequest::parse_list(&typed(&faults)).unwrap(), faults);
        }
    }
}
