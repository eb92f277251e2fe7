//! Random numbers by position: the same on every machine, whichever columns and batches are asked for.
//!
//! Source: SplitMix64, Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
//! OOPSLA 2014, section 4; used as a counter, so that the n-th number needs no earlier one.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// An endless sequence of random numbers that can be entered anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    base: u64,
}

impl Stream {
    /// One of many independent sequences of a partition.
    pub(super) fn new(seed: u64, partition: u32, purpose: u64) -> Self {
        let partition = mix(seed ^ mix(u64::from(partition).wrapping_add(GOLDEN)));
        Self { base: mix(partition ^ mix(purpose.wrapping_mul(GOLDEN))) }
    }

    /// The number at a position: uniform over all of `u64`.
    #[inline]
    pub(super) fn at(self, index: u64) -> u64 {
        mix(self.base.wrapping_add(index.wrapping_mul(GOLDEN)))
    }
}

/// A bijection that looks like noise.
#[inline]
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Scales a uniform number to `0..count`.
#[inline]
pub(super) fn scale(random: u64, count: u64) -> u64 {
    ((u128::from(random) * u128::from(count)) >> 64) as u64
}

/// Scales a uniform number to `0..count`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the result is less than count, a u32")]
pub(super) fn scale_u32(random: u64, count: u32) -> u32 {
    scale(random, u64::from(count)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // First numbers of the published generator for seed 1234567 (its state before the mix is the
        // seed plus one golden step a number).
        let stream = Stream { base: 1_234_567 };
        assert_eq!(stream.at(1), 6_457_827_717_110_365_317);
        assert_eq!(stream.at(2), 3_203_168_211_198_807_973);
        assert_eq!(stream.at(3), 9_817_491_932_198_370_423);
    }

    #[test]
    fn scaling_stays_below_the_count() {
        assert_eq!(scale(u64::MAX, 1000), 999);
        assert_eq!(scale(0, 1000), 0);
        assert_eq!(scale(1 << 63, 1000), 500);
        assert_eq!(scale_u32(u64::MAX, u32::MAX), u32::MAX - 1);
    }
}
