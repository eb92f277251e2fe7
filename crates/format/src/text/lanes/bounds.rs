//! Bounds that bytes are held to.

/// What each of 64 bytes may be. Aligned, so that no half of either is in two cache lines.
#[derive(Clone, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Bounds {
    /// The least.
    pub(super) low: [u8; 64],
    /// How far above the least.
    pub(super) span: [u8; 64],
}

impl Bounds {
    /// Nothing is asked of any byte.
    pub(crate) const ANY: Self = Self { low: [0; 64], span: [u8::MAX; 64] };

    /// The bounds of a text's bytes, each by its least and its most, block after block; of what fills up
    /// the last, nothing is asked.
    pub(crate) fn of(ranges: &[(u8, u8)]) -> impl Iterator<Item = Self> {
        ranges.chunks(64).map(|ranges| {
            let mut block = Self::ANY;
            for (at, &(low, high)) in ranges.iter().enumerate() {
                (block.low[at], block.span[at]) = (low, high - low);
            }
            block
        })
    }
}

/// Vectorized by the compiler, as far as the host goes.
#[inline(always)]
pub(super) fn keeps_to(block: &[u8; 64], bounds: &Bounds) -> bool {
    let beyond = |at: usize| block[at].wrapping_sub(bounds.low[at]).saturating_sub(bounds.span[at]);
    (0..block.len()).fold(0, |wrong, at| wrong | beyond(at)) == 0
}
