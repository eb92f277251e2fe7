//! The one hash of this crate: seeded with a constant, so that table layout, memory use and
//! fingerprints are the same on every run and in every partition.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// Any constant will do; changing it changes every fingerprint.
const STATE: FixedState = FixedState::with_seed(0x7469_6465_6d69_6c6c);

/// Stands for NULL; that some value may share it costs one comparison.
pub(crate) const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;

/// Hash of a value of up to eight bytes.
#[inline]
pub(crate) fn of_u64(value: u64) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write_u64(value);
    hasher.finish()
}

/// Hash of a value of up to sixteen bytes.
#[inline]
pub(crate) fn of_u128(value: u128) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write_u128(value);
    hasher.finish()
}

/// Hash of a run of bytes.
#[inline]
pub(crate) fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Hash of several key columns from that of the columns before and that of the next one.
#[inline]
pub(crate) fn combine(before: u64, next: u64) -> u64 {
    of_u64(before.rotate_left(23) ^ next)
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
