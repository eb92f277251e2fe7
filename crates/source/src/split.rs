//! Cutting one large text file into byte ranges.

use std::ops::Range;

/// Bytes that each of more than two splits has at least, where the count is not asked for.
pub const SPLIT_BYTES_MIN: u64 = 64 << 20;

/// Bytes that a file has at least to be cut in two.
const HALVED_BYTES_MIN: u64 = 24 << 20;

/// Splits at most, where the count is not asked for.
pub const SPLIT_COUNT_MAX: u64 = 32;

/// Cuts `[0, file_bytes)` into ranges of about equal length, ascending and without gaps.
///
/// Unless `requested`, their number is a power of two that follows from the length alone, so that
/// results do not depend on how many cores a host has. Never more ranges than bytes, never none.
#[must_use]
pub fn splits(file_bytes: u64, requested: Option<u32>) -> Vec<Range<u64>> {
    let count = match requested {
        Some(count) => u64::from(count).min(file_bytes).max(1),
        None => {
            let least = if file_bytes >= HALVED_BYTES_MIN { 2 } else { 1 };
            let fitting = (file_bytes / SPLIT_BYTES_MIN).clamp(least, SPLIT_COUNT_MAX);
            1 << fitting.ilog2()
        }
    };
    let cut = |index: u64| {
        let wide = u128::from(file_bytes) * u128::from(index) / u128::from(count);
        u64::try_from(wide).expect("index is at most count, so the quotient is at most file_bytes")
    };
    (0..count).map(|index| cut(index)..cut(index + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_follows_from_the_length() {
        const MIB: u64 = 1 << 20;
        let count = |bytes| splits(bytes, None).len();
        assert_eq!(count(0), 1);
        assert_eq!(count(23 * MIB), 1);
        assert_eq!(count(24 * MIB), 2);
        assert_eq!(count(127 * MIB), 2);
        assert_eq!(count(128 * MIB), 2);
        assert_eq!(count(447 * MIB), 4);
        assert_eq!(count(1 << 40), 32);
    }

    #[test]
    fn ranges_cover_everything_once() {
        for bytes in [0, 1, 2, 7, 100, 1_000_003] {
            for requested in [1, 2, 3, 7, 64] {
                let ranges = splits(bytes, Some(requested));
                assert_eq!(ranges[0].start, 0);
                assert_eq!(ranges[ranges.len() - 1].end, bytes);
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                assert!(ranges.iter().all(|range| range.start < range.end || bytes == 0));
            }
        }
        assert_eq!(splits(10, Some(3)), [0..3, 3..6, 6..10]);
    }
}
