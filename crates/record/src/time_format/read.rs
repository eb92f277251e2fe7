//! Texts to times.
//!
//! White space around the text is passed over, and white space in the format stands for any run of it. A
//! number has as many digits as its directive at most, and may have fewer. What the format does not say is
//! that of 1900-01-01 00:00:00.

use std::fmt;

use super::{DAYS, DayBy, Directive, MONTHS, Step, TimeFormat};
use crate::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, days_of, month_length, start_of_iso_year, weekday,
};

/// Where a text and a format part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The byte of the text, in `0..=len`.
    pub at: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// Why a text does not fit a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The text is not what the format has there.
    Text,
    /// It is not what the directive reads; what that is.
    Directive(&'static str),
    /// The text goes on where the format ends.
    Rest,
    /// Each part is right, and together they are no day.
    NoSuchDay,
    /// An hour past 12 with AM or PM.
    NoSuchHour,
    /// The time is beyond those of a `TIMESTAMP`.
    Range,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.at + 1;
        match self.reason {
            Reason::Text => write!(f, "another text is due at byte {place}"),
            Reason::Directive(expected) => write!(f, "{expected} is due at byte {place}"),
            Reason::Rest => write!(f, "it goes on at byte {place}, where the format ends"),
            Reason::NoSuchDay => f.write_str("there is no such day"),
            Reason::NoSuchHour => f.write_str("an hour past 12 has no AM or PM"),
            Reason::Range => f.write_str("out of the range of TIMESTAMP"),
        }
    }
}

impl TimeFormat {
    /// Reads a time: microseconds since the epoch, UTC. O(bytes), without allocation.
    ///
    /// # Errors
    /// [`Misfit`], where the text is not of this format.
    pub fn read(&self, text: &[u8]) -> Result<i64, Misfit> {
        let fields = self.fields(text)?;
        fields.micros(self.day).map_err(|reason| Misfit { at: 0, reason })
    }

    /// The same, and whether the text has digits below the microsecond that are not zero.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_noting_cut(&self, text: &[u8]) -> Result<(i64, bool), Misfit> {
        let fields = self.fields(text)?;
        let micros = fields.micros(self.day).map_err(|reason| Misfit { at: 0, reason })?;
        Ok((micros, fields.is_cut))
    }

    fn fields(&self, text: &[u8]) -> Result<Fields, Misfit> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.skip_space();
        let mut fields = Fields::default();
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Text(expected) => {
                    if !cursor.skip(expected.as_bytes()) {
                        return Err(Misfit { at: cursor.at, reason: Reason::Text });
                    }
                }
                Step::Space(_) => {
                    let is_edge = index == 0 || index + 1 == self.steps.len();
                    if !cursor.skip_space() && !is_edge {
                        return Err(Misfit { at: cursor.at, reason: Reason::Text });
                    }
                }
                Step::Directive { directive, .. } => {
                    let at = cursor.at;
                    if cursor.directive(*directive, &mut fields).is_none() {
                        let reason = Reason::Directive(expected_by(*directive));
                        return Err(Misfit { at, reason });
                    }
                }
            }
        }
        cursor.skip_space();
        if cursor.at < text.len() {
            return Err(Misfit { at: cursor.at, reason: Reason::Rest });
        }
        Ok(fields)
    }
}

/// What a directive reads, for messages.
fn expected_by(directive: Directive) -> &'static str {
    use Directive as D;
    match directive {
        D::Year => "a year of up to four digits (%Y)",
        D::YearOfCentury => "a year of two digits (%y)",
        D::Month => "a month from 1 to 12 (%m)",
        D::MonthName => "the name of a month (%B)",
        D::MonthShort => "a month such as Jan (%b)",
        D::Day => "a day from 1 to 31 (%d)",
        D::DayOfYear => "a day of the year (%j)",
        D::Hour => "an hour from 0 to 23 (%H)",
        D::Hour12 => "an hour from 1 to 12 (%I)",
        D::HalfDay => "AM or PM (%p)",
        D::Minute => "a minute (%M)",
        D::Second => "a second (%S)",
        D::Millisecond => "a fraction of up to 3 digits (%g)",
        D::Microsecond => "a fraction of up to 6 digits (%f)",
        D::Nanosecond => "a fraction of up to 9 digits (%n)",
        D::WeekdayName => "the name of a weekday (%A)",
        D::WeekdayShort => "a weekday such as Mon (%a)",
        D::WeekdayFromSunday => "a weekday from 0 to 6 (%w)",
        D::WeekdayFromMonday => "a weekday from 1 to 7 (%u)",
        D::WeekFromSunday => "a week from 0 to 53 (%U)",
        D::WeekFromMonday => "a week from 0 to 53 (%W)",
        D::IsoYear => "a year of up to four digits (%G)",
        D::IsoWeek => "a week from 1 to 53 (%V)",
        D::Epoch => "seconds since 1970 (%s)",
        D::Offset => "an offset such as +02:00 (%z)",
        D::Zone => "UTC, GMT or Z (%Z; other zones are not known)",
    }
}

/// What was read so far.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    of_year: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Of the second.
    micros: i64,
    /// Whether there are digits below.
    is_cut: bool,
    is_afternoon: Option<bool>,
    iso_year: i64,
    week: i64,
    week_begins_on_monday: bool,
    /// Monday is 0.
    weekday: Option<i64>,
    epoch: Option<i64>,
    /// Whether the seconds of the epoch have a minus, which goes for their fraction, too.
    is_before_epoch: bool,
    /// Seconds ahead of UTC.
    offset: i64,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            year: 1900,
            month: 1,
            day: 1,
            of_year: 1,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
            is_cut: false,
            is_afternoon: None,
            iso_year: 1900,
            week: 1,
            week_begins_on_monday: false,
            weekday: None,
            epoch: None,
            is_before_epoch: false,
            offset: 0,
        }
    }
}

impl Fields {
    /// Microseconds since the epoch, UTC.
    fn micros(&self, day: DayBy) -> Result<i64, Reason> {
        if let Some(seconds) = self.epoch {
            let micros = if self.is_before_epoch { -self.micros } else { self.micros };
            let whole = seconds.checked_mul(MICROS_PER_SECOND).ok_or(Reason::Range)?;
            return whole.checked_add(micros).ok_or(Reason::Range);
        }
        let days = self.days(day).ok_or(Reason::NoSuchDay)?;
        let hour = match self.is_afternoon {
            None => self.hour,
            Some(_) if self.hour > 12 => return Err(Reason::NoSuchHour),
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
        };
        let seconds = hour * 3600 + self.minute * 60 + self.second - self.offset;
        // Years have four digits: all of this is far within the range.
        Ok(days * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + self.micros)
    }

    /// Days since the epoch.
    fn days(&self, day: DayBy) -> Option<i64> {
        let new_year = days_of(self.year, 1, 1);
        match day {
            DayBy::Month => (self.day <= month_length(self.year, self.month))
                .then(|| days_of(self.year, self.month, self.day)),
            DayBy::Year => {
                let length = days_of(self.year + 1, 1, 1) - new_year;
                (self.of_year <= length).then_some(new_year + self.of_year - 1)
            }
            // The first day of week 1 is the first Monday or Sunday of the year.
            DayBy::Week => {
                let (since_monday, first) = (self.weekday.unwrap_or(0), -weekday(new_year));
                if self.week_begins_on_monday {
                    let first = new_year + first.rem_euclid(7);
                    return Some(first + (self.week - 1) * 7 + since_monday);
                }
                let since_sunday = self.weekday.map_or(0, |weekday| (weekday + 1) % 7);
                let first = new_year + (first + 6).rem_euclid(7);
                Some(first + (self.week - 1) * 7 + since_sunday)
            }
            DayBy::IsoWeek => {
                let start = start_of_iso_year(self.iso_year) + (self.week - 1) * 7;
                (start < start_of_iso_year(self.iso_year + 1))
                    .then_some(start + self.weekday.unwrap_or(0))
            }
        }
    }
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// Whether there was any.
    fn skip_space(&mut self) -> bool {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += count;
        count > 0
    }

    fn skip(&mut self, expected: &[u8]) -> bool {
        let is_next = self.rest().starts_with(expected);
        self.at += if is_next { expected.len() } else { 0 };
        is_next
    }

    fn skip_in_any_case(&mut self, expected: &str) -> bool {
        let next = self.rest().get(..expected.len());
        let is_next = next.is_some_and(|next| next.eq_ignore_ascii_case(expected.as_bytes()));
        self.at += if is_next { expected.len() } else { 0 };
        is_next
    }

    /// A number of one to so many digits (18 at most), and how many there are.
    fn digits(&mut self, most: usize) -> Option<(i64, usize)> {
        let digits = self.rest().iter().take(most).take_while(|byte| byte.is_ascii_digit());
        let (value, count) = digits.fold((0, 0), |(value, count), digit| {
            (value * 10 + i64::from(digit - b'0'), count + 1)
        });
        self.at += count;
        (count > 0).then_some((value, count))
    }

    fn number(&mut self, most: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let (value, _) = self.digits(most)?;
        range.contains(&value).then_some(value)
    }

    /// A fraction of a second in so many digits at most, as nanoseconds.
    fn nanos(&mut self, most: usize) -> Option<i64> {
        const NANO_DIGITS: usize = 9;
        let (value, count) = self.digits(most)?;
        let missing = u32::try_from(NANO_DIGITS - count).ok()?;
        Some(value * 10_i64.pow(missing))
    }

    /// Which of these names follows.
    fn name(&mut self, names: &[&str], length: usize) -> Option<i64> {
        let at = names.iter().position(|name| {
            let name = &name[..length.min(name.len())];
            self.skip_in_any_case(name)
        });
        i64::try_from(at?).ok()
    }

    /// `None` where it does not follow.
    fn directive(&mut self, directive: Directive, fields: &mut Fields) -> Option<()> {
        use Directive as D;
        match directive {
            D::Year => fields.year = self.number(4, 0..=9999)?,
            D::YearOfCentury => {
                let year = self.number(2, 0..=99)?;
                fields.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            D::Month => fields.month = self.number(2, 1..=12)?,
            D::MonthName => fields.month = 1 + self.name(&MONTHS, usize::MAX)?,
            D::MonthShort => fields.month = 1 + self.name(&MONTHS, 3)?,
            D::Day => fields.day = self.number(2, 1..=31)?,
            D::DayOfYear => fields.of_year = self.number(3, 1..=366)?,
            D::Hour => fields.hour = self.number(2, 0..=23)?,
            D::Hour12 => fields.hour = self.number(2, 1..=12)?,
            D::Minute => fields.minute = self.number(2, 0..=59)?,
            D::Second => fields.second = self.number(2, 0..=59)?,
            D::Millisecond => fields.micros = self.nanos(3)? / 1000,
            D::Microsecond => fields.micros = self.nanos(6)? / 1000,
            D::Nanosecond => {
                let nanos = self.nanos(9)?;
                fields.micros = nanos / 1000;
                fields.is_cut = nanos % 1000 != 0;
            }
            D::WeekdayName => fields.weekday = Some(self.name(&DAYS, usize::MAX)?),
            D::WeekdayShort => fields.weekday = Some(self.name(&DAYS, 3)?),
            D::WeekdayFromSunday => fields.weekday = Some((self.number(1, 0..=6)? + 6) % 7),
            D::WeekdayFromMonday => fields.weekday = Some(self.number(1, 1..=7)? - 1),
            D::WeekFromSunday | D::WeekFromMonday => {
                fields.week = self.number(2, 0..=53)?;
                fields.week_begins_on_monday = directive == D::WeekFromMonday;
            }
            D::IsoYear => fields.iso_year = self.number(4, 0..=9999)?,
            D::IsoWeek => fields.week = self.number(2, 1..=53)?,
            D::HalfDay => {
                let is_afternoon = self.skip_in_any_case("PM");
                if !is_afternoon && !self.skip_in_any_case("AM") {
                    return None;
                }
                fields.is_afternoon = Some(is_afternoon);
            }
            D::Epoch => {
                fields.is_before_epoch = self.skip(b"-");
                let (seconds, _) = self.digits(18)?;
                fields.epoch = Some(if fields.is_before_epoch { -seconds } else { seconds });
            }
            D::Offset => fields.offset = self.offset()?,
            D::Zone => {
                let is_known = ["UTC", "GMT", "Z"].iter().any(|zone| self.skip_in_any_case(zone));
                return is_known.then_some(());
            }
        }
        Some(())
    }

    /// `±HH[[:]MM]`, `±HH:MM:SS` or `Z`, as seconds ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.skip_in_any_case("Z") {
            return Some(0);
        }
        let sign = if self.skip(b"+") {
            1
        } else if self.skip(b"-") {
            -1
        } else {
            return None;
        };
        let two = |cursor: &mut Self, most: i64| {
            let (value, count) = cursor.digits(2)?;
            (count == 2 && value <= most).then_some(value)
        };
        let hours = two(self, 23)?;
        let (mut minutes, mut seconds) = (0, 0);
        let has_colon = self.skip(b":");
        if has_colon || self.rest().first().is_some_and(u8::is_ascii_digit) {
            minutes = two(self, 59)?;
            if has_colon && self.skip(b":") {
                seconds = two(self, 59)?;
            }
        }
        Some(sign * (hours * 3600 + minutes * 60 + seconds))
    }
}
