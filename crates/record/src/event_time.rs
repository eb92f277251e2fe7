//! Event time: when a record happened, and how far its partition has come.

use std::fmt;

use crate::civil::civil_of;

/// When a record happened, from the record: microseconds since the Unix epoch, UTC. Negative
/// before 1970.
///
/// A *watermark* is one too: of a partition it says that records of earlier event times are not
/// expected any more. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

impl EventTime {
    /// The watermark of a partition that has not spoken: nothing is late.
    pub const MIN: Self = Self(i64::MIN);
    /// The watermark of a partition that has ended: every window closes.
    pub const MAX: Self = Self(i64::MAX);
}

impl fmt::Display for EventTime {
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`; years before 1 are those of astronomers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MICROS_PER_SECOND: i64 = 1_000_000;
        const SECONDS_PER_DAY: i64 = 86_400;
        let (seconds, fraction) =
            (self.0.div_euclid(MICROS_PER_SECOND), self.0.rem_euclid(MICROS_PER_SECOND));
        let date = civil_of(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{:04}-{:02}-{:02} ", date.year, date.month, date.day)?;
        write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:06}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::EventTime;

    #[test]
    fn an_event_time_is_shown_as_a_timestamp() {
        assert_eq!(EventTime(0).to_string(), "1970-01-01 00:00:00");
        assert_eq!(EventTime(-1).to_string(), "1969-12-31 23:59:59.999999");
        // `date -ud 2024-05-01T10:00:01 +%s`.
        assert_eq!(EventTime(1_714_557_601_500_000).to_string(), "2024-05-01 10:00:01.5");
    }
}
