//! What maintainer scripts would have written, as far as a broker needs it.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Everything runs as root there, or as the user who is root of the namespace.
const FILES: [(&str, &str); 5] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    // Names of hosts come from the file alone: there is no name server in a run.
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/hostname", "localhost\n"),
];

/// Finishes a tree of unpacked packages.
///
/// # Errors
/// The system's, where it cannot be written.
pub(super) fn finish(tree: &Path) -> io::Result<()> {
    fs::set_permissions(tree, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(tree.join("etc"))?;
    for (path, text) in FILES {
        fs::write(tree.join(path), text)?;
    }
    let shell = tree.join("bin/sh");
    if shell.symlink_metadata().is_err() {
        fs::create_dir_all(tree.join("bin"))?;
        symlink("dash", shell)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::finish;

    #[test]
    fn accounts_names_and_a_shell_are_there() {
        let directory = tempfile::tempdir().unwrap();
        finish(directory.path()).unwrap();
        let read = |path: &str| fs::read_to_string(directory.path().join(path)).unwrap();
        assert!(read("etc/passwd").starts_with("root:x:0:0:"));
        assert!(read("etc/group").starts_with("root:x:0:"));
        assert!(read("etc/nsswitch.conf").contains("hosts: files\n"));
        assert_eq!(fs::read_link(directory.path().join("bin/sh")).unwrap().to_str(), Some("dash"));
        finish(directory.path()).unwrap();
    }
}
