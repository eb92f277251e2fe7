//! Numbers, of which the rows of a query without any other input are computed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, UInt64Array};
use tidemill_plan::SequenceSource;
use tidemill_record::{Batch, Columns, Image, Polled};
use tidemill_rt::Wake;

use crate::column_reader::{export_position, import_position};
use crate::pace::{Pace, elapsed_before};
use crate::{ColumnReader, SourceError};

/// Gives the numbers of a [`SequenceSource`].
#[derive(Debug)]
pub struct SequenceReader {
    // Fixed at construction.
    source: SequenceSource,
    /// How often the column is asked for: 0 or 1.
    column_count: usize,
    row_count: u64,
    pace: Option<Pace>,
    // Changes with every batch.
    /// When the first batch was asked for.
    started: Option<Instant>,
    /// How long it had been reading before a cut, by the rows that were due.
    elapsed_before: Duration,
    position: u64,
}

impl SequenceReader {
    /// Makes a reader that gives the column, or rows without any.
    #[must_use]
    pub fn new(source: SequenceSource, column_count: usize) -> Self {
        let step = source.step.unsigned_abs().max(1);
        // Without an end there are as many as fit; nobody waits for the last.
        let room = match source.step < 0 {
            true => source.first.abs_diff(i64::MIN),
            false => source.first.abs_diff(i64::MAX),
        };
        let fitting = (room / step).saturating_add(1);
        Self {
            source,
            column_count,
            row_count: source.rows.unwrap_or(fitting).min(fitting),
            pace: source.rate.map(|rate| Pace::new(rate.max(1), 0, 1)),
            started: None,
            elapsed_before: Duration::ZERO,
            position: 0,
        }
    }

    /// How many rows are due by now, those given included.
    fn due_rows(&mut self) -> u64 {
        let Some(pace) = &self.pace else { return u64::MAX };
        let started = *self.started.get_or_insert_with(tidemill_rt::now);
        pace.due_rows(tidemill_rt::elapsed(started).saturating_add(self.elapsed_before))
    }
}

impl ColumnReader for SequenceReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError> {
        if self.position == self.row_count {
            return Ok(Polled::Ended);
        }
        let due = self.due_rows().min(self.row_count).saturating_sub(self.position);
        let count = usize::try_from(due).unwrap_or(usize::MAX).min(rows_max.max(1));
        if count == 0 {
            return Ok(Polled::NotReady);
        }
        let end = self.position + u64::try_from(count).expect("a usize fits u64");
        let rows = self.position..end;
        let SequenceSource { first, step, .. } = self.source;
        // The last one fits, so that none before it wraps for good.
        let number = |row: u64| first.wrapping_add(row.cast_signed().wrapping_mul(step));
        let column =
            || -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.clone().map(number))) };
        let columns: Columns = (0..self.column_count).map(|_| column()).collect();
        self.position = end;
        Ok(Polled::Ready(Batch::new(columns, UInt64Array::from_iter_values(rows.clone()))))
    }

    fn export(&self) -> Result<Option<Image>, SourceError> {
        Ok(Some(export_position(self.position)))
    }

    fn import(&mut self, image: Image) -> Result<(), SourceError> {
        self.position = import_position(image, self.row_count, "a sequence of numbers")?;
        self.elapsed_before = elapsed_before(self.pace.as_ref(), self.position);
        Ok(())
    }
    fn wake(&self) -> Wake<'static> {
        match (&self.pace, self.started) {
            (Some(pace), Some(started)) => {
                let after = pace.due_after(self.position).saturating_sub(self.elapsed_before);
                Wake::at(started.checked_add(after))
            }
            _ => Wake::NOW,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    fn numbers(first: i64, step: i64, rows: u64) -> Vec<i64> {
        let source = SequenceSource { first, step, rows: Some(rows), rate: None };
        let mut reader = SequenceReader::new(source, 1);
        let mut numbers = Vec::new();
        while let Polled::Ready(batch) = reader.next_batch(2).expect("numbers do not fail") {
            numbers.extend_from_slice(batch.columns()[0].as_primitive::<Int64Type>().values());
        }
        numbers
    }

    #[test]
    fn numbers_go_by_steps_to_the_ends_of_their_type() {
        assert_eq!(numbers(1, 1, 5), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(7, -3, 4), [7, 4, 1, -2]);
        assert_eq!(numbers(i64::MIN, i64::MAX, 3), [i64::MIN, -1, i64::MAX - 1]);
        assert_eq!(numbers(i64::MAX - 1, 1, 2), [i64::MAX - 1, i64::MAX]);
        assert_eq!(numbers(i64::MAX, i64::MIN, 2), [i64::MAX, -1]);
        assert_eq!(numbers(3, 1, 0), [0; 0]);
    }
}
