//! Numbers, times and foreign text as people read them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `28,900`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 message`, `28,900 messages`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", number(count as u64), if count == 1 { "" } else { "s" })
}

/// A share of a whole, 0 to 1, as `61.0 %`. What is not zero never reads as zero, what is not all never as all.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value > 0.0 && value < 0.1 {
        String::from("<0.1 %")
    } else if value < 100.0 && value > 99.9 {
        String::from(">99.9 %")
    } else {
        format!("{value:.1} %")
    }
}

/// `part` of `whole` as [`percent`]; nothing where there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| percent(part as f64 / whole as f64))
}

/// `850 ms`, `15.0 s`, `3 min 20 s`.
pub(crate) fn duration(time_ms: u64) -> String {
    match time_ms {
        0..1_000 => format!("{time_ms} ms"),
        1_000..120_000 => format!("{}.{} s", time_ms / 1_000, time_ms % 1_000 / 100),
        _ => format!("{} min {} s", time_ms / 60_000, time_ms % 60_000 / 1_000),
    }
}

/// Text from elsewhere, fit for a terminal: no control characters (a name must not move the cursor), nothing that
/// changes the direction or hides, and ASCII only where asked for.
pub(crate) fn clean(text: &str, unicode: bool) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() => cleaned.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {}
            '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => {}
            _ if unicode || c.is_ascii() => cleaned.push(c),
            '\u{b7}' => cleaned.push('|'),
            '\u{2192}' => cleaned.push_str("->"),
            '\u{2264}' => cleaned.push_str("<="),
            '\u{2265}' => cleaned.push_str(">="),
            '\u{2010}'..='\u{2015}' => cleaned.push('-'),
            '\u{2026}' => cleaned.push_str("..."),
            _ => cleaned.push('?'),
        }
    }
    cleaned
}

/// At most `columns` columns of `text`, ending in `...` where something is left out.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut shortened = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 3 > columns {
            break;
        }
        shortened.push(c);
    }
    format!("{}...", shortened.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([number(0), number(999), number(28_900), number(1_000_000)], ["0", "999", "28,900", "1,000,000"]);
    }

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        assert_eq!(share(28_900, 47_380).unwrap(), "61.0 %");
        assert_eq!(share(1, 1_000_000).unwrap(), "<0.1 %");
        assert_eq!(share(999_999, 1_000_000).unwrap(), ">99.9 %");
        assert_eq!([share(0, 5).unwrap(), share(5, 5).unwrap()], ["0.0 %", "100.0 %"]);
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn durations_keep_what_matters() {
        assert_eq!([duration(850), duration(15_049), duration(200_000)], ["850 ms", "15.0 s", "3 min 20 s"]);
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{202e}d", true), "a [31mb cd");
        assert_eq!(clean("n2 \u{2192} n3 \u{b7} caf\u{e9}", false), "n2 -> n3 | caf?");
    }

    proptest! {
        #[test]
        fn shortened_text_fits(text in ".{0,200}", columns in 3_usize..120) {
            prop_assert!(shorten(&clean(&text, true), columns).width() <= columns);
        }
    }
}
