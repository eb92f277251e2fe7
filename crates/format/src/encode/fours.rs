//! Four values at a time as text, where a host has AVX2.
//!
//! The same text as [`digits`](crate::text::digits) writes one by one. Eight digits of each of four numbers are made
//! at once; what differs by the number, where its digits begin and where a point stands, is done for each.

use std::arch::x86_64::{
    __m256d, __m256i, _CMP_EQ_OQ, _CMP_LT_OQ, _mm_cvtsi128_si64, _mm_extract_epi64, _mm256_add_pd,
    _mm256_and_pd, _mm256_andnot_pd, _mm256_castsi256_pd, _mm256_castsi256_si128, _mm256_cmp_pd,
    _mm256_cmpgt_epi64, _mm256_cvtepi32_pd, _mm256_cvtepu32_epi64, _mm256_cvtpd_epi32,
    _mm256_cvttpd_epi32, _mm256_div_pd, _mm256_extracti128_si256, _mm256_loadu_pd,
    _mm256_loadu_si256, _mm256_movemask_pd, _mm256_mul_epu32, _mm256_mul_pd, _mm256_mulhi_epu16,
    _mm256_mullo_epi16, _mm256_or_si256, _mm256_set1_epi16, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_setzero_si256, _mm256_slli_epi16, _mm256_slli_epi32, _mm256_slli_epi64,
    _mm256_srli_epi16, _mm256_srli_epi64, _mm256_sub_epi16, _mm256_sub_epi64, _mm256_sub_pd,
    _mm256_xor_si256,
};

use super::block::CELL_BYTES;
use crate::text::lanes::Avx2;
use crate::text::time::MICROS_PER_DAY;
use crate::text::time_text::WrittenDay;

/// Cells of four rows.
type Four = [[u8; CELL_BYTES]; 4];

/// Least number of nine digits.
const NINE_DIGITS: i64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Writes four integers at the starts of their cells: their lengths; `None`, with nothing of meaning written, where one
/// has more than eight digits.
// SAFETY of every block below: there is a value of `Avx2` only where the host was found to have it; what is loaded is a
// reference to as many bytes.
#[inline(always)]
pub(super) fn integers(_: Avx2, values: [i64; 4], cells: &mut Four) -> Option<[usize; 4]> {
    // SAFETY: as above.
    let (digits, negatives) = unsafe {
        let values = _mm256_loadu_si256(values.as_ptr().cast::<__m256i>());
        let is_negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), values);
        let magnitudes = _mm256_sub_epi64(_mm256_xor_si256(values, is_negative), is_negative);
        let is_long = _mm256_cmpgt_epi64(magnitudes, _mm256_set1_epi64x(NINE_DIGITS - 1));
        // The least integer of all has no magnitude, and is below zero still.
        if _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_or_si256(is_long, magnitudes))) != 0 {
            return None;
        }
        (eight_digits(magnitudes), _mm256_movemask_pd(_mm256_castsi256_pd(is_negative)))
    };
    Some(each(digits, cells, |lane, digits, cell| {
        // The last digit stays, even if it is zero.
        let zeros = (digits | (1 << 56)).trailing_zeros() / 8;
        let text = (digits | ZEROS) >> (8 * zeros);
        let minus = minus_of(negatives, lane);
        cell[0] = b'-';
        cell[minus..minus + 8].copy_from_slice(&text.to_le_bytes());
        minus + 8 - zeros as usize
    }))
}

/// Writes four doubles at the starts of their cells: their lengths; `None`, with nothing of meaning written, where one is
/// not a whole number of hundredths below a million.
#[inline(always)]
pub(super) fn cents(_: Avx2, values: &[f64; 4], cells: &mut Four) -> Option<[usize; 4]> {
    // SAFETY: as above.
    let (digits, negatives) = unsafe {
        let values = _mm256_loadu_pd(values.as_ptr());
        let magnitudes = _mm256_andnot_pd(_mm256_set1_pd(-0.0), values);
        let is_short = _mm256_cmp_pd::<_CMP_LT_OQ>(magnitudes, _mm256_set1_pd(1e6));
        let hundred = _mm256_set1_pd(100.0);
        let cents = _mm256_cvtpd_epi32(_mm256_mul_pd(magnitudes, hundred));
        let read_back = _mm256_div_pd(_mm256_cvtepi32_pd(cents), hundred);
        let is_whole = _mm256_cmp_pd::<_CMP_EQ_OQ>(read_back, magnitudes);
        if _mm256_movemask_pd(_mm256_and_pd(is_short, is_whole)) != 0b1111 {
            return None;
        }
        (eight_digits(_mm256_cvtepu32_epi64(cents)), _mm256_movemask_pd(values))
    };
    Some(each(digits, cells, |lane, digits, cell| {
        // One digit before the point stays, even if it is zero.
        let zeros = (digits | (1 << 40)).trailing_zeros() / 8;
        let text = digits | ZEROS;
        let minus = minus_of(negatives, lane);
        cell[0] = b'-';
        cell[minus..minus + 8].copy_from_slice(&(text >> (8 * zeros)).to_le_bytes());
        let point = minus + 6 - zeros as usize;
        let [.., tens, ones] = text.to_le_bytes();
        cell[point..point + 4].copy_from_slice(&[b'.', tens, ones, 0]);
        point + 2 + usize::from(ones != b'0')
    }))
}

/// Writes four timestamps as [`WrittenDay::write`] does, from the byte `at` (0 or 1) of their cells on: their
/// lengths; `None`, with nothing of meaning written, where one is of another day.
#[inline(always)]
pub(super) fn timestamps(
    _: Avx2,
    day: &WrittenDay,
    values: &[i64; 4],
    at: usize,
    cells: &mut Four,
) -> Option<[usize; 4]> {
    let (text, start_micros) = day.known()?;
    // SAFETY: as above.
    let (times, fractions) = unsafe {
        let values = _mm256_loadu_si256(values.as_ptr().cast::<__m256i>());
        let within = _mm256_sub_epi64(values, _mm256_set1_epi64x(start_micros));
        let is_later = _mm256_cmpgt_epi64(within, _mm256_set1_epi64x(MICROS_PER_DAY - 1));
        if _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_or_si256(is_later, within))) != 0 {
            return None;
        }
        let seconds = quotients(double_of(within), 1e6);
        let minutes = quotients(seconds, 60.0);
        let hours = quotients(minutes, 60.0);
        // An hour counts a million and a minute a thousand: hours less what minutes of them count too much, and so on.
        let number = _mm256_add_pd(
            _mm256_mul_pd(hours, _mm256_set1_pd(1e6 - 60.0 * 1e3)),
            _mm256_add_pd(_mm256_mul_pd(minutes, _mm256_set1_pd(1e3 - 60.0)), seconds),
        );
        let whole = _mm256_mul_pd(seconds, _mm256_set1_pd(1e6));
        let fractions = _mm256_sub_pd(double_of(within), whole);
        let times = eight_digits(_mm256_cvtepu32_epi64(_mm256_cvttpd_epi32(number)));
        // Where a digit stands between hours, minutes and seconds there is a colon.
        let colons = _mm256_set1_epi64x((10 << 16) | (10 << 40));
        let fractions = eight_digits(_mm256_cvtepu32_epi64(_mm256_cvttpd_epi32(fractions)));
        (lanes_of(_mm256_or_si256(times, colons)), fractions)
    };
    let at = at & 1;
    Some(each(fractions, cells, |lane, digits, cell| {
        const TIME_AT: usize = WrittenDay::TIME_AT;
        let cell = &mut cell[at..];
        cell[..16].copy_from_slice(text);
        cell[TIME_AT..TIME_AT + 8].copy_from_slice(&(times[lane] | ZEROS).to_le_bytes());
        // Two zeros stand before the fraction.
        let fraction = ((digits | ZEROS) >> 8) & !0xff | u64::from(b'.');
        cell[TIME_AT + 8..TIME_AT + 16].copy_from_slice(&fraction.to_le_bytes());
        let (is_millis, is_whole) = (digits >> 40 == 0, digits == 0);
        26 - 3 * usize::from(is_millis) - 4 * usize::from(is_whole)
    }))
}

/// Four integers from 0 to 2^52 as doubles.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn double_of(values: __m256i) -> __m256d {
    /// A double of this exponent has an integer below 2^52 as its low bits.
    const MAGIC: i64 = 0x4330_0000_0000_0000;
    // SAFETY: as the caller says.
    unsafe {
        let bits = _mm256_or_si256(values, _mm256_set1_epi64x(MAGIC));
        let magic = _mm256_set1_pd(f64::from_bits(MAGIC.cast_unsigned()));
        _mm256_sub_pd(_mm256_castsi256_pd(bits), magic)
    }
}

/// Whole quotients, below 10^5, of integers that doubles hold and a divisor below 10^7.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn quotients(values: __m256d, divisor: f64) -> __m256d {
    // A half more keeps each further away from the next integer than a product by the reciprocal can be wrong.
    // SAFETY: as the caller says.
    unsafe {
        let values = _mm256_add_pd(values, _mm256_set1_pd(0.5));
        let quotients = _mm256_mul_pd(values, _mm256_set1_pd(1.0 / divisor));
        _mm256_cvtepi32_pd(_mm256_cvttpd_epi32(quotients))
    }
}

/// 1 if the bit of a lane is set.
#[inline(always)]
fn minus_of(negatives: i32, lane: usize) -> usize {
    usize::from(negatives >> lane & 1 == 1)
}

/// Has `write` write each of four lanes into its cell.
#[inline(always)]
fn each(
    digits: __m256i,
    cells: &mut Four,
    write: impl Fn(usize, u64, &mut [u8; CELL_BYTES]) -> usize,
) -> [usize; 4] {
    // SAFETY: there is such a vector only where the host has AVX2.
    let lanes = unsafe { lanes_of(digits) };
    let [first, second, third, fourth] = cells;
    [
        write(0, lanes[0], first),
        write(1, lanes[1], second),
        write(2, lanes[2], third),
        write(3, lanes[3], fourth),
    ]
}

/// The lanes of a vector.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn lanes_of(vector: __m256i) -> [u64; 4] {
    // SAFETY: as the caller says.
    let lanes = unsafe {
        let (low, high) = (_mm256_castsi256_si128(vector), _mm256_extracti128_si256::<1>(vector));
        [
            _mm_cvtsi128_si64(low),
            _mm_extract_epi64::<1>(low),
            _mm_cvtsi128_si64(high),
            _mm_extract_epi64::<1>(high),
        ]
    };
    lanes.map(i64::cast_unsigned)
}

/// The digits of four numbers below 10^8, a byte each, the first one lowest.
///
/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn eight_digits(values: __m256i) -> __m256i {
    // Two numbers of four digits, then four of two, then eight of one; each quotient by a product.
    // SAFETY: as the caller says.
    unsafe {
        let reciprocal = _mm256_set1_epi64x((1 << 45) / 10_000 + 1);
        let upper = _mm256_srli_epi64(_mm256_mul_epu32(values, reciprocal), 45);
        let lower = _mm256_sub_epi64(values, _mm256_mul_epu32(upper, _mm256_set1_epi64x(10_000)));
        let fours = _mm256_or_si256(upper, _mm256_slli_epi64(lower, 32));
        let upper = _mm256_srli_epi16(_mm256_mulhi_epu16(fours, _mm256_set1_epi16(5243)), 3);
        let lower = _mm256_sub_epi16(fours, _mm256_mullo_epi16(upper, _mm256_set1_epi16(100)));
        let twos = _mm256_or_si256(upper, _mm256_slli_epi32(lower, 16));
        let tens = _mm256_mulhi_epu16(twos, _mm256_set1_epi16(6554));
        let ones = _mm256_sub_epi16(twos, _mm256_mullo_epi16(tens, _mm256_set1_epi16(10)));
        _mm256_or_si256(tens, _mm256_slli_epi16(ones, 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::time_text::write_timestamp;

    #[test]
    fn times_of_a_day_are_those_written_one_by_one() {
        let Some(lanes) = Avx2::detect() else { return };
        let start = 19_723 * MICROS_PER_DAY;
        let mut day = WrittenDay::default();
        assert_eq!(day.write(start, &mut [0; CELL_BYTES]), Some(19));
        for second in (0..86_400).step_by(7).chain(86_390..86_400) {
            for fraction in [0, 1, 499_999, 123_000, 999_999] {
                let first = start + second * 1_000_000 + fraction;
                let values = [first, start, start + MICROS_PER_DAY - 1, first];
                let mut cells = [[b'#'; CELL_BYTES]; 4];
                let lens = timestamps(lanes, &day, &values, 1, &mut cells);
                let lens = lens.expect("all are of the day");
                for (lane, value) in values.into_iter().enumerate() {
                    let mut expected = Vec::new();
                    write_timestamp(value, &mut expected);
                    assert_eq!(cells[lane][1..=lens[lane]], expected, "{value}");
                }
            }
        }
        for outside in [start - 1, start + MICROS_PER_DAY, i64::MIN, i64::MAX] {
            let mut cells = [[0; CELL_BYTES]; 4];
            let values = [start, outside, start, start];
            assert_eq!(timestamps(lanes, &day, &values, 0, &mut cells), None, "{outside}");
        }
    }
}
