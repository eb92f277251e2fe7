//! `DATE_FORMAT`: strftime directives over timestamps.
//!
//! The formatter is ours so that every timestamp formats, also those outside the years a calendar
//! library knows, and so that an unknown directive is found when the query is compiled. Names are
//! English; the zone is UTC.

use std::fmt::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use tidemill_record::DataType;

use super::text_output::written;
use super::{Compiled, Problem};
use crate::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, day_of_year, iso_week, split_micros,
    weekday,
};
use crate::node::{Kernel, Node};
use crate::value::{Failure, text_lane};

/// One element of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A directive by its letter; `is_bare` leaves leading zeros out (`%-d`).
    Directive {
        letter: char,
        is_bare: bool,
    },
}

const DIRECTIVES: &str = "aAwudbBhmyYGHIpMSfgnjUWVzZcxXFTs";
const BARE_DIRECTIVES: &str = "dmyHIMSj";

fn parse(format: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let (is_bare, letter) = match chars.next() {
            Some('-') => (true, chars.next()),
            letter => (false, letter),
        };
        let Some(letter) = letter else {
            return Err("a format must not end within a directive".to_owned());
        };
        let known = if is_bare { BARE_DIRECTIVES } else { DIRECTIVES };
        if letter == '%' && !is_bare {
            text.push('%');
        } else if known.contains(letter) {
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Directive { letter, is_bare });
        } else {
            let dash = if is_bare { "-" } else { "" };
            return Err(format!("unknown format directive %{dash}{letter}{}", instead_of(letter)));
        }
    }
    parts.push(Part::Text(text));
    Ok(parts)
}

/// What a directive of MySQL's is called here.
fn instead_of(letter: char) -> &'static str {
    match letter {
        'i' => "; minutes are %M",
        'e' => "; the day without a zero is %-d",
        'k' => "; the hour without a zero is %-H",
        'l' => "; the hour of 12 without a zero is %-I",
        'r' => "; write %I:%M:%S %p",
        'R' => "; write %H:%M",
        'L' => "; milliseconds are %g",
        'N' => "; nanoseconds are %n",
        'D' => "; write %m/%d/%y",
        _ => "",
    }
}

/// `DATE_FORMAT(time, format)`
pub(super) fn date_format(arguments: &[Node]) -> Compiled {
    let [time, format] = arguments else { return Err(Problem::Types) };
    let is_date = match time.data_type() {
        DataType::Date => true,
        DataType::Timestamp => false,
        _ => return Err(Problem::Types),
    };
    if *format.data_type() != DataType::Varchar {
        return Err(Problem::Types);
    }
    let fixed = match format.as_constant().filter(|array| array.is_valid(0)) {
        None => None,
        Some(array) => Some(parse(array.as_string_view().value(0))?),
    };
    let is_fallible = fixed.is_none();
    let kernel = Kernel::partial(move |v, rows| {
        let (array, formats) = (v[0].array(), text_lane(&v[1]));
        written(rows, |row, out| {
            let index = v[0].index_of(row);
            let Some(format) = formats.get(row).filter(|_| array.is_valid(index)) else {
                return Ok(false);
            };
            let (days, of_day) = if is_date {
                (array.as_primitive::<Date32Type>().value(index).into(), 0)
            } else {
                split_micros(array.as_primitive::<TimestampMicrosecondType>().value(index))
            };
            let moment = Moment::new(days, of_day);
            match &fixed {
                Some(parts) => moment.write(parts, out),
                None => moment.write(&parse(format).map_err(Failure::row)?, out),
            }
            Ok(true)
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Varchar))
}

/// A timestamp taken apart.
struct Moment {
    days: i64,
    date: Civil,
    /// Microseconds of the day.
    of_day: i64,
}

impl Moment {
    fn new(days: i64, of_day: i64) -> Self {
        Self { days, date: civil_of(days), of_day }
    }

    fn write(&self, parts: &[Part], out: &mut String) {
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Directive { letter, is_bare } => self.write_directive(*letter, *is_bare, out),
            }
        }
    }

    fn write_directive(&self, letter: char, is_bare: bool, out: &mut String) {
        let seconds = self.of_day / MICROS_PER_SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let micros = self.of_day % MICROS_PER_SECOND;
        let of_year = day_of_year(self.days);
        let mut number = |value: i64, width: usize| {
            let width = if is_bare { 0 } else { width };
            // Writing to a String does not fail.
            let _ = write!(out, "{value:0width$}");
        };
        match letter {
            'w' => number((weekday(self.days) + 1) % 7, 0),
            'u' => number(weekday(self.days) + 1, 0),
            'd' => number(self.date.day, 2),
            'm' => number(self.date.month, 2),
            'y' => number(self.date.year.rem_euclid(100), 2),
            'Y' => number(self.date.year, 4),
            'G' => number(iso_week(self.days).0, 4),
            'V' => number(iso_week(self.days).1, 2),
            'H' => number(hour, 2),
            'I' => number(if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
            'M' => number(minute, 2),
            'S' => number(second, 2),
            'f' => number(micros, 6),
            'g' => number(micros / 1000, 3),
            'n' => number(micros * 1000, 9),
            'j' => number(of_year, 3),
            // Weeks that begin on Sunday, and on Monday; days before the first are in week 0.
            'U' => number((of_year + 6 - (weekday(self.days) + 1) % 7) / 7, 2),
            'W' => number((of_year + 6 - weekday(self.days)) / 7, 2),
            's' => {
                // No timestamp's seconds leave the range, and a date's fit by far.
                number(self.days * (MICROS_PER_DAY / MICROS_PER_SECOND) + seconds, 0);
            }
            _ => self.write_name(letter, out),
        }
    }

    /// Directives that are words or combine others.
    fn write_name(&self, letter: char, out: &mut String) {
        const DAYS: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let day = usize::try_from(weekday(self.days)).map_or("", |index| DAYS[index]);
        let month = usize::try_from(self.date.month - 1).map_or("", |index| MONTHS[index]);
        let combined: &[char] = match letter {
            'a' => return out.push_str(&day[..3]),
            'A' => return out.push_str(day),
            'b' | 'h' => return out.push_str(&month[..3]),
            'B' => return out.push_str(month),
            'p' => {
                let is_morning = self.of_day < MICROS_PER_DAY / 2;
                return out.push_str(if is_morning { "AM" } else { "PM" });
            }
            'z' => return out.push_str("+00"),
            'c' => &['Y', '-', 'm', '-', 'd', ' ', 'H', ':', 'M', ':', 'S'],
            'x' | 'F' => &['Y', '-', 'm', '-', 'd'],
            'X' | 'T' => &['H', ':', 'M', ':', 'S'],
            // `%Z`: timestamps have no zone to name.
            _ => &[],
        };
        for &element in combined {
            if element.is_ascii_alphabetic() {
                self.write_directive(element, false, out);
            } else {
                out.push(element);
            }
        }
    }
}
