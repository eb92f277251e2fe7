//! Times to texts.

use std::fmt::Write;

use super::{DAYS, Directive, MONTHS, Step, TimeFormat};
use crate::civil::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, day_of_year, iso_week, weekday,
};

impl TimeFormat {
    /// Appends a time, given as days since the epoch and microseconds of the day, to what takes any text: errors
    /// of `out` are passed over. O(steps), without allocation.
    pub fn write(&self, days: i64, of_day: i64, out: &mut impl Write) {
        debug_assert!((0..MICROS_PER_DAY).contains(&of_day), "microseconds of one day");
        let moment = Moment { days, date: civil_of(days), of_day };
        for step in &self.steps {
            match step {
                Step::Text(text) | Step::Space(text) => push(text, out),
                Step::Directive { directive, is_bare } => {
                    moment.write_directive(*directive, *is_bare, out);
                }
            }
        }
    }
}

fn digits(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("digits")
}

fn push(text: &str, out: &mut impl Write) {
    let _ = out.write_str(text);
}

/// A time taken apart.
struct Moment {
    days: i64,
    date: Civil,
    /// Microseconds of the day.
    of_day: i64,
}

impl Moment {
    fn write_directive(&self, directive: Directive, is_bare: bool, out: &mut impl Write) {
        use Directive as D;
        let seconds = self.of_day / MICROS_PER_SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let micros = self.of_day % MICROS_PER_SECOND;
        let of_year = || day_of_year(self.days);
        let (value, width) = match directive {
            D::Year => (self.date.year, 4),
            D::YearOfCentury => (self.date.year.rem_euclid(100), 2),
            D::Month => (self.date.month, 2),
            D::Day => (self.date.day, 2),
            D::DayOfYear => (of_year(), 3),
            D::Hour => (hour, 2),
            D::Hour12 => (if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
            D::Minute => (minute, 2),
            D::Second => (second, 2),
            D::Millisecond => (micros / 1000, 3),
            D::Microsecond => (micros, 6),
            D::Nanosecond => (micros * 1000, 9),
            D::WeekdayFromSunday => ((weekday(self.days) + 1) % 7, 0),
            D::WeekdayFromMonday => (weekday(self.days) + 1, 0),
            D::WeekFromSunday => ((of_year() + 6 - (weekday(self.days) + 1) % 7) / 7, 2),
            D::WeekFromMonday => ((of_year() + 6 - weekday(self.days)) / 7, 2),
            D::IsoYear => (iso_week(self.days).0, 4),
            D::IsoWeek => (iso_week(self.days).1, 2),
            // No timestamp's seconds leave the range, and a date's fit by far.
            D::Epoch => (self.days * (MICROS_PER_DAY / MICROS_PER_SECOND) + seconds, 0),
            D::MonthName => return push(self.month_name(), out),
            D::MonthShort => return push(&self.month_name()[..3], out),
            D::WeekdayName => return push(self.weekday_name(), out),
            D::WeekdayShort => return push(&self.weekday_name()[..3], out),
            D::HalfDay => return push(if hour < 12 { "AM" } else { "PM" }, out),
            D::Offset => return push("+00", out),
            // Timestamps have no zone to name.
            D::Zone => return,
        };
        let width = if is_bare { 0 } else { width };
        match (value, width) {
            (0..100, 2) => {
                let value = u8::try_from(value).expect("below a hundred");
                push(digits(&[b'0' + value / 10, b'0' + value % 10]), out);
            }
            (1000..10_000, 4) => {
                let digit = |unit: i64| b'0' + u8::try_from(value / unit % 10).expect("a digit");
                push(digits(&[digit(1000), digit(100), digit(10), digit(1)]), out);
            }
            // Memory does not refuse to be written to.
            _ => _ = write!(out, "{value:0width$}"),
        }
    }

    fn month_name(&self) -> &'static str {
        let index = usize::try_from(self.date.month - 1).expect("months are numbered from 1");
        MONTHS[index]
    }

    fn weekday_name(&self) -> &'static str {
        let index = usize::try_from(weekday(self.days)).expect("weekdays are numbered from 0");
        DAYS[index]
    }
}
