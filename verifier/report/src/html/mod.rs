//! Pages for browsers: one of a run, one of many. Each is one file that asks the network for nothing.

mod anchors;
mod lane;
mod lines;
mod marks;
mod markup;
mod overview;
mod plot;
mod run;
mod scale;
mod series;
mod shell;
mod values;

use std::io::Write;

use delivery_checks::Picture;
use delivery_checks::picture::FaultSpan;

use crate::{Exporter, Report, ReportError};

pub(crate) use anchors::run_anchor;
pub(crate) use markup::Markup;
pub(crate) use overview::{articles, index_page};

/// Writes the page of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Html<'a> {
    /// The run over time; without it the page has no pictures.
    pub picture: Option<&'a Picture>,
}

impl Exporter for Html<'_> {
    fn name(&self) -> &'static str {
        "HTML"
    }

    fn export(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
        let page = run::page(report, self.picture);
        out.write_all(page.as_bytes()).map_err(|cause| ReportError::Write { format: self.name(), cause })
    }
}

/// Seconds after the load began: `+8.011 s`.
fn moment(at_ms: i64) -> String {
    let sign = if at_ms < 0 { '-' } else { '+' };
    let at_ms = at_ms.unsigned_abs();
    format!("{sign}{}.{:03} s", at_ms / 1_000, at_ms % 1_000)
}

/// `netsplit:leader on n1 from +8.001 s to +23.004 s`.
fn fault_words(fault: &FaultSpan) -> String {
    let to = fault.to_ms.map_or_else(|| String::from("the end of the recording"), moment);
    let targets = if fault.targets.is_empty() { String::from("nobody") } else { fault.targets.join(", ") };
    format!("{} on {targets} from {} to {to}", fault.fault, moment(fault.from_ms))
}
