//! Dates and timestamps, read part by part; days are counted from the year 1 on.

use tidemill_plan::TimestampUnit;

use crate::value::{scaled, trimmed};

const MICROS_PER_SECOND: i128 = 1_000_000;
const SECONDS_PER_DAY: i128 = 86_400;

/// A date in days since the epoch.
#[must_use]
pub fn date(text: &str) -> Option<i128> {
    let (days, rest) = leading_date(trimmed(text))?;
    (rest.is_empty() && i32::try_from(days).is_ok()).then_some(days)
}

/// A timestamp, written or counted in units, in microseconds since the epoch.
#[must_use]
pub fn timestamp(text: &str, unit: TimestampUnit) -> Option<i128> {
    let micros = written(trimmed(text)).or_else(|| {
        let Some(count) = scaled(text, 0) else { return decimal(trimmed(text), unit) };
        let count = i128::from(i64::try_from(count).ok()?);
        Some(match unit {
            TimestampUnit::Seconds => count * 1_000_000,
            TimestampUnit::Milliseconds => count * 1000,
            TimestampUnit::Microseconds => count,
            TimestampUnit::Nanoseconds => count.div_euclid(1000),
        })
    })?;
    i64::try_from(micros).is_ok().then_some(micros)
}

/// A count with digits behind its point, rounded down.
fn decimal(text: &str, unit: TimestampUnit) -> Option<i128> {
    let digits = text.trim_start_matches(['-', '+']);
    let is_plain = digits.len() + 1 >= text.len()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction) = digits.split_once('.')?;
    if !is_plain || fraction.contains('.') || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole = i128::from(format!("0{whole}").parse::<i64>().ok()?);
    let (kept, further) = fraction.split_at(fraction.len().min(12));
    let parts = whole * 10_i128.pow(12) + format!("{kept:0<12}").parse::<i128>().ok()?;
    let is_negative = text.starts_with('-');
    let is_below = is_negative && further.bytes().any(|digit| digit != b'0');
    let parts = if is_negative { -parts } else { parts } * 10 - i128::from(is_below);
    let (factor, divisor) = match unit {
        TimestampUnit::Seconds => (1_000_000, 1),
        TimestampUnit::Milliseconds => (1000, 1),
        TimestampUnit::Microseconds => (1, 1),
        TimestampUnit::Nanoseconds => (1, 1000),
    };
    Some((parts * factor).div_euclid(10_i128.pow(13) * divisor))
}

fn written(text: &str) -> Option<i128> {
    let Some((days, rest)) = leading_date(text) else { return named(text) };
    let seconds = days * SECONDS_PER_DAY;
    if rest.is_empty() {
        return Some(seconds * MICROS_PER_SECOND);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (hour, rest) = two(rest)?;
    let (minute, mut rest) = two(rest.strip_prefix(':')?)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(behind) = rest.strip_prefix(':') {
        (second, rest) = two(behind)?;
        if let Some(behind) = rest.strip_prefix(['.', ',']) {
            rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = &behind[..behind.len() - rest.len()];
            if digits.is_empty() {
                return None;
            }
            micros = format!("{digits}000000")[..6].parse().ok()?;
        }
    }
    let is_within = hour <= 23 && minute <= 59 && second <= 59;
    let is_next_midnight = (hour, minute, second, micros) == (24, 0, 0, 0);
    let seconds = seconds + hour * 3600 + minute * 60 + second - zone(rest)?;
    (is_within || is_next_midnight).then_some(seconds * MICROS_PER_SECOND + micros)
}

/// A time whose month has a name; held to Python's by tests of its own.
fn named(text: &str) -> Option<i128> {
    let time = tidemill_record::time_with_named_month(text.as_bytes())?;
    Some(i128::from(time.days) * SECONDS_PER_DAY * MICROS_PER_SECOND + i128::from(time.micros - time.offset))
}

/// What a zone is ahead of UTC, in seconds.
fn zone(text: &str) -> Option<i128> {
    let text = text.strip_prefix(' ').filter(|zone| !zone.is_empty()).unwrap_or(text);
    if matches!(text.to_ascii_uppercase().as_str(), "" | "Z" | "UTC" | "GMT") {
        return Some(0);
    }
    let rest = text.strip_prefix(['+', '-'])?;
    let (hours, rest) = two(rest)?;
    let minutes = match rest {
        "" => 0,
        _ => match two(rest.strip_prefix(':').unwrap_or(rest))? {
            (minutes, "") => minutes,
            _ => return None,
        },
    };
    let seconds = hours * 3600 + minutes * 60;
    (hours <= 23 && minutes <= 59).then_some(if text.starts_with('-') { -seconds } else { seconds })
}

fn leading_date(text: &str) -> Option<(i128, &str)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let rest = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &unsigned[..unsigned.len() - rest.len()];
    if !(4..=7).contains(&digits.len()) {
        return None;
    }
    let magnitude: i128 = digits.parse().ok()?;
    let year = if unsigned.len() < text.len() { -magnitude } else { magnitude };
    let (month, rest) = two(rest.strip_prefix('-')?)?;
    let (day, rest) = two(rest.strip_prefix('-')?)?;
    Some((days(year, month, day)?, rest))
}

fn two(text: &str) -> Option<(i128, &str)> {
    let digits = text.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[2..]))
}

/// Days since the epoch of a day that exists.
fn days(year: i128, month: i128, day: i128) -> Option<i128> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month - 1).ok()?;
    let length = *lengths.get(before)?;
    let years = year - 1;
    let leaps = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    // The first of January of 1970 is the day 719162 behind that of the year 1.
    let first = 365 * years + leaps - 719_162;
    let of_year = lengths[..before].iter().sum::<i128>() + day - 1;
    (day >= 1 && day <= length).then_some(first + of_year)
}
