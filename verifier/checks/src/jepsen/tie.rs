//! Which of several messages at one offset stands for it.
//!
//! Any choice is as good as another, but different choices give different skips and cycles. So it is the one that the
//! reference makes: the first in the order of Clojure's hash sets, which is that of 5-bit digits, lowest first, of the
//! value's hash (Murmur3 of 64 bits, seed 0).

use delivery_history::import::Scalar;

/// Smallest first. Names have no order there that could be followed: they come last, as they were first seen.
pub(super) fn rank(value: Scalar) -> u64 {
    match value {
        Scalar::Integer(number) => by_digits(hash(number)),
        Scalar::Name(name) => (1 << 40) + u64::from(name),
    }
}

fn by_digits(hash: u32) -> u64 {
    (0..7).fold(0, |rank, digit| rank << 5 | u64::from(hash >> (5 * digit) & 31))
}

fn hash(number: i64) -> u32 {
    if number == 0 {
        return 0;
    }
    let low = mix(0, number as u32);
    let both = mix(low, (number >> 32) as u32) ^ 8;
    let both = (both ^ both >> 16).wrapping_mul(0x85eb_ca6b);
    let both = (both ^ both >> 13).wrapping_mul(0xc2b2_ae35);
    both ^ both >> 16
}

fn mix(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_hash_as_clojure_hashes_them() {
        // (hash 1), (hash 2), (hash 3), (hash -1) at a Clojure prompt.
        assert_eq!(hash(1) as i32, 1_392_991_556);
        assert_eq!(hash(2) as i32, -971_005_196);
        assert_eq!(hash(-1) as i32, 1_651_860_712);
    }
}
