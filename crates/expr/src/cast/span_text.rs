//! Text to intervals and back: `1 year 2 months 3 days 04:05:06.7`.

use std::fmt::Write;

use arrow_array::types::IntervalMonthDayNanoType;
use arrow_buffer::IntervalMonthDayNano;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use super::Conversion;
use super::digits::write_time_of_day;
use super::number_text::each;

/// Conversion from text.
pub(super) fn from_text(is_try: bool) -> Conversion {
    each::<IntervalMonthDayNanoType>(&DataType::Interval, is_try, parse_interval)
}

/// Pairs of a whole number and a unit, and at most one `[-]HH:MM[:SS[.ffffff]]`.
fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    let mut words = text.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros = micros.checked_add(parse_clock(word)?)?;
            continue;
        }
        let amount: i64 = word.parse().ok()?;
        let unit = words.next()?.to_ascii_lowercase();
        let (part, factor) = match unit.strip_suffix('s').unwrap_or(&unit) {
            "year" => (&mut months, 12),
            "quarter" => (&mut months, 3),
            "month" => (&mut months, 1),
            "week" => (&mut days, 7),
            "day" => (&mut days, 1),
            "hour" => (&mut micros, 3_600_000_000),
            "minute" => (&mut micros, 60_000_000),
            "second" => (&mut micros, 1_000_000),
            "millisecond" => (&mut micros, 1_000),
            "microsecond" => (&mut micros, 1),
            _ => return None,
        };
        *part = part.checked_add(amount.checked_mul(factor)?)?;
    }
    let (months, days) = (i32::try_from(months).ok()?, i32::try_from(days).ok()?);
    Some(IntervalMonthDayNano::new(months, days, micros.checked_mul(1000)?))
}

fn parse_clock(word: &str) -> Option<i64> {
    let (sign, word) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word),
    };
    let mut parts = word.split(':');
    let number = |part: &str| part.parse::<u32>().ok().map(i64::from);
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let (whole, fraction) = match parts.next() {
        None => ("0", ""),
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
    };
    let seconds = number(whole)?;
    if minutes > 59 || seconds > 59 || parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let micros = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<6}"))? };
    let seconds = (hours * 60 + minutes) * 60 + seconds;
    Some(sign * seconds.checked_mul(1_000_000)?.checked_add(micros)?)
}

/// Appends the text of an interval; parts below the microsecond are left out.
pub(super) fn write_interval(out: &mut Line, interval: IntervalMonthDayNano) {
    let start = out.len();
    let (years, months) = (interval.months / 12, interval.months % 12);
    for (amount, unit) in [(years, "year"), (months, "month"), (interval.days, "day")] {
        if amount == 0 {
            continue;
        }
        let space = if out.len() == start { "" } else { " " };
        let plural = if amount == 1 || amount == -1 { "" } else { "s" };
        // Writing to a String does not fail.
        let _ = write!(out, "{space}{amount} {unit}{plural}");
    }
    let micros = interval.nanoseconds / 1000;
    if micros == 0 && out.len() != start {
        return;
    }
    out.push_str(if out.len() == start { "" } else { " " });
    out.push_str(if micros < 0 { "-" } else { "" });
    write_time_of_day(out, micros.abs());
}
