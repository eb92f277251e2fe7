//! Times into text in a form that was asked for.

use std::fmt;

use tidemill_plan::{TimeForm, Times, TimestampUnit};
use tidemill_record::Schema;

use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::time_text;

/// Memory that text is written to.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends a timestamp, in microseconds since the epoch.
pub(crate) fn write_timestamp(micros: i64, form: &TimeForm, out: &mut Vec<u8>) {
    match form {
        TimeForm::Count(unit) => write_count(micros, *unit, out),
        TimeForm::Iso { has_zone } => {
            let start = out.len();
            time_text::write_timestamp(micros, out);
            if let Some(space) = out[start..].iter().position(|&byte| byte == b' ') {
                out[start + space] = b'T';
            }
            out.extend(has_zone.then_some(b'Z'));
        }
        TimeForm::Format(format) => {
            let days = micros.div_euclid(MICROS_PER_DAY);
            format.write(days, micros.rem_euclid(MICROS_PER_DAY), &mut Text(out));
        }
    }
}

/// Appends a date, in days since the epoch.
pub(crate) fn write_date(days: i32, form: &TimeForm, out: &mut Vec<u8>) {
    match form {
        TimeForm::Format(format) => format.write(i64::from(days), 0, &mut Text(out)),
        TimeForm::Count(_) | TimeForm::Iso { .. } => time_text::write_date(i64::from(days), out),
    }
}

/// Whole units since the epoch, rounded down.
fn write_count(micros: i64, unit: TimestampUnit, out: &mut Vec<u8>) {
    let micros = i128::from(micros);
    let count = match unit {
        TimestampUnit::Seconds => micros.div_euclid(i128::from(MICROS_PER_SECOND)),
        TimestampUnit::Milliseconds => micros.div_euclid(1000),
        TimestampUnit::Microseconds => micros,
        TimestampUnit::Nanoseconds => micros * 1000,
    };
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}

/// The form of each column's times.
pub(crate) fn forms(times: &Times, schema: &Schema) -> Vec<Option<TimeForm>> {
    schema.fields.iter().map(|field| times.of(field).cloned()).collect()
}

/// Makes the text from `start` on that of a JSON string: only a format has text that needs an escape.
pub(crate) fn escape_from(start: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for at in (start..out.len()).rev() {
        match out[at] {
            b'"' | b'\\' => out.insert(at, b'\\'),
            byte @ ..0x20 => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                let escape = [b'\\', b'u', b'0', b'0', DIGITS[high], DIGITS[low]];
                out.splice(at..=at, escape);
            }
            _ => {}
        }
    }
}
