//! What stands in the columns of the CSV files.

use super::markdown::{escape, table};
use super::readme::MARKER;
use crate::csv_rows::columns_described;

pub(super) fn columns() -> String {
    let rows: Vec<Vec<String>> =
        columns_described().into_iter().map(|(name, about)| vec![format!("`{name}`"), unticked(&about)]).collect();
    let table = table(&["column", "what stands in it"], &[], &rows);
    format!(
        "{MARKER}\n\n# Columns of the CSV files\n\nOne row for each lane of each run, the oldest first. A column keeps its \
         place for good; new ones come last.\n\n{table}"
    )
}

/// Descriptions are our own: what stands between ticks is code.
fn unticked(about: &str) -> String {
    let parts: Vec<String> = about
        .split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 1 { format!("`{part}`") } else { escape(part) })
        .collect();
    parts.concat()
}
