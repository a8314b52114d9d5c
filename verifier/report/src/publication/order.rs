//! Names with numbers in them, in the order a reader expects: 3.9.1 before 3.10.8.

/// Something to sort `text` by.
pub(super) fn natural(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for c in text.chars() {
        match (parts.last_mut(), c.to_digit(10)) {
            (Some(Part::Number(number)), Some(digit)) => {
                *number = number.saturating_mul(10).saturating_add(u64::from(digit));
            }
            (_, Some(digit)) => parts.push(Part::Number(u64::from(digit))),
            (Some(Part::Text(text)), None) => text.push(c),
            (_, None) => parts.push(Part::Text(c.to_string())),
        }
    }
    parts
}

/// A run of digits, or of anything else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Number(u64),
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_count_as_numbers() {
        let mut versions = ["3.10.8", "3.9.1", "4.0.5", "3.9.1-rc0", "10.0", "unknown"];
        versions.sort_by_key(|version| natural(version));
        assert_eq!(versions, ["3.9.1", "3.9.1-rc0", "3.10.8", "4.0.5", "10.0", "unknown"]);
        natural(&"9".repeat(60));
    }
}
