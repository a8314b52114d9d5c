//! Names of the files a publication consists of.

/// The reader's page.
pub(super) const README: &str = "README.md";
/// The page for browsers.
pub(super) const INDEX: &str = "index.html";
/// For continuous integration.
pub(super) const JUNIT: &str = "junit.xml";
/// What stands in the columns of the CSV files.
pub(super) const COLUMNS: &str = "columns.md";

/// The rows of one system. Whatever a system is called, its file lies in the directory of the publication.
pub(super) fn csv_name(system: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' };
    let name: String = system.chars().map(plain).collect();
    format!("{}.csv", if name.is_empty() { "unnamed" } else { &name })
}
