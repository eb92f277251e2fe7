//! Four short numbers at a time, a lane of eight bytes each, where a host has AVX2.
//!
//! The same numbers as [`digits`](super::digits) reads one by one, with or without a minus. A word holds text as it stands in memory,
//! its first character lowest; what stands behind the text is shifted out.

use std::arch::x86_64::{
    __m256d, __m256i, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_castsi256_pd, _mm256_cmpeq_epi8, _mm256_cmpeq_epi64, _mm256_div_pd, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epu8, _mm256_max_epu32,
    _mm256_movemask_epi8, _mm256_mul_epu32, _mm256_or_si256, _mm256_set_epi64x, _mm256_set_pd,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_slli_epi64, _mm256_sllv_epi64, _mm256_srli_epi64, _mm256_srlv_epi64, _mm256_storeu_pd,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_sub_epi64, _mm256_sub_pd, _mm256_testz_si256,
    _mm256_xor_pd, _mm256_xor_si256,
};

use super::lanes::{Avx2, Fours};
use super::slot::{Row, Slot};

/// Four texts of 1 to 8 bytes each, and what stands behind them.
#[derive(Clone, Copy)]
pub(crate) struct Four {
    words: __m256i,
    lens: __m256i,
}

impl Four {
    /// The texts of a slot of each of four rows, counted from where they begin; `None` if any is not plain,
    /// or empty, or longer, or so near to the end of the frame that eight bytes cannot be loaded.
    ///
    /// # Safety
    /// The host has AVX2.
    #[inline(always)]
    pub(crate) unsafe fn of_slots(frame: &[u8], rows: &[Row; 4], slots: [Slot; 4]) -> Option<Self> {
        /// Text and numbers differ in one bit of the tag.
        const EITHER: i64 = 2 << 60;
        const TEXT: i64 = 1 << 60;
        // SAFETY: as the caller says; four rows are 32 bytes, their starts in the lower half of each lane.
        unsafe {
            let bits = |lane: usize| slots[lane].bits().cast_signed();
            let places = _mm256_set_epi64x(bits(3), bits(2), bits(1), bits(0));
            let starts = _mm256_loadu_si256(rows.as_ptr().cast::<__m256i>());
            let starts = _mm256_and_si256(starts, _mm256_set1_epi64x(0xffff_ffff));
            let places = _mm256_add_epi32(places, starts);
            let places = _mm256_andnot_si256(_mm256_set1_epi64x(EITHER), places);
            let places = _mm256_xor_si256(places, _mm256_set1_epi64x(TEXT));
            let lens = _mm256_srli_epi64(places, 32);
            let start = |lane: usize| slots[lane].moved(rows[lane].start).start();
            Self::load(frame, [start(0), start(1), start(2), start(3)], places, lens)
        }
    }

    /// The texts between a stop and the next, and so `stride` stops later and so on; `None` as above.
    ///
    /// # Safety
    /// The host has AVX2.
    #[inline(always)]
    pub(crate) unsafe fn of_stops(frame: &[u8], stops: &[u32], stride: usize) -> Option<Self> {
        if stops.len() < stride.checked_mul(3)?.checked_add(2)? {
            return None;
        }
        // SAFETY: as the caller says; there are two stops at each of these places.
        unsafe {
            let stops = stops.as_ptr();
            let pair = |row: usize| stops.add(row * stride).cast::<i64>().read_unaligned();
            let pairs = _mm256_set_epi64x(pair(3), pair(2), pair(1), pair(0));
            // The lower half: a text begins behind a stop. The one before the first wraps around.
            let places = _mm256_add_epi32(pairs, _mm256_set1_epi64x(1));
            let starts = _mm256_and_si256(places, _mm256_set1_epi64x(0xffff_ffff));
            let lens = _mm256_sub_epi64(_mm256_srli_epi64(places, 32), starts);
            let start = |row: usize| (*stops.add(row * stride)).wrapping_add(1) as usize;
            Self::load(frame, [start(0), start(1), start(2), start(3)], places, lens)
        }
    }

    /// Loads a word from each start, which stands in the lower half of its lane of `places`, too.
    ///
    /// # Safety
    /// The host has AVX2.
    #[inline(always)]
    unsafe fn load(
        frame: &[u8],
        starts: [usize; 4],
        places: __m256i,
        lens: __m256i,
    ) -> Option<Self> {
        /// Of the upper halves, anything is within bounds.
        const UPPER: i64 = -1 << 32;
        let last = i64::from(u32::try_from(frame.len().checked_sub(8)?).ok()?);
        // SAFETY: as the caller says; words are loaded where eight bytes are left behind each start.
        unsafe {
            let limit = _mm256_set1_epi64x(last | UPPER);
            let beyond = _mm256_sub_epi32(_mm256_max_epu32(places, limit), limit);
            let before_last = _mm256_sub_epi64(lens, _mm256_set1_epi64x(1));
            let not_short = _mm256_andnot_si256(_mm256_set1_epi64x(7), before_last);
            let wrong = _mm256_or_si256(beyond, not_short);
            if _mm256_testz_si256(wrong, wrong) == 0 {
                return None;
            }
            let word =
                |lane: usize| frame.as_ptr().add(starts[lane]).cast::<i64>().read_unaligned();
            let words = _mm256_set_epi64x(word(3), word(2), word(1), word(0));
            Some(Self { words, lens })
        }
    }
}

// SAFETY of every block below: there is a value of this type only where AVX2 was detected.
impl Fours for Avx2 {
    type Four = Four;

    #[inline(always)]
    fn four_of_slots(self, frame: &[u8], rows: &[Row; 4], slots: [Slot; 4]) -> Option<Four> {
        // SAFETY: as above.
        unsafe { Four::of_slots(frame, rows, slots) }
    }

    #[inline(always)]
    fn four_of_stops(self, frame: &[u8], stops: &[u32], stride: usize) -> Option<Four> {
        // SAFETY: as above.
        unsafe { Four::of_stops(frame, stops, stride) }
    }

    #[inline(always)]
    fn four_integers(self, four: Four) -> Option<[i64; 4]> {
        // SAFETY: as above.
        unsafe { integers(four) }
    }

    #[inline(always)]
    fn four_doubles(self, four: Four) -> Option<[f64; 4]> {
        // SAFETY: as above.
        unsafe { doubles(four) }
    }
}

/// Powers of ten by the bit, of eight, at which a point was found: its place counted from the first
/// character. No point, no places.
static PLACES: [f64; 256] = {
    let mut powers = [1.0; 256];
    let (mut place, mut power) = (8, 1.0);
    while place > 0 {
        place -= 1;
        powers[1 << place] = power;
        power *= 10.0;
    }
    powers
};

/// Words and their lengths, without the minus that a word may begin with; ones all over the lanes
/// that had one.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn without_signs(four: Four) -> (__m256i, __m256i, __m256i) {
    let Four { words, lens } = four;
    // SAFETY: the caller's host has AVX2.
    unsafe {
        let first = _mm256_and_si256(words, _mm256_set1_epi64x(0xff));
        let is_negative = _mm256_cmpeq_epi64(first, _mm256_set1_epi64x(i64::from(b'-')));
        let eight = _mm256_and_si256(is_negative, _mm256_set1_epi64x(8));
        // All ones are minus one.
        (_mm256_srlv_epi64(words, eight), _mm256_add_epi64(lens, is_negative), is_negative)
    }
}

/// Four words, the text of each moved up to the top of its lane; what that leaves below is zero.
///
/// # Safety
/// The host has AVX2. Lengths are at most 8.
#[inline(always)]
unsafe fn at_top(words: __m256i, lens: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's host has AVX2.
    unsafe {
        let unused = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64(lens, 3));
        let kept = _mm256_sllv_epi64(_mm256_set1_epi8(-1), unused);
        (_mm256_sllv_epi64(words, unused), kept)
    }
}

/// The numbers that four words of digits at their top stand for; `None` unless all that is kept are
/// digits.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn eight(text: __m256i, kept: __m256i) -> Option<__m256i> {
    // SAFETY: the caller's host has AVX2.
    unsafe {
        let digits = _mm256_and_si256(_mm256_xor_si256(text, _mm256_set1_epi8(0x30)), kept);
        let nine = _mm256_set1_epi8(9);
        let is_digit = _mm256_cmpeq_epi8(_mm256_max_epu8(digits, nine), nine);
        if _mm256_movemask_epi8(is_digit) != -1 {
            return None;
        }
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let first = _mm256_mul_epu32(fours, _mm256_set1_epi64x(10_000));
        Some(_mm256_add_epi64(first, _mm256_srli_epi64(fours, 32)))
    }
}

/// Integers in 1 to 8 characters each; `None` if any is something else.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
pub(crate) unsafe fn integers(four: Four) -> Option<[i64; 4]> {
    // SAFETY: as the caller says; the array stored to is 32 bytes.
    unsafe {
        let (words, lens, is_negative) = without_signs(four);
        let is_empty = _mm256_cmpeq_epi64(lens, _mm256_set1_epi64x(0));
        if _mm256_movemask_epi8(is_empty) != 0 {
            return None;
        }
        let (text, kept) = at_top(words, lens);
        let values = eight(text, kept)?;
        let values = _mm256_sub_epi64(_mm256_xor_si256(values, is_negative), is_negative);
        let mut out = [0; 4];
        _mm256_storeu_si256(out.as_mut_ptr().cast::<__m256i>(), values);
        Some(out)
    }
}

/// Doubles with at most one point each, in 1 to 8 characters; `None` if any is
/// something else.
///
/// As in [`Mantissa::double`](super::digits::Mantissa::double), each is the quotient of two doubles that are exact.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
pub(crate) unsafe fn doubles(four: Four) -> Option<[f64; 4]> {
    /// A double of this exponent has an integer below 2^52 as its low bits.
    const MAGIC: i64 = 0x4330_0000_0000_0000;
    // SAFETY: as the caller says; the array stored to is 32 bytes.
    unsafe {
        let (words, lens, is_negative) = without_signs(four);
        let (text, kept) = at_top(words, lens);
        let point = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'.'.cast_signed()));
        let has_none = _mm256_cmpeq_epi64(point, _mm256_set1_epi64x(0));
        // The point's byte and all below it; of several points the first one's, and the others are no
        // digits. Nothing where there is none.
        let below = _mm256_xor_si256(_mm256_sub_epi64(point, _mm256_set1_epi64x(1)), point);
        let up_to = lowest_byte(below, has_none);
        let joined = _mm256_or_si256(
            _mm256_andnot_si256(up_to, text),
            _mm256_and_si256(_mm256_slli_epi64(text, 8), up_to),
        );
        // Where a character went, one byte less is kept; a lone point keeps none and is no number.
        let kept_below = _mm256_slli_epi64(kept, 8);
        let kept = _mm256_or_si256(
            _mm256_and_si256(has_none, kept),
            _mm256_andnot_si256(has_none, kept_below),
        );
        let is_empty = _mm256_cmpeq_epi64(kept, _mm256_set1_epi64x(0));
        if _mm256_movemask_epi8(is_empty) != 0 {
            return None;
        }
        let digits = eight(joined, kept)?;
        let magic = _mm256_set1_epi64x(MAGIC);
        let digits: __m256d = _mm256_sub_pd(
            _mm256_castsi256_pd(_mm256_or_si256(digits, magic)),
            _mm256_set1_pd(f64::from_bits(MAGIC.cast_unsigned())),
        );
        let points = _mm256_movemask_epi8(point).to_le_bytes();
        let power = |lane: usize| PLACES[usize::from(points[lane])];
        let powers = _mm256_set_pd(power(3), power(2), power(1), power(0));
        let sign = _mm256_castsi256_pd(_mm256_slli_epi64(is_negative, 63));
        let mut out = [0.0; 4];
        let values = _mm256_xor_pd(_mm256_div_pd(digits, powers), sign);
        _mm256_storeu_pd(out.as_mut_ptr(), values);
        Some(out)
    }
}

/// From bits that are set up to and including the lowest of a byte, all bits of that byte and below;
/// nothing where `has_none` is set.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn lowest_byte(below: __m256i, has_none: __m256i) -> __m256i {
    // SAFETY: the caller's host has AVX2.
    unsafe {
        let whole = _mm256_or_si256(_mm256_slli_epi64(below, 7), below);
        _mm256_andnot_si256(has_none, whole)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::text::digits;
    use crate::text::slot::{Tag, narrow};

    /// As a short quotient; of eight characters each is one.
    fn double_of((word, len): (u128, usize)) -> Option<f64> {
        digits::Mantissa::short(word, len).map(digits::Mantissa::double)
    }

    #[test]
    fn four_are_read_as_one_by_one() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let mut state = 11_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let (mut integer_count, mut double_count) = (0, 0);
        for round in 0..400_000_u32 {
            let alphabet: &[u8] = match round % 3 {
                0 => b"0123456789",
                1 => b"0123456789.",
                _ => b"0123456789.-/: ,\0\xff\xae",
            };
            let mut texts = [[0_u8; 16]; 4];
            let mut lens = [0; 4];
            for (text, len) in texts.iter_mut().zip(&mut lens) {
                *len = 1 + random(8);
                let mut points = 0;
                let is_signed = random(6) == 0;
                for (at, byte) in text.iter_mut().enumerate() {
                    if at == 0 && is_signed {
                        *byte = b'-';
                        continue;
                    }
                    *byte = alphabet[usize::try_from(random(alphabet.len() as u64)).unwrap()];
                    points += u32::from(*byte == b'.');
                    if round % 3 == 1 && points > 1 && *byte == b'.' {
                        *byte = b'7';
                    }
                }
            }
            let frame = texts.as_flattened();
            // Numbers and text, of which a grid has no numbers.
            let tag = |lane: usize| if lane.is_multiple_of(2) { Tag::Text } else { Tag::Number };
            let end = |lane: usize| 16 * lane + usize::try_from(lens[lane]).unwrap();
            // Rows that begin anywhere; what a slot is counted from may lie behind it.
            let rows = [0, 16, 1, 60].map(|start| Row { start, first: 7 });
            let slot = |lane: usize| Slot::new(tag(lane), 16 * lane, end(lane));
            let slots = [0, 1, 2, 3].map(|lane| slot(lane).moved(rows[lane].start.wrapping_neg()));
            let stops =
                [0, 1, 2, 3].map(|lane| [narrow(16 * lane).wrapping_sub(1), narrow(end(lane))]);
            // SAFETY: AVX2 was detected.
            let four = unsafe { Four::of_slots(frame, &rows, slots) }.unwrap();
            // SAFETY: as above.
            let again = unsafe { Four::of_stops(frame, stops.as_flattened(), 2) }.unwrap();
            let one = |lane: usize| {
                (u128::from_le_bytes(texts[lane]), usize::try_from(lens[lane]).unwrap())
            };
            let each = [0, 1, 2, 3].map(|lane| digits::integer(one(lane).0, one(lane).1));
            let all: Option<Vec<i64>> = each.into_iter().collect();
            for four in [four, again] {
                // SAFETY: AVX2 was detected.
                let read = unsafe { integers(four) }.map(|four| four.to_vec());
                assert_eq!(read, all, "{texts:?} {lens:?}");
            }
            integer_count += u32::from(all.is_some());
            let each = [0, 1, 2, 3].map(|lane| double_of(one(lane)));
            let all: Option<Vec<u64>> =
                each.into_iter().map(|value| value.map(f64::to_bits)).collect();
            // SAFETY: as above.
            let read = unsafe { doubles(four) }.map(|four| four.map(f64::to_bits).to_vec());
            assert_eq!(read, all, "{texts:?} {lens:?}");
            double_count += u32::from(all.is_some());
        }
        assert!(
            integer_count > 100_000 && double_count > 150_000,
            "{integer_count} {double_count}"
        );
    }

    #[test]
    fn what_is_not_plain_and_short_and_inside_is_refused() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let frame = [b'7'; 40];
        let is_read = |slots: &[Slot; 4]| {
            // SAFETY: AVX2 was detected.
            unsafe { Four::of_slots(&frame, &[Row::default(); 4], *slots) }.is_some()
        };
        let good = [0, 8, 24, 32].map(|at| Slot::new(Tag::Text, at, at + 8));
        assert!(is_read(&good));
        for lane in 0..4 {
            for wrong in [
                Slot::NULL,
                Slot::new(Tag::Text, 3, 3),
                Slot::new(Tag::Text, 3, 12),
                Slot::new(Tag::Text, 33, 34),
                Slot::new(Tag::Text, (1 << 28) - 3, (1 << 28) - 1),
                Slot::new(Tag::Unescaped, 0, 1),
                Slot::new(Tag::Truth, 0, 4),
                Slot::new(Tag::Nested, 0, 4),
            ] {
                let mut slots = good;
                slots[lane] = wrong;
                assert!(!is_read(&slots), "{wrong:?} at {lane}");
            }
        }
        // SAFETY: AVX2 was detected.
        let is_read = |stops: &[u32]| unsafe { Four::of_stops(&frame, stops, 2) }.is_some();
        let good = [u32::MAX, 8, 9, 11, 20, 22, 31, 33];
        assert!(is_read(&good));
        assert!(!is_read(&good[..7]));
        for (at, wrong) in [(0, 7), (1, 9), (1, 0), (3, 9), (4, 21), (5, 30), (6, 32), (6, 1 << 31)]
        {
            let mut stops = good;
            stops[at] = wrong;
            assert!(!is_read(&stops), "{wrong} at {at}");
        }
    }
}
