//! Names by pattern: `*` is any text, `?` one character.

/// Whether `name` as a whole matches `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stood, and how far into the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    p = at + 1;
                    n = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::matches;

    #[test]
    fn stars_and_question_marks_are_understood() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("*", "", true),
            ("K2*", "K2/kafka/fast", true),
            ("K2/*", "K20/kafka/fast", false),
            ("*fast*", "K2/kafka/fast/netsplit", true),
            ("K?/*", "K2/x", true),
            ("K?/*", "K12/x", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxbx", false),
            ("netsplit", "netsplit:leader", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    /// The definition, word for word.
    fn slow(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => slow(rest, name) || (!name.is_empty() && slow(pattern, &name[1..])),
            (Some((letter, rest)), Some((first, others))) => (*letter == '?' || letter == first) && slow(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_its_definition_says(pattern in "[ab*?]{0,7}", name in "[ab]{0,9}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), slow(&p, &n));
        }
    }
}
