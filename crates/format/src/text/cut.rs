//! Timestamps with digits below the microsecond, which no `TIMESTAMP` holds: they are cut, and counted.

use tidemill_plan::TimestampUnit;
use tidemill_record::Offset;

use super::time;
use crate::{LeftOut, Lost};

/// Those of one column.
#[derive(Default)]
pub(super) struct Cuts {
    count: u64,
    /// Row of the first within the chunk that is being read.
    row: Option<usize>,
    /// Where its record begins within the frame.
    place: Option<u32>,
    /// Where it begins in the file.
    first: Option<Offset>,
}

impl Cuts {
    /// Counts some of a chunk, the first of which is in a row that `first_row` finds.
    #[cold]
    pub(super) fn note(&mut self, count: u64, first_row: impl FnOnce() -> Option<usize>) {
        self.count += count;
        if self.place.is_none() && self.row.is_none() {
            self.row = first_row();
            debug_assert!(self.row.is_some(), "one was counted");
        }
    }

    /// After a chunk: takes in where in the frame the record of each row begins.
    pub(super) fn settle(&mut self, place_of: impl Fn(usize) -> u32) {
        if let Some(row) = self.row.take() {
            self.place = Some(place_of(row));
        }
    }

    /// Before the frame is let go, which says at which offset of the file a place in it is.
    pub(super) fn locate(&mut self, offset_at: impl Fn(usize) -> u64) {
        if let (Some(place), None) = (self.place, self.first) {
            self.first = Some(Offset(offset_at(place as usize)));
        }
    }

    /// How many there were, and where the first is; between two calls of the decoder, so that it is located.
    pub(super) fn counted(&self) -> (u64, u64) {
        debug_assert_eq!(self.count > 0, self.first.is_some(), "the first is located");
        (self.count, self.first.map_or(0, |first| first.0))
    }

    /// Goes on counting from there.
    pub(super) fn count_on(&mut self, (count, first): (u64, u64)) {
        let is_any = count > 0;
        *self = Self {
            count,
            row: None,
            place: is_any.then_some(0),
            first: is_any.then_some(Offset(first)),
        };
    }

    /// Those that have been located, of the column of this name.
    pub(super) fn left_out(&self, column: &str) -> Option<LeftOut> {
        let what = || Lost::Digits(column.to_owned());
        self.first.map(|first| LeftOut { what: what(), count: self.count, first })
    }
}

/// Whether a timestamp, in writing or as a count, has digits below the microsecond.
#[inline]
pub(super) fn is_cut(text: &[u8], unit: TimestampUnit) -> bool {
    /// Of a timestamp in writing with six digits of a second; its year has four at least.
    const MICROS_LEN: usize = 26;
    if let Some(is_cut) = time::decimal_has_finer_digits(text, unit) {
        return is_cut;
    }
    if text.len() > MICROS_LEN {
        return time::has_finer_digits(text);
    }
    unit == TimestampUnit::Nanoseconds
        && text.iter().rev().take(3).any(|&digit| digit != b'0')
        && text.strip_prefix(b"-").unwrap_or(text).iter().all(u8::is_ascii_digit)
}
