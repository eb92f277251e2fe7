//! [`Lanes`] by SSE2, which every x86-64 has.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8, _mm_sub_epi8,
};

use super::bounds::keeps_to;
use super::{Baseline, Bounds, Lanes, Level, has_no_specials};

// SAFETY of every block below: every x86-64 has SSE2; loads are of references to as many bytes
// and need no alignment.
impl Lanes for Baseline {
    #[inline(always)]
    fn level(self) -> Level {
        Level::Baseline
    }

    #[inline(always)]
    fn equal_to(self, block: &[u8; 64], byte: u8) -> u64 {
        block.as_chunks::<16>().0.iter().enumerate().fold(0, |mask, (index, lane)| {
            // SAFETY: as above.
            let found = unsafe {
                let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
                _mm_movemask_epi8(_mm_cmpeq_epi8(lane, _mm_set1_epi8(byte.cast_signed())))
            };
            mask | (u64::from(found.cast_unsigned()) << (16 * index))
        })
    }

    #[inline(always)]
    fn contains_or_beyond(self, block: &[u8; 64], byte: u8) -> bool {
        self.equal_to(block, byte) != 0 || !block.is_ascii()
    }

    #[inline(always)]
    fn is_ascii(self, block: &[u8; 64]) -> bool {
        block.is_ascii()
    }

    #[inline(always)]
    fn string_stops(self, lane: &[u8; 32]) -> u32 {
        lane.as_chunks::<16>().0.iter().enumerate().fold(0, |mask, (index, lane)| {
            // SAFETY: as above.
            let found = unsafe {
                let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
                let quote = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'"'.cast_signed()));
                let slash = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'\\'.cast_signed()));
                let control = _mm_cmpeq_epi8(_mm_min_epu8(lane, _mm_set1_epi8(0x1f)), lane);
                _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control))
            };
            mask | (found.cast_unsigned() << (16 * index))
        })
    }

    #[inline(always)]
    fn any_of(self, lane: &[u8; 32], bytes: [u8; 4]) -> u32 {
        lane.as_chunks::<16>().0.iter().enumerate().fold(0, |mask, (index, lane)| {
            // SAFETY: as above.
            let found = unsafe {
                let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
                let [a, b, c, d] =
                    bytes.map(|byte| _mm_cmpeq_epi8(lane, _mm_set1_epi8(byte.cast_signed())));
                _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)))
            };
            mask | (found.cast_unsigned() << (16 * index))
        })
    }

    #[inline(always)]
    fn keep_to<const BLOCKS: usize>(
        self,
        blocks: &[[u8; 64]; BLOCKS],
        bounds: &[Bounds; BLOCKS],
    ) -> bool {
        blocks.iter().zip(bounds).all(|(block, bounds)| keeps_to(block, bounds))
    }

    #[inline(always)]
    fn has_no_specials(self, block: &[u8; 64], bounds: &Bounds) -> bool {
        has_no_specials(block, bounds)
    }

    #[inline(always)]
    fn differing(self, left: &[u8; 32], right: &[u8; 32]) -> u32 {
        let pairs = left.as_chunks::<16>().0.iter().zip(right.as_chunks::<16>().0);
        pairs.enumerate().fold(0, |mask, (index, (left, right))| {
            // SAFETY: as above.
            let equal = unsafe {
                let left = _mm_loadu_si128(left.as_ptr().cast::<__m128i>());
                let right = _mm_loadu_si128(right.as_ptr().cast::<__m128i>());
                _mm_movemask_epi8(_mm_cmpeq_epi8(left, right))
            };
            mask | ((equal.cast_unsigned() ^ 0xffff) << (16 * index))
        })
    }

    #[inline(always)]
    fn digits_and_points(self, lane: &[u8; 16]) -> (u32, u32) {
        // SAFETY: as above.
        let (digits, points) = unsafe {
            let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
            let value = _mm_sub_epi8(lane, _mm_set1_epi8(b'0'.cast_signed()));
            let digits = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
            let points = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'.'.cast_signed()));
            (_mm_movemask_epi8(digits), _mm_movemask_epi8(points))
        };
        (digits.cast_unsigned(), points.cast_unsigned())
    }
}
