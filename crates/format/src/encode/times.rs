//! Cells of dates and timestamps.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use tidemill_plan::{TimeForm, TimestampUnit};

use super::block::{Fill, in_quotes};
use crate::text::time::MICROS_PER_SECOND;
use crate::text::{digits, time_text};

/// Bytes of `YYYY-MM-DD`.
const DATE_BYTES: usize = 10;

impl Fill<'_> {
    pub(super) fn dates(&mut self) {
        if let Some(TimeForm::Format(_)) = self.source.form {
            return self.each(|_, _| None);
        }
        let values = self.source.array.as_primitive::<Date32Type>().values();
        let quotes = usize::from(self.source.dialect.is_json());
        self.each(|cell, row| {
            let text = time_text::short_date(values[row].into())?;
            cell[quotes..quotes + text.len()].copy_from_slice(&text);
            Some(in_quotes(text.len(), quotes, cell))
        });
    }

    pub(super) fn timestamps(&mut self) {
        let values = self.source.array.as_primitive::<TimestampMicrosecondType>().values();
        let quotes = usize::from(self.source.dialect.is_json());
        let (is_iso, zone) = match self.source.form {
            Some(TimeForm::Iso { has_zone }) => (true, usize::from(*has_zone)),
            _ => (false, 0),
        };
        match self.source.form {
            None | Some(TimeForm::Iso { .. }) => {
                let mut minute = self.block.minute;
                self.each(|cell, row| {
                    let text = &mut cell[quotes..];
                    let len = minute.write(values[row], text)?;
                    if is_iso {
                        text[DATE_BYTES] = b'T';
                        text[len] = b'Z';
                    }
                    Some(in_quotes(len + zone, quotes, cell))
                });
                self.block.minute = minute;
            }
            Some(TimeForm::Count(unit)) => {
                self.each(|cell, row| {
                    let micros = values[row];
                    let count = match unit {
                        TimestampUnit::Seconds => micros.div_euclid(MICROS_PER_SECOND),
                        TimestampUnit::Milliseconds => micros.div_euclid(1000),
                        TimestampUnit::Microseconds => micros,
                        TimestampUnit::Nanoseconds => micros.checked_mul(1000)?,
                    };
                    Some(digits::write_integer(count, cell))
                });
            }
            Some(TimeForm::Format(_)) => self.each(|_, _| None),
        }
    }
}
