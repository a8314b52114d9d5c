//! Which partition a key belongs to, as librdkafka's partitioners say (`partitioner` in its CONFIGURATION.md).
//!
//! The partition is worked out here and named to the client, because what is recorded before a send names the place the
//! message must be found in. Every message has a key, so the `_random` variants, which draw for messages without one, are
//! the same as those without.

/// How keys are spread.
#[derive(Clone, Debug)]
pub(crate) enum Partitioner {
    /// CRC-32 of the key.
    Consistent,
    /// Murmur2 of the key: the Java client's.
    Murmur2,
    /// FNV-1a of the key: Sarama's.
    Fnv1a,
    /// Whichever, each time.
    Random(Box<fastrand::Rng>),
}

impl Partitioner {
    /// Names as librdkafka has them.
    pub(crate) const NAMES: [&str; 7] =
        ["consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random", "random"];

    /// The partitioner of this name; `seed` is what it draws from.
    pub(crate) fn from_name(name: &str, seed: u64) -> Option<Self> {
        match name {
            "consistent" | "consistent_random" => Some(Self::Consistent),
            "murmur2" | "murmur2_random" => Some(Self::Murmur2),
            "fnv1a" | "fnv1a_random" => Some(Self::Fnv1a),
            "random" => Some(Self::Random(Box::new(fastrand::Rng::with_seed(seed)))),
            _ => None,
        }
    }

    /// The partition of `key` among `partitions`.
    pub(crate) fn pick(&mut self, key: &[u8], partitions: usize) -> usize {
        let count = u32::try_from(partitions).unwrap_or(u32::MAX).max(1);
        let partition = match self {
            Self::Consistent => crc32fast::hash(key) % count,
            // Both sides take the sign away by the same bit.
            Self::Murmur2 => (murmur2(key) & 0x7fff_ffff) % count,
            Self::Fnv1a => fnv1a(key) % count,
            Self::Random(random) => random.u32(0..count),
        };
        partition as usize
    }
}

/// MurmurHash2, 32 bits, with the seed Kafka's Java client has (`Utils.murmur2`).
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut mixed = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        mixed = (mixed ^ (mixed >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ mixed;
    }
    for (place, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// FNV-1a, 32 bits, without its sign, as Sarama's hash partitioner takes it.
fn fnv1a(key: &[u8]) -> u32 {
    let hash = key.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Partitioner, fnv1a, murmur2};

    #[test]
    fn hashes_are_those_of_the_java_client_and_of_sarama() {
        // From librdkafka's own tests (rdmurmur2.c, rdfnv1a.c), which took them from there.
        assert_eq!(murmur2(b"kafka"), 0xd067_cf64);
        assert_eq!(murmur2(b"giberish123456789"), 0x8f55_2b0c);
        assert_eq!(murmur2(b""), 0x106e_08d9);
        assert_eq!(fnv1a(b"giberish123456789"), 0x77a5_8295);
        assert_eq!(fnv1a(b""), 0x7ee3_623b);
    }

    #[test]
    fn every_name_is_one_the_client_library_takes() {
        for name in Partitioner::NAMES {
            let mut config = rdkafka::ClientConfig::new();
            config.set("partitioner", name);
            assert!(config.create_native_config().is_ok(), "{name}");
            assert!(Partitioner::from_name(name, 1).is_some(), "{name}");
        }
        assert!(Partitioner::from_name("best", 1).is_none());
    }

    proptest! {
        #[test]
        fn a_key_has_a_place_and_keeps_it(key in proptest::collection::vec(any::<u8>(), 0..40), partitions in 1usize..50) {
            for name in Partitioner::NAMES {
                let mut partitioner = Partitioner::from_name(name, 7).unwrap();
                let (first, again) = (partitioner.pick(&key, partitions), partitioner.pick(&key, partitions));
                prop_assert!(first < partitions && again < partitions);
                prop_assert!(name == "random" || first == again);
            }
        }
    }
}
