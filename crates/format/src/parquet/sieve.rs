//! The filter of a decoder, and what it has made of rows.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, UInt64Array};
use arrow_buffer::BooleanBuffer;
use tidemill_record::Columns;
use tidemill_record::recycled::Room;

use crate::arrow::convert::Fault;
use crate::row_filter::{Filtered, Judgement, RowFilter};

/// A filter of rows.
pub(crate) struct Sieve {
    // Fixed at construction.
    filter: Box<dyn RowFilter>,
    /// Which of the needed columns it reads, ascending.
    columns: Vec<usize>,
    /// The other ones.
    others: Vec<usize>,
    // Changes with every batch.
    /// Offsets of rows that do not stay.
    rejected: Room<u64>,
    is_in_doubt: bool,
}

impl Sieve {
    pub(crate) fn new(filter: Box<dyn RowFilter>, columns: &[usize], column_count: usize) -> Self {
        let others = (0..column_count).filter(|column| !columns.contains(column)).collect();
        let (rejected, is_in_doubt) = (Room::default(), false);
        Self { filter, columns: columns.to_vec(), others, rejected, is_in_doubt }
    }

    /// The columns that the filter reads.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// All columns by place, of those that the filter reads and of the others, each in their order.
    pub(crate) fn in_order(
        &self,
        values: impl IntoIterator<Item = ArrayRef>,
        others: impl IntoIterator<Item = ArrayRef>,
    ) -> Columns {
        let column_count = self.columns.len() + self.others.len();
        let (mut values, mut others) = (values.into_iter(), others.into_iter());
        (0..column_count)
            .filter_map(|place| match self.columns.contains(&place) {
                true => values.next(),
                false => others.next(),
            })
            .collect()
    }

    /// The columns that it does not read.
    pub(crate) fn others(&self) -> &[usize] {
        &self.others
    }

    /// Which rows stay, of `row_count` that begin at this offset: all that are not at fault, and that the filter
    /// keeps by its columns' values.
    pub(crate) fn judge(
        &mut self,
        values: &[ArrayRef],
        faults: &[Fault],
        row_count: usize,
        start: u64,
    ) -> BooleanBuffer {
        let Judgement { mut kept, is_in_doubt } = self.filter.judge(values, row_count);
        assert_eq!(kept.len(), row_count, "one bit a row");
        self.is_in_doubt |= is_in_doubt;
        self.rejected.reserve(row_count);
        if faults.is_empty() {
            match kept.count_set_bits() {
                0 => self.rejected.extend((0..row_count).map(|row| start + row as u64)),
                count if count == row_count => {}
                _ => (!&kept).set_indices().for_each(|row| self.rejected.push(start + row as u64)),
            }
            return kept;
        }
        // They are neither kept nor left out.
        let mut is_bad = vec![false; row_count];
        faults.iter().for_each(|(row, ..)| is_bad[*row] = true);
        let not_kept = !&kept;
        let rejected = not_kept.set_indices().filter(|row| !is_bad[*row]);
        rejected.for_each(|row| self.rejected.push(start + row as u64));
        kept = (0..row_count).map(|row| kept.value(row) && !is_bad[row]).collect();
        kept
    }

    /// As [`crate::Decoder::take_filtered`].
    pub(crate) fn take_filtered(&mut self) -> Filtered {
        let rejected: UInt64Array = self.rejected.finish::<UInt64Type>(None).as_primitive().clone();
        Filtered { rejected, is_in_doubt: std::mem::take(&mut self.is_in_doubt) }
    }
}
