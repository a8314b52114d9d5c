//! The Erlang of this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use delivery_broker::InstallError;

use super::tree::{erlang_in, otp_at};
use super::version::Otp;

/// The `erl` of this machine, with its links resolved, and its version.
///
/// # Errors
/// There is none, or it does not say its version.
pub(super) fn find() -> Result<(PathBuf, Otp), InstallError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let erl = find_in(&path, "erl").ok_or_else(|| InstallError::Missing {
        what: String::from("Erlang is not installed (no `erl` on the PATH), and RabbitMQ runs on it"),
        remedy: String::from(
            "Install it (Debian: apt-get install rabbitmq-server brings both), or use a root file system that has its own: `verify rootfs rabbitmq --suite trixie`.",
        ),
    })?;
    let otp = version_of(&erl).ok_or_else(|| InstallError::Missing {
        what: format!("{} does not say its version (no releases/*/OTP_VERSION beside it)", erl.display()),
        remedy: String::from("Put the `bin` directory of a complete Erlang/OTP first on the PATH."),
    })?;
    Ok((erl, otp))
}

/// The first file called `name` in a directory of the PATH, its links resolved.
fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    let candidates = std::env::split_paths(path).map(|directory| directory.join(name));
    candidates.filter(|candidate| candidate.is_file()).find_map(|candidate| std::fs::canonicalize(candidate).ok())
}

/// `bin/erl` is a script in Erlang's root directory, or in a directory that has that one below it.
fn version_of(erl: &Path) -> Option<Otp> {
    let root = erl.parent()?.parent()?;
    otp_at(root).or_else(|| otp_at(&root.join("lib/erlang"))).or_else(|| erlang_in(root).map(|(_, otp)| otp))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{find_in, version_of};

    #[test]
    fn a_link_on_the_path_leads_to_the_version() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("lib/erlang");
        for part in ["bin", "releases/25"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
        fs::write(root.join("bin/erl"), "").unwrap();
        fs::write(root.join("releases/25/OTP_VERSION"), "25.2.3\n").unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink("../lib/erlang/bin/erl", bin.join("erl")).unwrap();
        let erl = find_in(bin.as_os_str(), "erl").unwrap();
        assert_eq!(erl, fs::canonicalize(root.join("bin/erl")).unwrap());
        assert_eq!(version_of(&erl).unwrap().to_string(), "25.2");
        assert_eq!(find_in(bin.as_os_str(), "epmd"), None);
    }
}
