//! Text to dates and timestamps.
//!
//! `YYYY-MM-DD`, then optionally a space or `T` and `HH:MM[:SS[.fraction]]`, with a comma for the point, too, then
//! optionally `Z`, `UTC`, `GMT` or an offset `±HH[:MM]`, which is applied: timestamps are UTC. Digits past the
//! microsecond are cut off. A year before 1 has a minus or ` (BC)`. Months by name are those of
//! [`time_with_named_month`].

use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use tidemill_record::{DataType, WrittenTime, time_with_named_month};

use super::Conversion;
use super::number_text::each;
use tidemill_record::civil::{MICROS_PER_DAY, MICROS_PER_SECOND, days_of, month_length};

/// Conversion from text to `DATE` or `TIMESTAMP`.
pub(super) fn from_text(to: &DataType, is_try: bool) -> Conversion {
    if *to == DataType::Date {
        // A time of day may follow and is left out.
        each::<Date32Type>(to, is_try, |text| i32::try_from(parse(text)?.0).ok())
    } else {
        each::<TimestampMicrosecondType>(to, is_try, parse_timestamp)
    }
}

/// Days since the epoch of a date without a time of day.
pub(super) fn parse_date_alone(text: &str) -> Option<i32> {
    // A time of day has a colon in any case.
    if text.contains(':') { None } else { i32::try_from(parse(text)?.0).ok() }
}

/// Microseconds since the epoch.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let (days, micros, offset) = parse(text)?;
    let total = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros - offset);
    i64::try_from(total).ok()
}

/// Days since the epoch, microseconds of the day, and microseconds the zone is ahead of UTC.
fn parse(text: &str) -> Option<(i64, i64, i64)> {
    let text = text.trim();
    let mut cursor = Cursor(text.as_bytes());
    let Some(days) = cursor.date() else {
        let WrittenTime { days, micros, offset } = time_with_named_month(text.as_bytes())?;
        return Some((days, micros, offset));
    };
    if cursor.0.is_empty() {
        return Some((days, 0, 0));
    }
    if !cursor.skip(b' ') && !cursor.skip(b'T') && !cursor.skip(b't') {
        return None;
    }
    let micros = cursor.time_of_day()?;
    let offset = cursor.zone()?;
    cursor.0.is_empty().then_some((days, micros, offset))
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let is_next = self.0.len() >= word.len() && self.0[..word.len()].eq_ignore_ascii_case(word);
        if is_next {
            self.0 = &self.0[word.len()..];
        }
        is_next
    }

    /// A number of `min..=max` digits.
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.0.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn date(&mut self) -> Option<i64> {
        let is_negative = self.skip(b'-');
        let year = self.number(1, 7)?;
        let separator = *self.0.first()?;
        if !matches!(separator, b'-' | b'/') || !self.skip(separator) {
            return None;
        }
        let month = self.number(1, 2)?;
        if !self.skip(separator) {
            return None;
        }
        let day = self.number(1, 2)?;
        let mut year = if is_negative { -year } else { year };
        if self.word(b" (BC)") {
            year = 1 - year;
        }
        if !(1..=12).contains(&month) || !(1..=month_length(year, month)).contains(&day) {
            return None;
        }
        Some(days_of(year, month, day))
    }

    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(1, 2)?;
        if !self.skip(b':') {
            return None;
        }
        let minute = self.number(1, 2)?;
        let (mut second, mut micros) = (0, 0);
        if self.skip(b':') {
            second = self.number(1, 2)?;
            if self.skip(b'.') || self.skip(b',') {
                micros = self.fraction();
            }
        }
        let is_day_end = hour == 24 && minute == 0 && second == 0 && micros == 0;
        if (hour > 23 && !is_day_end) || minute > 59 || second > 59 {
            return None;
        }
        Some((hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + micros)
    }

    /// Digits after the point as microseconds; those past the sixth are cut off.
    fn fraction(&mut self) -> i64 {
        let (mut micros, mut unit) = (0, 100_000);
        while let Some(digit) = self.number(1, 1) {
            micros += digit * unit;
            unit /= 10;
        }
        micros
    }

    fn zone(&mut self) -> Option<i64> {
        self.skip(b' ');
        if self.0.is_empty() || self.word(b"Z") || self.word(b"UTC") || self.word(b"GMT") {
            return Some(0);
        }
        let sign = if self.skip(b'+') {
            1
        } else if self.skip(b'-') {
            -1
        } else {
            return None;
        };
        let hours = self.number(1, 2)?;
        let minutes = if self.skip(b':') {
            self.number(2, 2)?
        } else if self.0.is_empty() {
            0
        } else {
            self.number(2, 2)?
        };
        (hours <= 23 && minutes <= 59)
            .then_some(sign * (hours * 60 + minutes) * 60 * MICROS_PER_SECOND)
    }
}
