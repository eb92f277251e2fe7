//! [`Lanes`] by AVX2.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
    _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sub_epi8,
    _mm256_subs_epu8, _mm256_testz_si256,
};

use super::{Avx2, Baseline, Bounds, JsonBytes, Lanes, Level};
use crate::text::wide_time;

// SAFETY of every block below: there is a value of this type only where AVX2 was detected; loads are of
// references to as many bytes and need no alignment.
impl Lanes for Avx2 {
    #[inline(always)]
    fn level(self) -> Level {
        Level::Avx2(self)
    }

    #[inline(always)]
    fn equal_to(self, block: &[u8; 64], byte: u8) -> u64 {
        let [low, high] = block.as_chunks::<32>().0 else { unreachable!("64 is twice 32") };
        let half = |lane: &[u8; 32]| {
            // SAFETY: as above.
            let found = unsafe {
                let lane = _mm256_loadu_si256(lane.as_ptr().cast::<__m256i>());
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(lane, _mm256_set1_epi8(byte.cast_signed())))
            };
            u64::from(found.cast_unsigned())
        };
        half(low) | (half(high) << 32)
    }

    #[inline(always)]
    fn timestamp(self, bytes: &[u8; 32], len: usize) -> Option<i64> {
        wide_time::timestamp(self, bytes, len)
    }

    #[inline(always)]
    fn parities(self, bits: u64) -> u64 {
        // A product without carries by all ones is the sum, without carries, of all shifts.
        // SAFETY: a value of this type says that the host has this instruction, too.
        unsafe {
            let bits = _mm_set_epi64x(0, bits.cast_signed());
            let product = _mm_clmulepi64_si128::<0>(bits, _mm_set1_epi8(-1));
            _mm_cvtsi128_si64(product).cast_unsigned()
        }
    }

    #[inline(always)]
    fn contains_or_beyond(self, block: &[u8; 64], byte: u8) -> bool {
        let [low, high] = block.as_chunks::<32>().0 else { unreachable!("64 is twice 32") };
        // SAFETY: as above.
        unsafe {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            let low = _mm256_loadu_si256(low.as_ptr().cast::<__m256i>());
            let high = _mm256_loadu_si256(high.as_ptr().cast::<__m256i>());
            let found =
                _mm256_or_si256(_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte));
            _mm256_movemask_epi8(_mm256_or_si256(found, _mm256_or_si256(low, high))) != 0
        }
    }

    #[inline(always)]
    fn is_ascii(self, block: &[u8; 64]) -> bool {
        let [low, high] = block.as_chunks::<32>().0 else { unreachable!("64 is twice 32") };
        // SAFETY: as above.
        unsafe {
            let low = _mm256_loadu_si256(low.as_ptr().cast::<__m256i>());
            let high = _mm256_loadu_si256(high.as_ptr().cast::<__m256i>());
            _mm256_movemask_epi8(_mm256_or_si256(low, high)) == 0
        }
    }

    #[inline(always)]
    fn string_stops(self, lane: &[u8; 32]) -> u32 {
        // SAFETY: as above.
        let found = unsafe {
            let lane = _mm256_loadu_si256(lane.as_ptr().cast::<__m256i>());
            let quote = _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b'"'.cast_signed()));
            let slash = _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b'\\'.cast_signed()));
            let low = _mm256_min_epu8(lane, _mm256_set1_epi8(0x1f));
            let control = _mm256_cmpeq_epi8(low, lane);
            _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, slash), control))
        };
        found.cast_unsigned()
    }

    #[inline(always)]
    fn json_bytes(self, block: &[u8; 64]) -> JsonBytes {
        let [low, high] = block.as_chunks::<32>().0 else { unreachable!("64 is twice 32") };
        // SAFETY: as above.
        let (low, high) = unsafe { (json_half(low), json_half(high)) };
        JsonBytes {
            quotes: low.quotes | (high.quotes << 32),
            backslashes: low.backslashes | (high.backslashes << 32),
            marks: low.marks | (high.marks << 32),
            blanks: low.blanks | (high.blanks << 32),
            newlines: low.newlines | (high.newlines << 32),
            controls: low.controls | (high.controls << 32),
            beyond: low.beyond | (high.beyond << 32),
        }
    }

    #[inline(always)]
    fn any_of(self, lane: &[u8; 32], [a, b, c, d]: [u8; 4]) -> u32 {
        // SAFETY: as above.
        let found = unsafe {
            let lane = _mm256_loadu_si256(lane.as_ptr().cast::<__m256i>());
            let ab = _mm256_or_si256(
                _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(a.cast_signed())),
                _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b.cast_signed())),
            );
            let cd = _mm256_or_si256(
                _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(c.cast_signed())),
                _mm256_cmpeq_epi8(lane, _mm256_set1_epi8(d.cast_signed())),
            );
            _mm256_movemask_epi8(_mm256_or_si256(ab, cd))
        };
        found.cast_unsigned()
    }

    #[inline(always)]
    fn keep_to<const BLOCKS: usize>(
        self,
        blocks: &[[u8; 64]; BLOCKS],
        bounds: &[Bounds; BLOCKS],
    ) -> bool {
        // SAFETY: as above; a half of each is loaded.
        unsafe {
            let half = |bytes: &[u8; 64], at: usize| {
                _mm256_loadu_si256(bytes.as_ptr().add(at).cast::<__m256i>())
            };
            let mut wrong = _mm256_setzero_si256();
            for (block, bounds) in blocks.iter().zip(bounds) {
                for at in [0, 32] {
                    let above = _mm256_sub_epi8(half(block, at), half(&bounds.low, at));
                    let beyond = _mm256_subs_epu8(above, half(&bounds.span, at));
                    wrong = _mm256_or_si256(wrong, beyond);
                }
            }
            _mm256_testz_si256(wrong, wrong) == 1
        }
    }

    #[inline(always)]
    fn has_no_specials(self, block: &[u8; 64], bounds: &Bounds) -> bool {
        // SAFETY: as above; a half of each is loaded.
        unsafe {
            let special = |at: usize| {
                let bytes = _mm256_loadu_si256(block.as_ptr().add(at).cast::<__m256i>());
                let low = _mm256_loadu_si256(bounds.low.as_ptr().add(at).cast::<__m256i>());
                let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
                let slash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
                let text = _mm256_cmpeq_epi8(low, _mm256_set1_epi8(b' '.cast_signed()));
                _mm256_and_si256(_mm256_or_si256(quote, slash), text)
            };
            let wrong = _mm256_or_si256(special(0), special(32));
            _mm256_testz_si256(wrong, wrong) == 1
        }
    }

    #[inline(always)]
    fn digits_and_points(self, lane: &[u8; 16]) -> (u32, u32) {
        // Half a register is enough, and the baseline fills that.
        Baseline.digits_and_points(lane)
    }
}

/// What JSON makes of 32 bytes. Marks and blanks are told by their low four bits, one comparison for all, as in
/// Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).
#[target_feature(enable = "avx2")]
#[inline]
fn json_half(lane: &[u8; 32]) -> JsonBytes {
    /// The mark with these low bits, with the bit in which the kinds of brackets differ.
    const MARKS: [u8; 32] = twice([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':', b'{', b',', b'}', 0, 0]);
    /// The blank with these low bits; for others a byte with other ones.
    const BLANKS: [u8; 32] = twice([b' ', 0, 0, 0, 0, 0, 0, 0, 0, b'\t', b'\n', 0, 0, b'\r', 0, 0]);
    let lane = load(lane);
    let braced = _mm256_or_si256(lane, _mm256_set1_epi8(0x20));
    let marks = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(load(&MARKS), lane), braced);
    let blanks = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(load(&BLANKS), lane), lane);
    let lowest = _mm256_min_epu8(lane, _mm256_set1_epi8(0x1f));
    let controls = mask(_mm256_cmpeq_epi8(lowest, lane));
    JsonBytes {
        quotes: mask(_mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b'"'.cast_signed()))),
        backslashes: mask(_mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b'\\'.cast_signed()))),
        // Two control characters become marks with that bit.
        marks: mask(marks) & !controls,
        blanks: mask(blanks),
        newlines: mask(_mm256_cmpeq_epi8(lane, _mm256_set1_epi8(b'\n'.cast_signed()))),
        controls,
        beyond: mask(lane),
    }
}

/// A table for both halves of a register.
const fn twice(table: [u8; 16]) -> [u8; 32] {
    let mut both = [0; 32];
    let mut at = 0;
    while at < both.len() {
        both[at] = table[at % 16];
        at += 1;
    }
    both
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: it is a reference to as many bytes, and needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn mask(lane: __m256i) -> u64 {
    u64::from(_mm256_movemask_epi8(lane).cast_unsigned())
}
