//! Cells of dates and timestamps.

#[cfg(target_arch = "x86_64")]
use std::cell::Cell;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use tidemill_plan::{TimeForm, TimestampUnit};

use super::block::{CELL_BYTES, Fill, in_quotes};
#[cfg(target_arch = "x86_64")]
use super::fours;
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::Level;
use crate::text::time::MICROS_PER_SECOND;
use crate::text::time_text::WrittenDay;
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
                let form = Written { quotes, is_iso, zone };
                let mut day = self.block.day;
                match self.level() {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: there is such a value only where the host was found to have all that it takes.
                    Level::Avx2(lanes) => unsafe {
                        self.timestamps_avx2(lanes, values, &mut day, form);
                    },
                    Level::Baseline => {
                        self.each(|cell, row| form.write(&mut day, values[row], cell));
                    }
                }
                self.block.day = day;
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

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn timestamps_avx2(
        &mut self,
        lanes: Avx2,
        values: &[i64],
        day: &mut WrittenDay,
        form: Written,
    ) {
        // A cell, because both ways look at it.
        let known = Cell::new(*day);
        self.each_four(
            |cells, row| {
                let four = values[row..].first_chunk()?;
                let lens = fours::timestamps(lanes, &known.get(), four, form.quotes, cells)?;
                let [first, second, third, fourth] = cells;
                Some([
                    form.finish(lens[0], first),
                    form.finish(lens[1], second),
                    form.finish(lens[2], third),
                    form.finish(lens[3], fourth),
                ])
            },
            |cell, row| {
                let mut day = known.get();
                let len = form.write(&mut day, values[row], cell);
                known.set(day);
                len
            },
        );
        *day = known.get();
    }
}

/// How timestamps are written that are no counts.
#[derive(Clone, Copy)]
struct Written {
    /// 1 if they stand in quotes, else 0.
    quotes: usize,
    /// With a `T` between date and time.
    is_iso: bool,
    /// 1 if a `Z` stands behind them, else 0.
    zone: usize,
}

impl Written {
    /// Writes one at the start of a cell: its length; `None` for a year that has not four digits.
    #[inline(always)]
    fn write(self, day: &mut WrittenDay, value: i64, cell: &mut [u8; CELL_BYTES]) -> Option<usize> {
        let len = day.write(value, &mut cell[self.quotes..])?;
        Some(self.finish(len, cell))
    }

    /// Makes of one that has been written without them what has a `T`, a `Z` and quotes: its length.
    #[inline(always)]
    fn finish(self, len: usize, cell: &mut [u8; CELL_BYTES]) -> usize {
        let text = &mut cell[self.quotes..];
        if self.is_iso {
            text[DATE_BYTES] = b'T';
            text[len] = b'Z';
        }
        in_quotes(len + self.zone, self.quotes, cell)
    }
}
