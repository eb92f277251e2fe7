//! Dates, timestamps and intervals into text, as [`time`](super::time) reads them.

use tidemill_record::civil::{Civil, civil_of};

use super::digits;
use super::time::MICROS_PER_DAY;

/// Appends `YYYY-MM-DD`.
pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) {
    let Civil { year, month, day } = civil_of(days);
    if year < 0 {
        out.push(b'-');
    }
    let year = year.unsigned_abs();
    if year < 10_000 {
        write_two(year / 100, out);
        write_two(year % 100, out);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    }
    out.push(b'-');
    write_two(month.unsigned_abs(), out);
    out.push(b'-');
    write_two(day.unsigned_abs(), out);
}

/// `YYYY-MM-DD`; `None` where the year has not four digits.
#[inline(always)]
pub(crate) fn short_date(days: i64) -> Option<[u8; 10]> {
    let Civil { year, month, day } = civil_of(days);
    if !(0..10_000).contains(&year) {
        return None;
    }
    let [y0, y1, y2, y3, m0, m1, d0, d1] =
        digits::eight_text((year * 10_000 + month * 100 + day).cast_unsigned());
    Some([y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1])
}

/// Appends `YYYY-MM-DD HH:MM:SS`, and `.mmm` or `.uuuuuu` where the fraction is not zero.
pub(crate) fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    write_date(micros.div_euclid(MICROS_PER_DAY), out);
    let of_day = micros.rem_euclid(MICROS_PER_DAY).unsigned_abs();
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    out.push(b' ');
    write_two(seconds / 3600, out);
    out.push(b':');
    write_two(seconds / 60 % 60, out);
    out.push(b':');
    write_two(seconds % 60, out);
    if fraction != 0 {
        let is_millis = fraction.is_multiple_of(1000);
        write_fraction(
            if is_millis { fraction / 1000 } else { fraction },
            if is_millis { 3 } else { 6 },
            out,
        );
    }
}

/// The day of the timestamp written before: most have the same, and dates take longer than the rest.
#[derive(Clone, Copy, Default)]
pub(crate) struct WrittenDay {
    /// `YYYY-MM-DD `, and zeros; nothing where the year has not four digits, or before the first day.
    text: Option<[u8; 16]>,
    /// Microseconds since the epoch at which it starts.
    start_micros: i64,
}

impl WrittenDay {
    /// Characters up to the time.
    pub(crate) const TIME_AT: usize = 11;

    /// The characters up to the time and some more bytes, and the microseconds since the epoch at which the day starts.
    #[inline(always)]
    pub(crate) fn known(&self) -> Option<(&[u8; 16], i64)> {
        self.text.as_ref().map(|text| (text, self.start_micros))
    }

    /// Writes what [`write_timestamp`] appends, at most 26 bytes, to the start of at least 28: its
    /// length; `None` for a year that has not four digits.
    #[inline(always)]
    pub(crate) fn write(&mut self, micros: i64, cell: &mut [u8]) -> Option<usize> {
        let mut within = micros.wrapping_sub(self.start_micros).cast_unsigned();
        if within >= MICROS_PER_DAY.unsigned_abs() || self.text.is_none() {
            within = self.turn_to(micros);
        }
        cell[..16].copy_from_slice(&self.text?);
        let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
        let (minutes, second) = (seconds / 60, seconds % 60);
        cell[11..19].copy_from_slice(&time_of_day(minutes / 60, minutes % 60, second));
        if fraction == 0 {
            return Some(19);
        }
        let [.., a, b, c, d, e, f] = digits::eight_text(fraction);
        cell[19..26].copy_from_slice(&[b'.', a, b, c, d, e, f]);
        Some(if fraction.is_multiple_of(1000) { 23 } else { 26 })
    }

    /// Turns to the day of a timestamp: how far that is into it, in microseconds.
    #[inline(never)]
    fn turn_to(&mut self, micros: i64) -> u64 {
        let within = micros.rem_euclid(MICROS_PER_DAY);
        self.start_micros = micros.saturating_sub(within);
        self.text = short_date(micros.div_euclid(MICROS_PER_DAY)).map(|date| {
            let mut text = [0; 16];
            text[..date.len()].copy_from_slice(&date);
            text[date.len()] = b' ';
            text
        });
        within.unsigned_abs()
    }
}

/// `HH:MM:SS`: a number has all of them, with a digit between each two that becomes a colon.
#[inline(always)]
fn time_of_day(hour: u64, minute: u64, second: u64) -> [u8; 8] {
    let mut text = digits::eight_text(hour * 1_000_000 + minute * 1000 + second);
    (text[2], text[5]) = (b':', b':');
    text
}

/// Appends what [`interval`](super::time::interval) reads: the parts that are not zero, and at least `00:00:00`.
pub(crate) fn write_interval(months: i32, days: i32, nanos: i64, out: &mut Vec<u8>) {
    let start = out.len();
    for (count, unit) in [(months, &b" months"[..]), (days, &b" days"[..])] {
        if count != 0 {
            if out.len() > start {
                out.push(b' ');
            }
            out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            out.extend_from_slice(unit);
        }
    }
    if nanos == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.push(b' ');
    }
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.unsigned_abs();
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let hours = seconds / 3600;
    if hours < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(hours).as_bytes());
    out.push(b':');
    write_two(seconds / 60 % 60, out);
    out.push(b':');
    write_two(seconds % 60, out);
    match fraction {
        0 => {}
        _ if fraction.is_multiple_of(1000) => write_fraction(fraction / 1000, 6, out),
        _ => write_fraction(fraction, 9, out),
    }
}

fn write_fraction(value: u64, places: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.push(b'.');
    out.resize(out.len() + places - digits.len(), b'0');
    out.extend_from_slice(digits);
}

/// Appends a number below 100 as two digits.
fn write_two(value: u64, out: &mut Vec<u8>) {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).expect("one digit");
    out.extend_from_slice(&[digit(value / 10), digit(value)]);
}

#[cfg(test)]
mod tests {
    use tidemill_plan::TimestampUnit;

    use super::*;
    use crate::text::number::Fault;
    use crate::text::time::{date, interval, timestamp};

    const MS: TimestampUnit = TimestampUnit::Milliseconds;
    /// 2024-01-01 00:00:00 UTC, by `date -ud 2024-01-01 +%s`.
    const NEW_YEAR: i64 = 1_704_067_200_000_000;

    #[test]
    fn every_timestamp_is_read_back_as_written() {
        let mut micros = vec![i64::MIN, i64::MAX, 0, -1, NEW_YEAR, NEW_YEAR + 1, NEW_YEAR + 1000];
        let mut state = 1_u64;
        for shift in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            micros.push(state.cast_signed() >> (shift % 24));
        }
        for micros in micros {
            let mut text = Vec::new();
            write_timestamp(micros, &mut text);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(timestamp(&text, MS), Ok(micros), "{shown}");
            let days = i32::try_from(micros >> 32).unwrap_or(0);
            text.clear();
            write_date(i64::from(days), &mut text);
            assert_eq!(date(&text), Ok(days));
        }
    }

    #[test]
    fn timestamps_are_written_into_cells_as_they_are_appended() {
        let mut day = WrittenDay::default();
        let mut state = 1_u64;
        let mut micros = NEW_YEAR;
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            micros = match round % 8 {
                0 => state.cast_signed() >> (round % 24),
                1 => NEW_YEAR,
                2 => micros / 1_000_000 * 1_000_000,
                3 => micros / 1000 * 1000,
                _ => micros.wrapping_add((state >> 40).cast_signed()),
            };
            let mut appended = Vec::new();
            write_timestamp(micros, &mut appended);
            let mut cell = [b'#'; 28];
            if let Some(len) = day.write(micros, &mut cell) {
                assert_eq!(cell[..len], appended, "{micros}");
            } else {
                assert!(!matches!(appended[..], [_, _, _, _, b'-', ..]), "{micros}");
            }
        }
    }

    #[test]
    fn written_timestamps_keep_only_the_fraction_they_need() {
        let written = |micros| {
            let mut text = Vec::new();
            write_timestamp(micros, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        assert_eq!(written(NEW_YEAR), "2024-01-01 00:00:00");
        assert_eq!(written(NEW_YEAR + 120_000), "2024-01-01 00:00:00.120");
        assert_eq!(written(NEW_YEAR + 1), "2024-01-01 00:00:00.000001");
        assert_eq!(written(-1), "1969-12-31 23:59:59.999999");
    }

    #[test]
    fn intervals_are_read_back_as_written() {
        for (parts, expected) in [
            ((0, 0, 0), "00:00:00"),
            ((14, -3, 0), "14 months -3 days"),
            ((0, 1, -3_600_000_000_001), "1 days -01:00:00.000000001"),
            ((0, 0, 360_000_500_000_000), "100:00:00.500000"),
            (
                (i32::MIN, i32::MAX, i64::MIN),
                "-2147483648 months 2147483647 days -2562047:47:16.854775808",
            ),
        ] {
            let mut text = Vec::new();
            write_interval(parts.0, parts.1, parts.2, &mut text);
            assert_eq!(String::from_utf8_lossy(&text), expected);
            assert_eq!(interval(&text), Ok(parts));
        }
        assert_eq!(
            interval(b"1 year 2 months 3 days 04:05:06.789"),
            Ok((14, 3, 14_706_789_000_000))
        );
        for text in ["", "1", "1 day 1 month", "1:2:3", "x days", "1 day 1 day", "1:00"] {
            assert_eq!(interval(text.as_bytes()), Err(Fault::Syntax), "{text}");
        }
    }
}
