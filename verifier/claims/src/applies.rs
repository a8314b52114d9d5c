//! Which claims speak about a lane of a run.

use delivery_checks::judgement::Guarantee;
use delivery_history::RunManifest;
use delivery_history::manifest::{Fault, Lane};
use semver::Version;

use crate::registry::{Claim, Promise, is_among};

/// Whether `claim` speaks about `lane` under every fault of the run, whatever the broker's version.
pub(crate) fn applies(claim: &Claim, manifest: &RunManifest, lane: &Lane) -> bool {
    claim.system == manifest.system
        && !(lane.resends && is_about_repeats(claim))
        && claim.workload.is_none_or(|workload| workload == lane.workload)
        && client_matches(claim, &manifest.client)
        && claim.when.iter().all(|(name, accepted)| lane.config.get(name).is_some_and(|value| accepted.accepts(value)))
        && !claim
            .unless
            .iter()
            .any(|(name, excluded)| lane.config.get(name).is_some_and(|value| excluded.accepts(value)))
        && manifest.faults.iter().all(|fault| is_one_of(&claim.faults, fault))
        && (claim.with.is_empty() || manifest.faults.iter().any(|fault| is_one_of(&claim.with, fault)))
}

/// Where the application sends a message again under the same identity, what repeats is its own doing.
fn is_about_repeats(claim: &Claim) -> bool {
    let repeats = [Guarantee::AtMostOnce, Guarantee::ExactlyOnce, Guarantee::Ordering];
    claim.promises == Some(Promise::Holds) && claim.guarantee.is_some_and(|guarantee| repeats.contains(&guarantee))
}

fn client_matches(claim: &Claim, client: &str) -> bool {
    let Some(wanted) = &claim.client else { return true };
    client.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
}

fn is_one_of(faults: &[String], fault: &Fault) -> bool {
    is_among(faults, &fault.fault, &fault.shape)
}

/// The release a product's version text names: its leading numbers, up to three of them (`3.9` is 3.9.0, `4.1.1-rc0` is
/// 4.1.1: a claim about a release is held against its candidates too). Nothing where it starts with no number.
pub fn release_of(version: &str) -> Option<Version> {
    let text = version.trim().trim_start_matches(['v', 'V']);
    let numbers = text.find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text, |end| &text[..end]);
    let mut parts = numbers.split('.').filter(|part| !part.is_empty()).map(str::parse::<u64>);
    let major = parts.next()?.ok()?;
    let minor = parts.next().map_or(Some(0), Result::ok)?;
    let patch = parts.next().map_or(Some(0), Result::ok)?;
    Some(Version::new(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::release_of;
    use proptest::prelude::*;
    use semver::Version;

    #[test]
    fn versions_as_products_write_them_are_read() {
        for (text, release) in [
            ("4.1.1", (4, 1, 1)),
            ("3.9", (3, 9, 0)),
            ("v3.3.1", (3, 3, 1)),
            ("4.1.1-rc0", (4, 1, 1)),
            ("3.10.8-1.1+deb12u1", (3, 10, 8)),
            (" 4 ", (4, 0, 0)),
        ] {
            assert_eq!(release_of(text), Some(Version::new(release.0, release.1, release.2)), "{text}");
        }
        for text in ["", "unknown", "trunk", ".", "99999999999999999999999.1"] {
            assert_eq!(release_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            let _ = release_of(&text);
        }
    }
}
