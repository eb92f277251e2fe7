//! Dates and timestamps in their usual form, read within registers: `YYYY-MM-DD`, and `YYYY-MM-DD[T ]HH:MM:SS[.f{1,9}][Z]`.
//!
//! A word holds text as it stands in memory, its first character lowest. All characters are checked at once; nothing is
//! asked of the value before. Whatever has another form is for [`time`](super::time).

use super::digits;
use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND};

/// Characters of a date.
const DATE_LEN: usize = 10;
/// Characters of a timestamp without a fraction.
const SECONDS_LEN: usize = 19;

/// For each character of a pattern: what takes a byte beyond 127 if it is more than may be. A digit is at most 9, any
/// other exactly itself, of which nothing is left when the pattern has been taken out.
const fn beyond(pattern: [u8; 8]) -> u64 {
    let mut most = [0; 8];
    let mut at = 0;
    while at < 8 {
        most[at] = match pattern[at] {
            b'0' => 127 - 9,
            0 => 0,
            _ => 127,
        };
        at += 1;
    }
    u64::from_le_bytes(most)
}

/// Zero if a word is of the form of a pattern, in which 0 stands for any digit and a zero byte for anything; and in
/// each byte the number of its digit and the next.
#[inline(always)]
fn matched(word: u64, pattern: [u8; 8]) -> (u64, [u8; 8]) {
    let mut anything = [0xff; 8];
    let mut at = 0;
    while at < 8 {
        if pattern[at] == 0 {
            anything[at] = 0;
        }
        at += 1;
    }
    let digits = (word ^ u64::from_le_bytes(pattern)) & u64::from_le_bytes(anything);
    let wrong = (digits | digits.wrapping_add(beyond(pattern))) & 0x8080_8080_8080_8080;
    // Where nothing is wrong no byte has a carry.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    (wrong, pairs.to_le_bytes())
}

/// Days before each month of a year that is not a leap year; the first is none.
const DAYS_BEFORE: [u16; 16] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 0, 0, 0];
/// Days of each month, those of February but for the one of a leap year.
const MONTH_DAYS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];

/// The day of a date, counted from the epoch; `None` if there is no such day.
#[inline(always)]
fn day_of(century: u8, year_of_century: u8, month: u8, day: u8) -> Option<i32> {
    let year = 100 * i32::from(century) + i32::from(year_of_century);
    let is_fourth = year_of_century.is_multiple_of(4);
    let is_leap = if year_of_century == 0 { century.is_multiple_of(4) } else { is_fourth };
    let month = usize::from(month);
    if month > 12 {
        return None;
    }
    let most = MONTH_DAYS[month] + u8::from(is_leap && month == 2);
    if day.wrapping_sub(1) >= most {
        return None;
    }
    let of_year = i32::from(DAYS_BEFORE[month]) + i32::from(is_leap && month > 2);
    Some(year * 365 + leap_days_before(year) + of_year + i32::from(day) - 1)
}

/// Leap days before a year, less the days from the first of year 0 to the epoch.
#[inline(always)]
pub(super) fn leap_days_before(year: i32) -> i32 {
    const TO_EPOCH: i32 = 719_528;
    let before = year - 1;
    (before >> 2) - before.div_euclid(100) + before.div_euclid(400) + 1 - TO_EPOCH
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
fn halves(word: u128) -> (u64, u64) {
    (word as u64, (word >> 64) as u64)
}

/// A date in days since the epoch, the first `len` characters of a word.
#[inline(always)]
pub(super) fn date(word: u128, len: usize) -> Option<i32> {
    let (first, second) = halves(word);
    let (first_wrong, [century, _, of_century, _, _, month, _, _]) = matched(first, *b"0000-00-");
    let (second_wrong, [day, ..]) = matched(second, *b"00\0\0\0\0\0\0");
    if len != DATE_LEN || first_wrong | second_wrong != 0 {
        return None;
    }
    day_of(century, of_century, month, day)
}

/// A timestamp in microseconds since the epoch: the first `len` characters of two words. None that has digits below the
/// microsecond other than zero, which would have to be counted.
#[inline(always)]
pub(super) fn timestamp([head, tail]: [u128; 2], len: usize) -> Option<i64> {
    let (first, second) = halves(head);
    let (third, fourth) = halves(tail);
    let (first_wrong, [century, _, of_century, _, _, month, _, _]) = matched(first, *b"0000-00-");
    let (second_wrong, [day, _, _, hour, _, _, minute, _]) = matched(second, *b"00\x0000:00");
    let (third_wrong, [_, second_of_minute, ..]) = matched(third, *b":00\0\0\0\0\0");
    let separator = second.to_le_bytes()[2];
    let is_separated = separator == b' ' || separator == b'T';
    let wrong = first_wrong | second_wrong | third_wrong;
    if wrong != 0 || !is_separated || hour > 23 || minute > 59 || second_of_minute > 59 {
        return None;
    }
    let day = day_of(century, of_century, month, day)?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second_of_minute);
    let micros = match len {
        SECONDS_LEN => 0,
        _ => fraction(third, fourth, len)?,
    };
    Some(i64::from(day) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + micros)
}

/// The microseconds of what stands behind the seconds: nothing but a `Z`, or a point, digits, and a `Z` or not.
#[inline(always)]
fn fraction(third: u64, fourth: u64, len: usize) -> Option<i64> {
    /// Digits of a nanosecond.
    const PLACES_MAX: usize = 9;
    /// Of a nanosecond's digits, those that make a microsecond.
    const PLACES: usize = 6;
    let behind = len.checked_sub(SECONDS_LEN)?;
    if behind == 0 || behind > 2 + PLACES_MAX {
        return None;
    }
    // What stands behind the seconds, its first character lowest; three are gone with them.
    let rest = (u128::from(fourth) << 64 | u128::from(third)) >> 24;
    #[expect(clippy::cast_possible_truncation, reason = "single characters are wanted")]
    let byte = |at: usize| (rest >> (8 * at)) as u8;
    let is_zoned = byte(behind - 1) == b'Z';
    let places = match behind - usize::from(is_zoned) {
        0 => return Some(0),
        some if some > 1 && some <= 1 + PLACES_MAX && byte(0) == b'.' => some - 1,
        _ => return None,
    };
    let (digits, _) = halves(rest >> 8);
    let micros = digits::millionths(digits, places.min(PLACES))?;
    // Digits below them are to be zero.
    let (below, _) = halves(rest >> (8 * (1 + PLACES)));
    let kept = (1_u64 << (8 * places.saturating_sub(PLACES))) - 1;
    ((below ^ 0x3030_3030_3030_3030) & kept == 0).then_some(micros.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::time;

    fn words(text: &str) -> [u128; 2] {
        let mut bytes = [b'7'; 32];
        let len = text.len().min(32);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        let [first, second] = bytes.as_chunks::<16>().0 else { panic!("two halves") };
        [u128::from_le_bytes(*first), u128::from_le_bytes(*second)]
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        // Every day of four hundred years, and of years 0 and 9999.
        for days in (-141_428..-134_774).chain(-719_528..-718_000).chain(2_932_000..2_932_897) {
            let civil = tidemill_record::civil::civil_of(days);
            let text = format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
            assert_eq!(date(words(&text)[0], text.len()).map(i64::from), Some(days), "{text}");
        }
        for year in ["1900", "2000", "2023", "2024"] {
            for month in 0..=19 {
                for day in 0..=39 {
                    let text = format!("{year}-{month:02}-{day:02}");
                    let expected = time::date(text.as_bytes()).ok();
                    assert_eq!(date(words(&text)[0], text.len()), expected, "{text}");
                }
            }
        }
    }

    /// Texts that are nearly timestamps: what is read is what the long way reads, and it has no digits that are lost.
    #[test]
    fn timestamps_are_those_of_the_long_way() {
        let mut state = 29_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("32 bits") % below
        };
        let mut read_count = 0;
        for _ in 0..200_000 {
            let mut text = format!(
                "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}",
                random(10_000),
                random(14),
                random(33),
                ["T", " ", "t", "x"][random(20) / 9 + random(2)],
                random(25),
                random(61),
                random(61)
            );
            if random(3) > 0 {
                text.push('.');
                (0..random(12)).for_each(|_| text.push(char::from(b'0' + [0, 0, 7, 9][random(4)])));
            }
            text.push_str(["", "Z", "", "Z", "+01:00", "z", " "][random(7)]);
            if random(9) == 0 {
                let at = random(text.len());
                text.replace_range(at..=at, ["/", ":", "-", ".", "0", "\u{1}"][random(6)]);
            }
            if let Some(micros) = timestamp(words(&text), text.len()) {
                assert_eq!(time::written_timestamp(text.as_bytes()), Ok(micros), "{text}");
                assert!(!time::has_finer_digits(text.as_bytes()), "{text}");
                read_count += 1;
            }
        }
        assert!(read_count > 30_000, "{read_count}");
    }
}
