//! Programs that end when this one does, however it ends.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs the program that its arguments name until it ends. A line on standard input asks the
/// program to end (SIGTERM); when standard input ends, it is killed. Standard input is a pipe from
/// the caller, which closes when the caller lets go of it or dies, even by SIGKILL. A job in the
/// background has none by default.
const SCRIPT: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r _ <&3 && kill "$program"; cat <&3; kill -9 "$program") >/dev/null 2>&1 &
exec 3<&-
wait "$program""#;
/// The line that asks the program to end.
pub const END: &[u8] = b"end\n";

/// A command whose child, once started with its standard input still piped, ends when that pipe
/// closes. Its exit status is the program's.
pub fn leashed<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(program).args(arguments).stdin(Stdio::piped());
    command
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::{END, leashed};

    #[test]
    fn the_programs_status_comes_through() {
        let mut child = leashed(Path::new("/bin/sh"), ["-c", "exit 7"]).spawn().unwrap();
        let _pipe = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn the_program_ends_when_the_pipe_closes() {
        let mut child = leashed(Path::new("/bin/sleep"), ["1000"]).spawn().unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    }

    #[test]
    fn a_line_asks_it_to_end() {
        let mut child = leashed(Path::new("/bin/sleep"), ["1000"]).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(END).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    }
}
