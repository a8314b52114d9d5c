//! How strong the evidence is: windows that bit, and the share of losing windows that no loss
//! in them still allows. Losses within one cut come together, so there is no bound per message.

/// Chance of missing what the bound excludes.
const MISS: f64 = 0.05;

/// Largest share of losing windows compatible with none of `windows` losing, at 95 %.
pub(crate) fn bound(windows: u64, lost: u64, durability_shown: bool) -> Option<f64> {
    (windows > 0 && lost == 0 && durability_shown).then(|| 1.0 - MISS.powf(1.0 / windows as f64))
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn bound_follows_from_the_windows() {
        assert!((bound(1, 0, true).unwrap() - 0.95).abs() < 1e-12);
        assert!((bound(59, 0, true).unwrap() - 0.0495).abs() < 1e-3);
        assert_eq!((bound(0, 0, true), bound(3, 1, true), bound(3, 0, false)), (None, None, None));
    }
}
