//! [`Lanes`] by SSE2, which every x86-64 has.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8, _mm_sub_epi8,
};

use super::bounds::keeps_to;
use super::{Baseline, Bounds, JsonBytes, Lanes, Level, has_no_specials};

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
    fn json_bytes(self, block: &[u8; 64]) -> JsonBytes {
        let mut bytes = JsonBytes::default();
        for (index, lane) in block.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
                let same = |lane, byte: u8| _mm_cmpeq_epi8(lane, _mm_set1_epi8(byte.cast_signed()));
                let mask =
                    |lane| u64::from(_mm_movemask_epi8(lane).cast_unsigned()) << (16 * index);
                // Both kinds of brackets differ in this bit.
                let braced = _mm_or_si128(lane, _mm_set1_epi8(0x20));
                let brackets = _mm_or_si128(same(braced, b'{'), same(braced, b'}'));
                let newlines = same(lane, b'\n');
                let others = _mm_or_si128(same(lane, b'\t'), same(lane, b'\r'));
                let blanks = _mm_or_si128(others, _mm_or_si128(newlines, same(lane, b' ')));
                let between = _mm_or_si128(same(lane, b':'), same(lane, b','));
                bytes.quotes |= mask(same(lane, b'"'));
                bytes.backslashes |= mask(same(lane, b'\\'));
                bytes.marks |= mask(_mm_or_si128(brackets, between));
                bytes.blanks |= mask(blanks);
                bytes.newlines |= mask(newlines);
                let low = _mm_min_epu8(lane, _mm_set1_epi8(0x1f));
                bytes.controls |= mask(_mm_cmpeq_epi8(low, lane));
                bytes.beyond |= mask(lane);
            }
        }
        bytes
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
