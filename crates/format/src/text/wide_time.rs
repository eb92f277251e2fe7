//! Timestamps in their usual form, all characters of one in a register, where a host has AVX2.
//!
//! The same as [`usual_time`](super::usual_time) reads, which has what is allowed.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi128_si64, _mm_extract_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epu8, _mm256_movemask_epi8,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setr_epi16, _mm256_shuffle_epi8, _mm256_xor_si256,
};

use super::lanes::Avx2;
use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::usual_time::leap_days_before;

/// Of each character of a timestamp, what is taken out of it, and the most that may be left: of a digit its value,
/// behind microseconds none but zero. Between date and time it is looked at apart.
const PATTERN: [u8; 32] = *b"0000-00-00 00:00:00.000000000\0\0\0";
const MOST: [u8; 32] = [
    9, 9, 9, 9, 0, 1, 9, 0, 3, 9, 0xff, 2, 9, 0, 5, 9, // to the minute
    0, 5, 9, 0, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0,
];
const PLACES: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, //
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
];
/// For none of the digits.
const NO: u8 = 0x80;
/// The digits of each half by twos: year, month, day, hour and minute; seconds, none, and millionths.
const TWOS: [u8; 32] = [
    0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, NO, NO, NO, NO, // of the first sixteen characters
    1, 2, NO, NO, 4, 5, 6, 7, 8, 9, NO, NO, NO, NO, NO, NO,
];

/// What a month counts in the number of a day of the year.
const MONTH: usize = 64;
const FEB_29: usize = 2 * MONTH + 29;
const MARCH: usize = 3 * MONTH;
/// In [`DAYS`]: there is no such day.
const NONE: u16 = u16::MAX;

/// Days of the year before the one of this number, in a year that is not a leap year; its month counts [`MONTH`] and its
/// day 1. Months are below 20 and days below 40.
static DAYS: [u16; 20 * MONTH] = {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut days = [NONE; 20 * MONTH];
    let (mut month, mut before) = (1, 0);
    while month <= lengths.len() {
        let mut day = 1;
        while day <= lengths[month - 1] {
            days[month * MONTH + day] = before;
            before += 1;
            day += 1;
        }
        month += 1;
    }
    days[FEB_29] = days[MARCH + 1];
    days
};

/// As [`usual_time::timestamp`](super::usual_time::timestamp), the first `len` (at least 1) of these bytes.
#[inline(always)]
pub(crate) fn timestamp(_: Avx2, bytes: &[u8; 32], len: usize) -> Option<i64> {
    /// Characters of a timestamp without a fraction, and with a point and nine digits.
    const LENS: std::ops::RangeInclusive<usize> = 19..=29;
    let is_zoned = bytes.get(len - 1) == Some(&b'Z');
    let len = len - usize::from(is_zoned);
    // A point alone is no fraction.
    if !LENS.contains(&len) || len == 20 || !matches!(bytes[10], b' ' | b'T') {
        return None;
    }
    let end = i8::try_from(len).ok()?;
    // SAFETY: there is a value of `Avx2` only where the host was found to have it.
    let (date, minutes, seconds, below) = unsafe {
        let text = load(bytes);
        let within = _mm256_cmpgt_epi8(_mm256_set1_epi8(end), load(&PLACES));
        let digits = _mm256_and_si256(within, _mm256_xor_si256(text, load(&PATTERN)));
        let most = load(&MOST);
        let is_right = _mm256_cmpeq_epi8(_mm256_max_epu8(digits, most), most);
        if _mm256_movemask_epi8(is_right) != -1 {
            return None;
        }
        let digits = _mm256_shuffle_epi8(digits, load(&TWOS));
        let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
        let weights = _mm256_setr_epi16(100, 1, 64, 1, 60, 1, 0, 0, 1, 0, 100, 1, 1, 0, 0, 0);
        let numbers = _mm256_madd_epi16(twos, weights);
        let (first, second) =
            (_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
        (
            _mm_cvtsi128_si64(first).cast_unsigned(),
            _mm_extract_epi32::<2>(first),
            _mm_cvtsi128_si64(second),
            _mm_extract_epi32::<2>(second),
        )
    };
    #[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
    let (year, day_number) = ((date as u32).cast_signed(), (date >> 32) as usize);
    let is_leap = if year % 100 == 0 { year % 400 == 0 } else { year % 4 == 0 };
    let of_year = DAYS[day_number];
    if of_year == NONE || (day_number == FEB_29 && !is_leap) || minutes >= 24 * 60 {
        return None;
    }
    let days = year * 365
        + leap_days_before(year)
        + i32::from(of_year)
        + i32::from(is_leap && day_number >= MARCH);
    let micros = (seconds >> 32) * 100 + i64::from(below);
    let seconds = i64::from(minutes) * 60 + (seconds & 0xffff);
    Some(i64::from(days) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + micros)
}

/// # Safety
/// The host has AVX2.
#[inline(always)]
unsafe fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: as the caller says; a load of so many bytes needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::text::usual_time;

    #[test]
    fn what_is_read_is_what_is_read_in_two_words() {
        let Some(lanes) = Avx2::detect() else { return };
        let mut state = 29_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let texts = [
            "2024-02-29 23:59:59.123456789Z",
            "2023-02-28T00:00:00",
            "2000-02-29 00:00:00.5Z",
            "1900-03-01 12:00:00",
            "2024-12-31 23:00:00.123456000",
            "0000-01-31 00:00:00.000000",
            "9999-10-30T19:09:10Z",
        ];
        let (mut good, mut bad) = (0, 0);
        for round in 0..600_000 {
            let mut text = texts[round % texts.len()].as_bytes().to_vec();
            for _ in 0..random(4) {
                let at = random(text.len());
                text[at] = b"01234567890123456789-:. TZ+/;\xff\0"[random(31)];
            }
            text.truncate(text.len() - random(2) * random(12));
            let len = text.len();
            text.resize(32, b"0Z.,5 "[random(6)]);
            let bytes: &[u8; 32] = text.first_chunk().unwrap();
            let words = bytes.as_chunks::<16>().0.first_chunk::<2>().unwrap();
            let expected = usual_time::timestamp(words.map(u128::from_le_bytes), len);
            let read = timestamp(lanes, bytes, len);
            assert_eq!(read, expected, "{:?}", String::from_utf8_lossy(&bytes[..len]));
            *(if read.is_some() { &mut good } else { &mut bad }) += 1;
        }
        assert!(good > 100_000 && bad > 100_000, "{good} {bad}");
    }
}
