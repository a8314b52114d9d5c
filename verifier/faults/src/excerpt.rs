//! Where in a file of the user's a mistake is: its line, its column, and the line itself with what is meant marked.

use std::ops::Range;

/// Characters of a line that are shown at most: with the number before them they fit a page.
const MAX_SHOWN: usize = 80;
/// Characters before the mistake that are shown of a line too long to be shown whole.
const LEAD: usize = 30;

/// The place of a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line with the mistake marked under it, each line of it after a line break; empty where there is nothing to show.
    pub excerpt: String,
}

impl Place {
    /// The place of the bytes `at` in `text`.
    pub fn of(text: &str, at: &Range<usize>) -> Self {
        let before = text.get(..at.start.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        let whole = text[line_start..].lines().next().unwrap_or_default();
        let meant = text.get(at.clone()).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        Self { line, column, excerpt: excerpt(whole, line, column, meant) }
    }
}

fn excerpt(whole: &str, line: usize, column: usize, meant: usize) -> String {
    if whole.trim().is_empty() {
        return String::new();
    }
    // What moves the cursor or changes direction would put the mark elsewhere.
    let clean = |c: char| if c.is_control() || ('\u{200e}'..='\u{206f}').contains(&c) { ' ' } else { c };
    let count = whole.chars().count();
    let from = if count <= MAX_SHOWN { 0 } else { (column - 1).saturating_sub(LEAD).min(count - MAX_SHOWN) };
    let shown: String = whole.chars().skip(from).take(MAX_SHOWN).map(clean).collect();
    let indent = column - 1 - from.min(column - 1);
    let marks = meant.clamp(1, shown.chars().count().saturating_sub(indent).max(1));
    let (number, gap) = (line.to_string(), " ".repeat(line.to_string().len()));
    format!("\n{gap} |\n{number} | {}\n{gap} | {}{}", shown.trim_end(), " ".repeat(indent), "^".repeat(marks))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Place;

    #[test]
    fn what_is_meant_is_marked() {
        let text = "a = 1\n\tpreset = [\"safe\", \"fats\"]\n";
        let at = text.find("\"fats\"").unwrap();
        let place = Place::of(text, &(at..at + 6));
        assert_eq!((place.line, place.column), (2, 20));
        assert_eq!(place.excerpt, "\n  |\n2 |  preset = [\"safe\", \"fats\"]\n  |                    ^^^^^^");
        assert_eq!(Place::of("\n\n", &(1..1)).excerpt, "");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let text = format!("x = \"{}\" y {}", "a".repeat(200), "b".repeat(200));
        let at = text.find('y').unwrap();
        let place = Place::of(&text, &(at..at + 1));
        let lines: Vec<&str> = place.excerpt.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{}", place.excerpt);
        let marked = lines[3].find('^').unwrap();
        assert_eq!(&lines[2][marked..=marked], "y", "{}", place.excerpt);
    }

    proptest! {
        #[test]
        fn any_text_and_any_place_are_shown_within_a_page(text in "(.|\n|\t){0,200}", from in 0..220_usize, len in 0..50_usize) {
            let place = Place::of(&text, &(from..from + len));
            prop_assert!(place.line >= 1 && place.column >= 1);
            prop_assert!(place.excerpt.lines().all(|line| line.chars().count() <= 100), "{}", place.excerpt);
        }
    }
}
