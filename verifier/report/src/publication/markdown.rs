//! Markdown whose text from elsewhere stays text.

use std::fmt::Write as _;

use crate::words::clean;

/// Text as it is, whatever Markdown or HTML would make of it. Line breaks become blanks, so it fits a table cell.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in clean(text, true).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A table: its titles, and the columns of numbers, which stand to the right. Cells are escaped already.
pub(super) fn table(titles: &[&str], numbers: &[usize], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|", titles.join(" | "));
    for column in 0..titles.len() {
        text.push_str(if numbers.contains(&column) { " ---: |" } else { " --- |" });
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_in_a_name_is_markup() {
        let escaped = escape("a|b <script>*x*</script> [l](javascript:1) `c`\nd \u{202e}e & _f_ !g");
        assert_eq!(
            escaped,
            "a\\|b &lt;script&gt;\\*x\\*&lt;/script&gt; \\[l\\](javascript:1) \\`c\\` d e &amp; \\_f\\_ \\!g"
        );
    }
}
