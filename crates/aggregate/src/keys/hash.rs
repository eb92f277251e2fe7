//! The hash of keys, under either of two seeds.
//!
//! What an index is looked up by is seeded by the process ([`Seed`]): who knows the constants of a hash can make any number
//! of keys that have one hash, and each would be compared with all before it. No output depends on it, because groups
//! are numbered in order of appearance. Fingerprints and sketches, which are held against those of other partitions or give
//! numbers of their own, take [`FIXED`].

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FixedState, RandomState};

/// The seed of an index: drawn by the process, and its own.
pub(crate) type Seed = RandomState;

/// Any constant will do; changing it changes every fingerprint.
pub(crate) const FIXED: FixedState = FixedState::with_seed(0x7469_6465_6d69_6c6c);

/// Stands for NULL; that some value may share it costs one comparison.
pub(crate) const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;

/// Hash of a value of up to eight bytes.
#[inline]
pub(crate) fn of_u64(seed: &impl BuildHasher, value: u64) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write_u64(value);
    hasher.finish()
}

/// Hash of a value of up to sixteen bytes.
#[inline]
pub(crate) fn of_u128(seed: &impl BuildHasher, value: u128) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write_u128(value);
    hasher.finish()
}

/// Hash of a run of bytes.
#[inline]
pub(crate) fn of_bytes(seed: &impl BuildHasher, bytes: &[u8]) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Hash of several key columns from that of the columns before and that of the next one.
#[inline]
pub(crate) fn combine(seed: &impl BuildHasher, before: u64, next: u64) -> u64 {
    of_u64(seed, before.rotate_left(23) ^ next)
}

/// Spreads a hash over all 64 bits evenly, for the register choice of a `HyperLogLog`.
///
/// Source: Austin Appleby, `MurmurHash3`, `fmix64`.
#[inline]
pub(crate) fn finalize(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints hold such hashes, and registers made of them: another function would go on from them to wrong
    /// counts. Whoever changes it gives checkpoints another version.
    #[test]
    fn the_fixed_hash_is_that_of_all_checkpoints() {
        assert_eq!(of_u64(&FIXED, 0), 17950982949305747519);
        assert_eq!(of_u64(&FIXED, u64::MAX), 17985410789228816959);
        assert_eq!(of_u128(&FIXED, 1 << 64 | 2), 17591596072006396683);
        assert_eq!(of_bytes(&FIXED, b"a text of more than sixteen bytes"), 3835882460056987645);
        assert_eq!(of_bytes(&FIXED, "long ".repeat(60).as_bytes()), 9366276616541257669);
        assert_eq!(combine(&FIXED, 1, 2), 6655266411538924750);
        assert_eq!(finalize(1), 12994781566227106604);
    }
}
