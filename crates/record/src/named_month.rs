//! Times whose month has a name: `Wed, 01 May 2024 10:00:00 +0200` (RFC 2822, and HTTP) and
//! `01/May/2024:13:05:09 +0000` (web server logs).
//!
//! No other reading of such a text is possible, so that nobody has to ask for it.

use crate::civil::{MICROS_PER_SECOND, days_of, month_length};

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenTime {
    /// Days since the epoch of its date.
    pub days: i64,
    /// Microseconds of its day.
    pub micros: i64,
    /// Microseconds that its zone is ahead of UTC.
    pub offset: i64,
}

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const WEEKDAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Zones by name, in hours ahead of UTC (RFC 2822, 4.3).
const ZONES: [(&[u8], i64); 12] = [
    (b"gmt", 0),
    (b"utc", 0),
    (b"ut", 0),
    (b"z", 0),
    (b"est", -5),
    (b"edt", -4),
    (b"cst", -6),
    (b"cdt", -5),
    (b"mst", -7),
    (b"mdt", -6),
    (b"pst", -8),
    (b"pdt", -7),
];

/// Reads `[Wed, ]1 May 2024 10:00[:00] zone` or `01/May/2024:13:05:09[ zone]`, names in any case; `None` for
/// any other text. The weekday is not compared with the date.
#[must_use]
#[cold]
pub fn time_with_named_month(text: &[u8]) -> Option<WrittenTime> {
    let mut cursor = Cursor(text);
    if let Some(name) = text.first_chunk::<3>()
        && WEEKDAYS.iter().any(|weekday| name.eq_ignore_ascii_case(*weekday))
    {
        cursor.0 = &text[3..];
        cursor.skip(b',')?;
        cursor.skip_blanks();
    }
    let day = cursor.number(1, 2)?;
    let is_log = cursor.skip(b'/').is_some();
    if !is_log {
        cursor.skip(b' ')?;
        cursor.skip_blanks();
    }
    let month = cursor.month()?;
    cursor.skip(if is_log { b'/' } else { b' ' })?;
    let year = cursor.number(4, 4)?;
    cursor.skip(if is_log { b':' } else { b' ' })?;
    let hour = cursor.number(2, 2)?;
    cursor.skip(b':')?;
    let minute = cursor.number(2, 2)?;
    let second = match cursor.skip(b':') {
        Some(()) => cursor.number(2, 2)?,
        None if is_log => return None,
        None => 0,
    };
    let is_day = (1..=month_length(year, month)).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = match cursor.0 {
        [] if is_log => 0,
        [b' ', zone @ ..] => zone_seconds(zone)?,
        _ => return None,
    };
    Some(WrittenTime {
        days: days_of(year, month, day),
        micros: (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND,
        offset: offset * MICROS_PER_SECOND,
    })
}

/// `±hhmm` or a name, as seconds ahead of UTC.
fn zone_seconds(text: &[u8]) -> Option<i64> {
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => {
            let known = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            return known.map(|(_, hours)| hours * 3600);
        }
    };
    let mut cursor = Cursor(&text[1..]);
    let (hours, minutes) = (cursor.number(2, 2)?, cursor.number(2, 2)?);
    (cursor.0.is_empty() && hours <= 23 && minutes <= 59)
        .then_some(sign * (hours * 3600 + minutes * 60))
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        while self.skip(b' ').is_some() {}
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        (count >= least).then_some(value)
    }

    fn month(&mut self) -> Option<i64> {
        let name = self.0.first_chunk::<3>()?;
        let place = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(*month))?;
        self.0 = &self.0[3..];
        i64::try_from(place + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::MICROS_PER_DAY;

    /// Seconds since the epoch.
    fn seconds(text: &str) -> Option<i64> {
        let WrittenTime { days, micros, offset } = time_with_named_month(text.as_bytes())?;
        Some((days * MICROS_PER_DAY + micros - offset) / MICROS_PER_SECOND)
    }

    #[test]
    fn as_python_reads_mail_headers() {
        // email.utils.parsedate_to_datetime(text).timestamp()
        for (text, expected) in [
            ("Wed, 01 May 2024 10:00:00 +0200", 1_714_550_400),
            ("Wed, 1 May 2024 10:00:00 GMT", 1_714_557_600),
            ("1 May 2024 10:00 -0530", 1_714_577_400),
            ("Thu,  29 Feb 2024 23:59:59 EST", 1_709_269_199),
            ("wed, 31 DEC 1969 23:59:59 ut", -1),
            ("01/May/2024:13:05:09 +0000", 1_714_568_709),
            ("01/may/2024:13:05:09 -0230", 1_714_577_709),
            ("01/May/2024:13:05:09", 1_714_568_709),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "Wed, 01 May 2024",
            "Wed 01 May 2024 10:00:00 +0200",
            "Wed, 01 May 2024 10:00:00",
            "Wed, 01 May 24 10:00:00 +0200",
            "Wed, 31 Apr 2024 10:00:00 +0200",
            "Wed, 01 May 2024 24:00:00 +0200",
            "Wed, 01 May 2024 10:00:00 +02:00",
            "Wed, 01 May 2024 10:00:00 +0260",
            "Wed, 01 May 2024 10:00:00 XST",
            "01/05/2024:13:05:09 +0000",
            "01/May/2024 13:05:09 +0000",
            "01/May/2024:13:05 +0000",
            "[01/May/2024:13:05:09 +0000]",
            "01/May/2024:13:05:09 +0000 ",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
