//! Columns that an input adds to those of its records: what is known of the file, and of a record's place
//! in it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use tidemill_expr::constant_column;
use tidemill_plan::{Format, Scalar};
use tidemill_record::{BadRecord, Batch, Image, ImageError};

use crate::PipelineError;

/// A column that is added.
#[derive(Clone, Debug, PartialEq)]
pub enum AddedColumn {
    /// The same value for every record.
    Value(Scalar),
    /// How many records of the file stand before it.
    Row,
}

/// Adds columns to the batches of one file.
pub(crate) struct Added {
    /// How many columns of records stand before them; columns of text may stand behind.
    place: usize,
    columns: Vec<Column>,
    /// Offsets are numbers of rows.
    are_offsets_rows: bool,
    /// Records so far, where they are not.
    row_count: u64,
}

enum Column {
    /// A value, and a column of it of as many rows as the largest batch so far.
    Value(Scalar, ArrayRef),
    Row,
}

impl Added {
    /// `place` is how many columns of records there are.
    ///
    /// # Errors
    /// A decimal whose precision and scale are out of range.
    pub(crate) fn new(
        added: &[AddedColumn],
        place: usize,
        format: &Format,
    ) -> Result<Self, PipelineError> {
        let column = |added: &AddedColumn| match added {
            AddedColumn::Value(value) => {
                constant_column(value, 0).map(|column| Column::Value(value.clone(), column))
            }
            AddedColumn::Row => Ok(Column::Row),
        };
        let columns = added.iter().map(column).collect::<Result<_, _>>()?;
        let are_offsets_rows = matches!(format, Format::Arrow(_) | Format::Parquet);
        Ok(Self { place, columns, are_offsets_rows, row_count: 0 })
    }

    /// Adds the columns to a batch, with which `bad` were found; `rejected` have been left out of it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn apply(
        &mut self,
        batch: Batch,
        bad: &[BadRecord],
        rejected: &[u64],
    ) -> Result<Batch, PipelineError> {
        if self.columns.is_empty() {
            return Ok(batch);
        }
        let row_count = batch.row_count();
        let (mut columns, offsets) = batch.into_parts();
        for index in 0..self.columns.len() {
            let array: ArrayRef = match &mut self.columns[index] {
                Column::Value(value, column) => {
                    if column.len() < row_count {
                        *column = constant_column(value, row_count)?;
                    }
                    column.slice(0, row_count)
                }
                Column::Row => Arc::new(self.rows(offsets.values(), bad, rejected)),
            };
            columns.insert(self.place + index, array);
        }
        self.row_count += count(row_count + bad.len() + rejected.len());
        Ok(Batch::new(columns, offsets))
    }

    /// Counts records of which none is left.
    pub(crate) fn pass(&mut self, bad: &[BadRecord], rejected_count: usize) {
        self.row_count += count(bad.len() + rejected_count);
    }

    /// How many records there were, where it says so of each.
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_option("row_count", self.are_counted().then_some(self.row_count));
        image
    }

    /// Goes on counting from there.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let row_count: Option<u64> = image.take_option("row_count")?;
        if row_count.is_some() != self.are_counted()
            || row_count.is_some_and(|count| i64::try_from(count).is_err())
        {
            return Err(ImageError::new("row_count", "is not that of these columns"));
        }
        self.row_count = row_count.unwrap_or(0);
        image.end()
    }

    fn are_counted(&self) -> bool {
        let are_rows = |column: &Column| matches!(column, Column::Row);
        !self.are_offsets_rows && self.columns.iter().any(are_rows)
    }

    /// For each record its number in the file; bad ones have theirs, too, and those that were left out.
    fn rows(&self, offsets: &[u64], bad: &[BadRecord], rejected: &[u64]) -> Int64Array {
        if self.are_offsets_rows {
            return offsets.iter().map(|&offset| number(offset)).collect();
        }
        let bad = bad.iter().map(|record| record.offset.0);
        let mut gone: Vec<u64> = bad.chain(rejected.iter().copied()).collect();
        gone.sort_unstable();
        let mut gone = gone.into_iter().peekable();
        let mut next = self.row_count;
        let rows = offsets.iter().map(|&offset| {
            while gone.next_if(|&gone| gone < offset).is_some() {
                next += 1;
            }
            next += 1;
            number(next - 1)
        });
        rows.collect()
    }
}

fn number(row: u64) -> i64 {
    i64::try_from(row).expect("a file has fewer rows than i64::MAX")
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).expect("usize is at most 64 bits")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{StringViewArray, UInt64Array};
    use tidemill_plan::JsonOptions;
    use tidemill_record::Offset;

    use super::*;

    fn bad(offset: u64) -> BadRecord {
        let reason = String::new();
        BadRecord { offset: Offset(offset), field: None, reason, raw: None, place: None }
    }

    fn batch(offsets: &[u64]) -> Batch {
        let texts = StringViewArray::from_iter_values(offsets.iter().map(|_| "x"));
        let texts: ArrayRef = Arc::new(texts);
        Batch::new(vec![Arc::clone(&texts), texts], UInt64Array::from(offsets.to_vec()))
    }

    #[test]
    fn records_are_numbered_with_the_bad_ones_among_them() {
        let columns = [AddedColumn::Row, AddedColumn::Value(Scalar::Integer(7))];
        let format = Format::Json(JsonOptions::default());
        let mut added = Added::new(&columns, 1, &format).unwrap();
        let rows = |batch: &Batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec();
        // Records begin at 0, 10, 20, …; those at 0, 30, 60, 100 are bad, and those at 70, 90, 120 left out.
        let first = added.apply(batch(&[10, 20]), &[bad(30), bad(0)], &[]).unwrap();
        assert_eq!(rows(&first), [1, 2]);
        assert_eq!(first.columns().len(), 4);
        assert_eq!(rows(&added.apply(batch(&[40, 50]), &[], &[]).unwrap()), [4, 5]);
        added.pass(&[bad(60)], 1);
        let last = added.apply(batch(&[80, 110]), &[bad(100)], &[90, 120]).unwrap();
        assert_eq!(rows(&last), [8, 11]);
        assert_eq!(rows(&added.apply(batch(&[130]), &[], &[]).unwrap()), [13]);
        assert_eq!(
            last.column(2).as_primitive::<arrow_array::types::Int32Type>().values(),
            &[7, 7]
        );
    }

    #[test]
    fn an_offset_of_a_columnar_format_is_its_row() {
        let mut added = Added::new(&[AddedColumn::Row], 2, &Format::Parquet).unwrap();
        let numbered = added.apply(batch(&[5, 9]), &[bad(7)], &[8]).unwrap();
        assert_eq!(numbered.column(2).as_primitive::<Int64Type>().values(), &[5, 9]);
    }
}
