//! Dates, timestamps and intervals out of text.
//!
//! `YYYY-MM-DD`, then `T` or a space and `HH:MM[:SS[.fraction]]`, with a comma for the point, too, then
//! nothing, `Z`, `UTC`, `GMT` or an offset `±hh[[:]mm]`, a space before it or not, which is taken off so that the
//! result is UTC (DuckDB's TIMESTAMP ignores it). Months by name are those of [`time_with_named_month`]. Digits
//! after the microseconds are cut off, and [`has_finer_digits`] tells of them. Years have four to seven digits and may have a sign (ISO 8601: year 0 is 1 BC), or ` (BC)` or, at the very end, ` BC`
//! behind them as DuckDB and PostgreSQL write. An integer in place of a timestamp counts units since the epoch.

use tidemill_plan::TimestampUnit;
use tidemill_record::civil::{days_of, month_length};
use tidemill_record::time_with_named_month;

use super::number::{self, Fault};

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A timestamp in microseconds since the epoch.
#[inline]
pub(crate) fn timestamp(text: &[u8], unit: TimestampUnit) -> Result<i64, Fault> {
    if text.len() > 4 && text[4] == b'-' {
        match written_timestamp(text) {
            // The minus may be that of an exponent.
            Err(Fault::Syntax) => {}
            read => return read,
        }
    }
    match number::integer(text) {
        Ok(count) => from_unit(count, unit),
        Err(Fault::Syntax) => written_timestamp(text),
        Err(Fault::Fraction) => from_decimal(text, unit),
        Err(fault) => Err(fault),
    }
}

/// Whether text is a date or timestamp in writing, not a count.
pub(crate) fn is_timestamp(text: &[u8]) -> bool {
    written_timestamp(text).is_ok()
}

/// Whether a timestamp in writing has digits below the microsecond that are not zero.
#[cold]
pub(crate) fn has_finer_digits(text: &[u8]) -> bool {
    let is_point = |byte: &u8| matches!(byte, b'.' | b',');
    let point = text.iter().position(is_point).unwrap_or(text.len());
    let fraction = text[point..].iter().skip(1).take_while(|byte| byte.is_ascii_digit());
    fraction.skip(6).any(|&digit| digit != b'0')
}

/// A count of units with digits behind its point, as microseconds; those below a microsecond round down.
#[cold]
fn from_decimal(text: &[u8], unit: TimestampUnit) -> Result<i64, Fault> {
    /// Digits behind the point that are looked at one by one: more than any unit has use for.
    const PLACES: usize = 12;
    let (is_negative, whole, fraction) = decimal_parts(text).ok_or(Fault::Fraction)?;
    let whole = if whole.is_empty() { 0 } else { number::integer(whole)? };
    let magnitude = i128::from(whole) * 10_i128.pow(12) + i128::from(fraction_of(fraction, PLACES));
    let parts = if is_negative { -magnitude } else { magnitude };
    let has_more = fraction.iter().skip(PLACES).any(|&digit| digit != b'0');
    // A digit that is not looked at only counts where the others end at a whole microsecond below.
    let parts = parts * 10 - i128::from(is_negative && has_more);
    let (factor, divisor) = match unit {
        TimestampUnit::Seconds => (1_000_000, 1),
        TimestampUnit::Milliseconds => (1000, 1),
        TimestampUnit::Microseconds => (1, 1),
        TimestampUnit::Nanoseconds => (1, 1000),
    };
    let micros = (parts * factor).div_euclid(10_i128.pow(13) * divisor);
    i64::try_from(micros).map_err(|_| Fault::Range)
}

/// Sign, digits and digits behind the point of a number without an exponent, where it has a point.
fn decimal_parts(text: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let text = number::trimmed(text);
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let point = digits.iter().position(|&byte| byte == b'.')?;
    let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
    let are_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    are_digits.then_some((text.starts_with(b"-"), whole, fraction))
}

/// Whether a count of units with a point has digits that a timestamp does not hold; `None` for other texts.
pub(crate) fn decimal_has_finer_digits(text: &[u8], unit: TimestampUnit) -> Option<bool> {
    let (_, whole, fraction) = decimal_parts(text)?;
    let (places, below) = match unit {
        TimestampUnit::Seconds => (6, 0),
        TimestampUnit::Milliseconds => (3, 0),
        TimestampUnit::Microseconds => (0, 0),
        TimestampUnit::Nanoseconds => (0, 3),
    };
    let whole = whole.iter().rev().take(below);
    Some(whole.chain(fraction.iter().skip(places)).any(|&digit| digit != b'0'))
}

/// Units since the epoch as microseconds; nanoseconds round down.
#[inline]
pub(crate) fn from_unit(count: i64, unit: TimestampUnit) -> Result<i64, Fault> {
    match unit {
        TimestampUnit::Seconds => count.checked_mul(MICROS_PER_SECOND),
        TimestampUnit::Milliseconds => count.checked_mul(1000),
        TimestampUnit::Microseconds => Some(count),
        TimestampUnit::Nanoseconds => Some(count.div_euclid(1000)),
    }
    .ok_or(Fault::Range)
}

/// Two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Every form the module doc names.
#[cold]
pub(super) fn written_timestamp(text: &[u8]) -> Result<i64, Fault> {
    let text = number::trimmed(text);
    let Some((days, rest)) = date_of_era(text) else {
        let written = time_with_named_month(text).ok_or(Fault::Syntax)?;
        // Years have four digits, which is far within the range.
        return Ok(written.days * MICROS_PER_DAY + written.micros - written.offset);
    };
    let micros = match rest {
        [] => 0,
        [b'T' | b't' | b' ', rest @ ..] => time_and_zone(rest).ok_or(Fault::Syntax)?,
        _ => return Err(Fault::Syntax),
    };
    let micros = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros);
    i64::try_from(micros).map_err(|_| Fault::Range)
}

/// `HH:MM[:SS[.fraction]]`, with a comma for the point, too, and a zone, as microseconds after midnight UTC. `24:00:00` is the next
/// midnight.
fn time_and_zone(text: &[u8]) -> Option<i64> {
    let (hour, rest) = leading_two(text)?;
    let (minute, mut rest) = leading_two(rest.strip_prefix(b":")?)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = leading_two(after)?;
        if let [b'.' | b',', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            micros = fraction_of(&fraction[..digits], 6);
            rest = &fraction[digits..];
        }
    }
    let is_midnight_after = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if (hour > 23 && !is_midnight_after) || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second) - zone_seconds(rest)?;
    Some(seconds * MICROS_PER_SECOND + micros)
}

/// What is to be taken off for `Z`, `UTC`, `GMT`, `±hh`, `±hhmm`, `±hh:mm`, a space before it or not, or
/// nothing.
fn zone_seconds(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text.strip_prefix(b" ").filter(|zone| !zone.is_empty()).unwrap_or(text)
    {
        [] | [b'Z' | b'z'] => return Some(0),
        zone if zone.eq_ignore_ascii_case(b"utc") || zone.eq_ignore_ascii_case(b"gmt") => {
            return Some(0);
        }
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = leading_two(text)?;
    let minutes = match rest {
        [] => 0,
        _ => {
            let (minutes, rest) = leading_two(rest.strip_prefix(b":").unwrap_or(rest))?;
            if !rest.is_empty() {
                return None;
            }
            minutes
        }
    };
    (hours <= 23 && minutes <= 59).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

fn leading_two(text: &[u8]) -> Option<(u32, &[u8])> {
    match text {
        [tens, ones, rest @ ..] => Some((two(*tens, *ones)?, rest)),
        _ => None,
    }
}

/// The first `places` digits after a point, as if there were exactly so many.
fn fraction_of(digits: &[u8], places: usize) -> i64 {
    (0..places).fold(0, |value, index| {
        value * 10 + digits.get(index).map_or(0, |byte| i64::from(byte - b'0'))
    })
}

/// A date in days since the epoch.
#[inline]
pub(crate) fn date(text: &[u8]) -> Result<i32, Fault> {
    let text = number::trimmed(text);
    let days = match leading_date(text) {
        Some((year, month, day, [])) => days_from_civil(year, month, day),
        _ => match date_of_era(text) {
            Some((days, [])) => Some(days),
            _ => None,
        },
    };
    i32::try_from(days.ok_or(Fault::Syntax)?).map_err(|_| Fault::Range)
}

/// A date that may be before Christ, in days since the epoch, and what follows it.
#[cold]
fn date_of_era(text: &[u8]) -> Option<(i64, &[u8])> {
    let (text, ends_so) = match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (year, month, day, rest) = leading_date(text)?;
    let (rest, is_before) = match rest.strip_prefix(b" (BC)") {
        Some(rest) => (rest, true),
        None => (rest, ends_so),
    };
    let year = match is_before {
        // There is no year 0 before Christ, and no sign.
        true => 1 - Some(year).filter(|&year| year > 0)?,
        false => year,
    };
    Some((days_from_civil(year, month, day)?, rest))
}

/// Year, month and day of `[±]Y{4,7}-MM-DD` and what follows it.
#[inline]
fn leading_date(text: &[u8]) -> Option<(i64, u32, u32, &[u8])> {
    let (is_negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=7).contains(&digits) {
        return None;
    }
    let year = rest[..digits].iter().fold(0_i64, |year, byte| year * 10 + i64::from(byte - b'0'));
    let (month, rest) = leading_two(rest[digits..].strip_prefix(b"-")?)?;
    let (day, rest) = leading_two(rest.strip_prefix(b"-")?)?;
    Some((if is_negative { -year } else { year }, month, day, rest))
}

/// Days since the epoch of a date of the proleptic Gregorian calendar; `None` if there is no such
/// day.
#[inline]
fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    let (month, day) = (i64::from(month), i64::from(day));
    let exists = (1..=12).contains(&month) && day >= 1 && day <= month_length(year, month);
    exists.then(|| days_of(year, month, day))
}

/// An interval: `[n year[s]] [n month[s]] [n day[s]] [[-]H:MM:SS[.fraction]]`, in that order, at
/// least one part, each with a sign of its own. Months, days and nanoseconds.
pub(crate) fn interval(text: &[u8]) -> Result<(i32, i32, i64), Fault> {
    let text = str::from_utf8(text).map_err(|_| Fault::Syntax)?;
    let mut words = text.split_ascii_whitespace().peekable();
    let (mut months, mut days, mut nanos) = (0_i32, 0_i32, 0_i64);
    let mut last_rank = 0;
    while let Some(word) = words.next() {
        let rank = if word.contains(':') {
            nanos = clock_nanos(word)?;
            4
        } else {
            let count: i32 = word.parse().map_err(|_| Fault::Syntax)?;
            match words.next() {
                Some("year" | "years") => {
                    months = count.checked_mul(12).ok_or(Fault::Range)?;
                    1
                }
                Some("month" | "months" | "mon" | "mons") => {
                    months = months.checked_add(count).ok_or(Fault::Range)?;
                    2
                }
                Some("day" | "days") => {
                    days = count;
                    3
                }
                _ => return Err(Fault::Syntax),
            }
        };
        if rank <= last_rank {
            return Err(Fault::Syntax);
        }
        last_rank = rank;
    }
    if last_rank == 0 { Err(Fault::Syntax) } else { Ok((months, days, nanos)) }
}

/// `[-]H:MM:SS[.fraction]` in nanoseconds.
fn clock_nanos(word: &str) -> Result<i64, Fault> {
    let (is_negative, word) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let mut parts = word.splitn(3, ':');
    let mut part = || parts.next().ok_or(Fault::Syntax);
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let is_digits = |text: &str, len_max: usize| {
        !text.is_empty() && text.len() <= len_max && text.bytes().all(|b| b.is_ascii_digit())
    };
    let fits = is_digits(hours, 10) && is_digits(fraction, 9);
    if !fits || [minutes, seconds].iter().any(|text| text.len() != 2 || !is_digits(text, 2)) {
        return Err(Fault::Syntax);
    }
    let number = |text: &str| text.parse::<i128>().map_err(|_| Fault::Syntax);
    let (minutes, seconds) = (number(minutes)?, number(seconds)?);
    if minutes > 59 || seconds > 59 {
        return Err(Fault::Syntax);
    }
    let whole = (number(hours)? * 3600 + minutes * 60 + seconds) * 1_000_000_000;
    let nanos = whole + i128::from(fraction_of(fraction.as_bytes(), 9));
    i64::try_from(if is_negative { -nanos } else { nanos }).map_err(|_| Fault::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: TimestampUnit = TimestampUnit::Milliseconds;
    /// 2024-01-01 00:00:00 UTC, by `date -ud 2024-01-01 +%s`.
    const NEW_YEAR: i64 = 1_704_067_200_000_000;

    #[test]
    fn timestamps_of_every_form() {
        let cases = [
            ("2024-01-01", NEW_YEAR),
            ("2024-01-01 00:00:01", NEW_YEAR + 1_000_000),
            ("2024-01-01T00:00:00.5Z", NEW_YEAR + 500_000),
            ("2024-01-01 00:00:00.123456", NEW_YEAR + 123_456),
            ("2024-01-01 00:00:00.123456789", NEW_YEAR + 123_456),
            ("2024-01-01T05:30:00+05:30", NEW_YEAR),
            ("2024-01-01T05:30:00+0530", NEW_YEAR),
            ("2023-12-31 19:00-05", NEW_YEAR),
            (" 2024-01-01 ", NEW_YEAR),
            ("2023-12-31 24:00:00", NEW_YEAR),
            ("1704067200000", NEW_YEAR),
            ("-1", -1000),
            ("100e-2", 1000),
            ("1000e-2", 10_000),
            ("1969-12-31 23:59:59.999999", -1),
            ("2024-01-01 00:00:00,123", NEW_YEAR + 123_000),
            ("2024-01-01 02:00:00,5 +0200", NEW_YEAR + 500_000),
            ("2024-01-01 02:00:00 +02:00", NEW_YEAR),
            ("2023-12-31 19:00:00 -05", NEW_YEAR),
            ("2024-01-01 00:00:00 UTC", NEW_YEAR),
            ("2024-01-01T00:00:00.000123456Z", NEW_YEAR + 123),
            ("2024-01-01 00:00GMT", NEW_YEAR),
            ("2024-01-01 00:00:00 Z", NEW_YEAR),
            ("Mon, 01 Jan 2024 01:00:00 +0100", NEW_YEAR),
            ("01/Jan/2024:00:00:00 +0000", NEW_YEAR),
            ("1704067200000.5", NEW_YEAR + 500),
            ("-0.25", -250),
            ("-1.0001", -1001),
            ("0000-01-01", -62_167_219_200_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(timestamp(text.as_bytes(), MS), Ok(expected), "{text}");
        }
        for text in [
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01 25:00:00",
            "2024-01-01 10:60:00",
            "2024-01-01 10:00:60",
            "2024-01-01 10",
            "2024-01-01X10:00:00",
            "24-01-01",
            "",
            "now",
            "2024-01-01 10:00:00.",
            "2024-01-01 10:00:00  Z",
            "2024-01-01 10:00:00 EST",
            "2024-01-01 10:00:00,",
            "1/1/2024 10:00:00",
            "2024-01-01 10:00:00+5",
            "2024-1-1",
            "2024-01-01 10:00:0x",
            "2024-01-0110:00:00",
        ] {
            assert_eq!(timestamp(text.as_bytes(), MS), Err(Fault::Syntax), "{text}");
        }
    }

    #[test]
    fn decimals_count_units_and_round_down() {
        use TimestampUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (text, unit, micros, is_finer) in [
            ("1714557600.25", Seconds, 1_714_557_600_250_000, false),
            ("1714557600.1234567", Seconds, 1_714_557_600_123_456, true),
            ("-1.5", Seconds, -1_500_000, false),
            ("-0.0000001", Seconds, -1, true),
            ("-1.00000000000000001", Seconds, -1_000_001, true),
            (".5", Seconds, 500_000, false),
            ("1.", Milliseconds, 1000, false),
            ("1.0005", Milliseconds, 1000, true),
            ("-1.0005", Milliseconds, -1001, true),
            ("7.25", Microseconds, 7, true),
            ("-7.25", Microseconds, -8, true),
            ("1999.5", Nanoseconds, 1, true),
            ("-2000.5", Nanoseconds, -3, true),
            ("-2000.0", Nanoseconds, -2, false),
        ] {
            let read = timestamp(text.as_bytes(), unit);
            assert_eq!(read, Ok(micros), "{text} {unit:?}");
            let finer = decimal_has_finer_digits(text.as_bytes(), unit);
            // A count whose fraction is zero is read as the integer that it is.
            assert_eq!(finer, Some(is_finer), "{text} {unit:?}");
        }
        for text in ["1.5e3.5", ".", "-.", "1.2.3", "1.5e-3"] {
            let read = timestamp(text.as_bytes(), Seconds);
            assert!(read.is_err(), "{text}");
        }
        let read = timestamp(b"9223372036854775807.5", Seconds);
        assert_eq!(read, Err(Fault::Range));
    }

    #[test]
    fn integers_count_units_and_never_wrap() {
        assert_eq!(timestamp(b"1704067200", TimestampUnit::Seconds), Ok(NEW_YEAR));
        assert_eq!(timestamp(b"1704067200000000", TimestampUnit::Microseconds), Ok(NEW_YEAR));
        assert_eq!(timestamp(b"-1", TimestampUnit::Nanoseconds), Ok(-1));
        assert_eq!(timestamp(b"9223372036854775807", MS), Err(Fault::Range));
        assert_eq!(timestamp(b"300000-01-01", MS), Err(Fault::Range));
    }
}
