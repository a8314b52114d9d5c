//! What does not lead in is refused at once, by name, and nothing is begun.

use super::secrets::{PASSWORD, WRONG};
use super::stage::Stage;

/// Listener, client settings, more arguments, exit code, what is named.
pub(crate) type WayIn<'a> = (u16, String, &'a [&'a str], i32, &'a [&'a str]);

/// Tries each.
pub(crate) fn are_refused(stage: &mut Stage, rows: &[WayIn]) {
    for (row, (port, text, more, code, named)) in rows.iter().enumerate() {
        let file = stage.write(&format!("row-{row}"), text);
        let arguments = ["--client-config", &file, "--preset", stage.product.preset, "--duration", "2s"];
        let ended = stage.run(*port, &[&arguments[..], more].concat(), &[]);
        assert_eq!(ended.code, Some(*code), "row {row}: {}", ended.told());
        for word in *named {
            assert!(ended.stderr.contains(word), "row {row}, {word}: {}", ended.told());
        }
        assert!(![PASSWORD, WRONG].iter().any(|secret| ended.told().contains(secret)), "row {row}: {}", ended.told());
        assert!(!ended.out.join("latest").exists(), "row {row}: nothing is begun");
    }
    stage.is_tidy();
}
