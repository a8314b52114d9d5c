//! Names of places in a page, which links lead to.

use std::fmt::Write as _;

/// The place of a run.
pub(crate) fn run_anchor(run_id: &str) -> String {
    format!("run-{}", slug(run_id))
}

/// The place of a lane of a run.
pub(crate) fn lane_anchor(run_id: &str, lane: usize) -> String {
    format!("{}-lane-{lane}", run_anchor(run_id))
}

/// The place of a finding of a lane.
pub(crate) fn finding_anchor(run_id: &str, lane: usize, kind: &str) -> String {
    format!("{}-{}", lane_anchor(run_id, lane), slug(kind))
}

/// Letters, digits and hyphens as they are, anything else as its number: two names never share one place.
fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            slug.push(c);
        } else {
            let _ = write!(slug, "_{:x}_", u32::from(c));
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::finding_anchor;

    #[test]
    fn a_place_has_no_character_a_link_would_need_to_escape() {
        assert_eq!(finding_anchor("a b\"/é", 2, "lost"), "run-a_20_b_22__2f__e9_-lane-2-lost");
    }
}
