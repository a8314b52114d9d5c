//! The distribution's tools, with directories of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use delivery_broker::InstallError;

use super::run;

/// Keys the archive signs with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Unpacked first: it has the links other packages' files go through.
const FIRST_PACKAGE: &str = "base-files";
/// Downloads between two lines of progress.
const PROGRESS_EVERY: usize = 25;
const NETWORK_REMEDY: &str = "Check the network and that the mirror still has the suite (old ones move to an archive), or give another with --mirror URL.";

/// `apt-get` on one suite.
pub(super) struct Apt {
    config: PathBuf,
    archives: PathBuf,
}

impl Apt {
    /// Writes its configuration below `directory`. Of this machine's own only what concerns the way to
    /// the mirror is taken over: proxies, certificates, time limits; neither its hooks nor its pins.
    ///
    /// # Errors
    /// A tool or the keys are missing.
    pub(super) fn prepare(directory: &Path, mirror: &str, suite: &str) -> Result<Self, InstallError> {
        if !Path::new(KEYRING).is_file() {
            return Err(InstallError::Missing {
                what: format!("{KEYRING} is not there, and packages are checked against it"),
                remedy: String::from("Install it: apt-get install debian-archive-keyring."),
            });
        }
        let dump = run::output("apt-config", &["dump"])?;
        let wrote = Self::write(directory, mirror, suite, &dump).map_err(|error| InstallError::Failed {
            what: format!("writing to {}", directory.display()),
            cause: error.to_string(),
            remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
        })?;
        Ok(wrote)
    }

    fn write(directory: &Path, mirror: &str, suite: &str, dump: &str) -> io::Result<Self> {
        let archives = directory.join("cache/archives");
        for made in [directory.join("state/lists/partial"), archives.join("partial"), directory.join("none.d")] {
            fs::create_dir_all(made)?;
        }
        for (name, text) in [
            ("status", String::new()),
            ("none", String::new()),
            ("sources.list", format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n")),
            ("apt.conf", configuration(directory, dump)),
        ] {
            fs::write(directory.join(name), text)?;
        }
        Ok(Self { config: directory.join("apt.conf"), archives })
    }

    /// Reads which packages there are.
    ///
    /// # Errors
    /// What it said.
    pub(super) fn update(&self) -> Result<(), InstallError> {
        self.call(&["update", "-q"], &mut |_| {})
    }

    /// Downloads packages with all they depend on; returns the files.
    ///
    /// # Errors
    /// What it said.
    pub(super) fn download(
        &self,
        packages: &[&str],
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<PathBuf>, InstallError> {
        let arguments: Vec<&str> =
            ["install", "-q", "--download-only", FIRST_PACKAGE].into_iter().chain(packages.iter().copied()).collect();
        let mut downloaded = 0;
        self.call(&arguments, &mut |line| {
            downloaded += usize::from(line.starts_with("Get:"));
            if line.starts_with("Get:") && downloaded % PROGRESS_EVERY == 0 {
                progress(&format!("downloading: {downloaded} packages"));
            }
        })?;
        let entries = fs::read_dir(&self.archives).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
        files.sort_by_key(|path| (!is_first(path), path.clone()));
        Ok(files)
    }

    fn call(&self, arguments: &[&str], on_line: &mut dyn FnMut(&str)) -> Result<(), InstallError> {
        let configure = |command: &mut Command| {
            command.env("APT_CONFIG", &self.config);
        };
        run::follow("apt-get", arguments, configure, on_line).map_err(|cause| InstallError::Failed {
            what: format!("`apt-get {}`", arguments[0]),
            cause,
            remedy: String::from(NETWORK_REMEDY),
        })
    }
}

/// Unpacks packages into `tree`; no script of theirs runs.
///
/// # Errors
/// What the tool said.
pub(super) fn unpack(packages: &[PathBuf], tree: &Path) -> Result<(), InstallError> {
    let to = tree.display().to_string();
    for package in packages {
        let file = package.display().to_string();
        run::follow("dpkg-deb", &["-x", &file, &to], |_| {}, &mut |_| {}).map_err(|cause| InstallError::Failed {
            what: format!("`dpkg-deb -x {file}`"),
            cause,
            remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
        })?;
    }
    Ok(())
}

fn is_first(package: &Path) -> bool {
    let name = package.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(&format!("{FIRST_PACKAGE}_")))
}

/// The configuration file: where everything is, and how this machine reaches mirrors.
fn configuration(directory: &Path, dump: &str) -> String {
    let mut text: String =
        dump.lines().filter(|line| line.starts_with("Acquire::")).map(|line| format!("{line}\n")).collect();
    for (name, place) in [
        ("Dir::State", "state"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::main", "none"),
        ("Dir::Etc::parts", "none.d"),
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::Etc::sourceparts", "none.d"),
        ("Dir::Etc::preferences", "none"),
        ("Dir::Etc::preferencesparts", "none.d"),
    ] {
        text.push_str(&format!("{name} \"{}\";\n", directory.join(place).display()));
    }
    for (name, value) in [
        ("APT::Sandbox::User", ""),
        ("APT::Install-Recommends", "false"),
        ("APT::Get::Assume-Yes", "true"),
        // A mirror that cannot be reached is no warning.
        ("APT::Update::Error-Mode", "any"),
    ] {
        text.push_str(&format!("{name} \"{value}\";\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{configuration, is_first};

    #[test]
    fn of_the_machines_settings_only_the_way_to_the_mirror_is_kept() {
        let dump = "APT::Update::Post-Invoke:: \"rm -rf /\";\nAcquire::http::Proxy \"http://proxy:3128\";\n\
                    Dir::State \"var/lib/apt\";\nDPkg::Options:: \"--force-confold\";\n";
        insta::assert_snapshot!(configuration(Path::new("/cache/.partial"), dump));
    }

    #[test]
    fn links_come_before_what_goes_through_them() {
        let mut packages: Vec<PathBuf> =
            ["adduser_3.deb", "base-files_13.deb", "base-passwd_3.deb"].map(PathBuf::from).into();
        packages.sort_by_key(|path| (!is_first(path), path.clone()));
        assert_eq!(packages[0], Path::new("base-files_13.deb"));
    }
}
