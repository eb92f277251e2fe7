//! Four values at a time as text, where a host has AVX2.
//!
//! The same text as [`digits`](crate::text::digits) writes one by one. Eight digits of each of four numbers are made
//! at once; what differs by the number, where its digits begin and where a point stands, is done for each.

use std::arch::x86_64::{
    __m256i, _CMP_EQ_OQ, _CMP_LT_OQ, _mm_cvtsi128_si64, _mm_extract_epi64, _mm256_and_pd,
    _mm256_andnot_pd, _mm256_castsi256_pd, _mm256_castsi256_si128, _mm256_cmp_pd,
    _mm256_cmpgt_epi64, _mm256_cvtepi32_pd, _mm256_cvtepu32_epi64, _mm256_cvtpd_epi32,
    _mm256_div_pd, _mm256_extracti128_si256, _mm256_loadu_pd, _mm256_loadu_si256,
    _mm256_movemask_pd, _mm256_mul_epu32, _mm256_mul_pd, _mm256_mulhi_epu16, _mm256_mullo_epi16,
    _mm256_or_si256, _mm256_set1_epi16, _mm256_set1_epi64x, _mm256_set1_pd, _mm256_setzero_si256,
    _mm256_slli_epi16, _mm256_slli_epi32, _mm256_slli_epi64, _mm256_srli_epi16, _mm256_srli_epi64,
    _mm256_sub_epi16, _mm256_sub_epi64, _mm256_xor_si256,
};

use super::block::CELL_BYTES;
use crate::text::lanes::Avx2;
use crate::text::time_text::WrittenMinute;

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

/// Writes four timestamps as [`WrittenMinute::write`] does, from the byte `at` (0 or 1) of their cells on: their
/// lengths; `None`, with nothing of meaning written, where one is of another minute.
#[inline(always)]
pub(super) fn timestamps(
    _: Avx2,
    minute: &WrittenMinute,
    values: &[i64; 4],
    at: usize,
    cells: &mut Four,
) -> Option<[usize; 4]> {
    let (text, start_micros) = minute.known()?;
    // SAFETY: as above.
    let digits = unsafe {
        let values = _mm256_loadu_si256(values.as_ptr().cast::<__m256i>());
        let within = _mm256_sub_epi64(values, _mm256_set1_epi64x(start_micros));
        let is_later = _mm256_cmpgt_epi64(within, _mm256_set1_epi64x(WrittenMinute::MICROS - 1));
        if _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_or_si256(is_later, within))) != 0 {
            return None;
        }
        // Two digits of the second and six of its fraction.
        eight_digits(within)
    };
    let at = at & 1;
    Some(each(digits, cells, |_, digits, cell| {
        let cell = &mut cell[at..];
        cell[..17].copy_from_slice(text);
        let text = digits | ZEROS;
        cell[17..25].copy_from_slice(&text.to_le_bytes());
        cell[19..27].copy_from_slice(&((text >> 8) & !0xff | u64::from(b'.')).to_le_bytes());
        let (is_millis, is_whole) = (digits >> 40 == 0, digits >> 16 == 0);
        26 - 3 * usize::from(is_millis) - 4 * usize::from(is_whole)
    }))
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
    let lanes = unsafe {
        let (low, high) = (_mm256_castsi256_si128(digits), _mm256_extracti128_si256::<1>(digits));
        [
            _mm_cvtsi128_si64(low),
            _mm_extract_epi64::<1>(low),
            _mm_cvtsi128_si64(high),
            _mm_extract_epi64::<1>(high),
        ]
    };
    let [first, second, third, fourth] = cells;
    [
        write(0, lanes[0].cast_unsigned(), first),
        write(1, lanes[1].cast_unsigned(), second),
        write(2, lanes[2].cast_unsigned(), third),
        write(3, lanes[3].cast_unsigned(), fourth),
    ]
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
