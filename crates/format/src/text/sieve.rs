//! The filter of a decoder of text, and the columns that it reads.
//!
//! A chunk of records goes through it before the other columns: its own are converted, the filter says which
//! rows stay, and what has been converted of these is appended to the columns of the batch.

use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_buffer::Buffer;
use tidemill_record::Columns;
use tidemill_record::recycled::{Room, no_bytes};

use super::cells::Chunk;
use super::column::TextColumn;
use super::fields::Records;
use super::misfit::Misfit;
use crate::row_filter::{Filtered, Judgement, RowFilter};

/// What a chunk goes through.
pub(crate) struct Sieve {
    // Fixed at construction.
    filter: Box<dyn RowFilter>,
    /// Which of the batch's columns it reads, ascending.
    columns: Vec<usize>,
    /// The other ones.
    others: Vec<usize>,
    // Changes with every chunk.
    /// The values of its columns.
    values: Vec<TextColumn>,
    arrays: Columns,
    /// Rows that are bad, in any order.
    bad: Vec<usize>,
    /// Rows that stay, ascending.
    kept: Vec<u32>,
    /// Offsets of those that do not.
    rejected: Room<u64>,
    is_in_doubt: bool,
}

impl Sieve {
    /// `values` are columns like those of the batch that the filter reads.
    pub(crate) fn new(
        filter: Box<dyn RowFilter>,
        columns: &[usize],
        column_count: usize,
        values: Vec<TextColumn>,
    ) -> Self {
        Self {
            filter,
            columns: columns.to_vec(),
            others: (0..column_count).filter(|column| !columns.contains(column)).collect(),
            values,
            arrays: Columns::new(),
            bad: Vec::new(),
            kept: Vec::new(),
            rejected: Room::default(),
            is_in_doubt: false,
        }
    }

    /// The columns that the filter does not read.
    pub(crate) fn others(&self) -> &[usize] {
        &self.others
    }

    /// The columns that it does, with their places in the batch.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = (usize, &mut TextColumn)> {
        self.columns.iter().copied().zip(&mut self.values)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &TextColumn> {
        self.values.iter()
    }

    /// Says that a row of the chunk is bad.
    pub(crate) fn note_bad(&mut self, row: usize) {
        self.bad.push(row);
    }

    /// Converts the columns that the filter reads. What does not fit is given to `note`, with the place of
    /// its column.
    pub(crate) fn convert<R: Records>(
        &mut self,
        records: R,
        frame: &[u8],
        side: &[u8],
        mut note: impl FnMut(usize, &mut TextColumn, Misfit),
    ) {
        let mut misfits = Vec::new();
        for (&place, column) in self.columns.iter().zip(&mut self.values) {
            let chunk = Chunk { fields: records.fields(place), frame, side };
            column.append(&chunk, &mut misfits);
            for misfit in misfits.drain(..) {
                self.bad.push(misfit.row);
                note(place, column, misfit);
            }
        }
    }

    /// Sees which rows of a chunk of records at these offsets stay: all that are not bad and that the filter
    /// keeps. Whether those are all there are.
    pub(crate) fn judge(
        &mut self,
        frame: &Buffer,
        side: &[u8],
        offsets: impl ExactSizeIterator<Item = u64>,
    ) -> bool {
        let row_count = offsets.len();
        for row in &self.bad {
            self.values.iter_mut().for_each(|column| column.blank(*row));
        }
        // Texts that were unescaped are still being gathered.
        let side = match side.is_empty() || !self.values.iter().any(TextColumn::points_outside) {
            true => no_bytes(),
            false => Buffer::from(side),
        };
        self.arrays.clear();
        self.arrays.extend(self.values.iter_mut().map(|column| column.finish(frame, &side)));
        let Judgement { mut kept, is_in_doubt } = self.filter.judge(&self.arrays, row_count);
        assert_eq!(kept.len(), row_count, "one bit a row");
        self.is_in_doubt |= is_in_doubt;
        self.kept.clear();
        if kept.count_set_bits() == row_count && self.bad.is_empty() {
            self.kept.extend((0..row_count).map(number));
            return true;
        }
        self.rejected.reserve(row_count);
        if !self.bad.is_empty() {
            // They are neither kept nor left out.
            let mut is_bad = vec![false; row_count];
            self.bad.drain(..).for_each(|row| is_bad[row] = true);
            let rejected =
                offsets.enumerate().filter(|(row, _)| !is_bad[*row] && !kept.value(*row));
            rejected.for_each(|(_, offset)| self.rejected.push(offset));
            kept = (0..row_count).map(|row| kept.value(row) && !is_bad[row]).collect();
        } else {
            let left_out = offsets.enumerate().filter(|(row, _)| !kept.value(*row));
            left_out.for_each(|(_, offset)| self.rejected.push(offset));
        }
        self.kept.extend(kept.set_indices().map(number));
        false
    }

    /// The rows of the chunk that stay, ascending.
    pub(crate) fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Appends what has been converted of the rows that stay to the columns of the batch; the chunk is behind.
    pub(crate) fn append_to(&mut self, columns: &mut [TextColumn]) {
        for (&place, array) in self.columns.iter().zip(&self.arrays) {
            columns[place].append_rows(array, &self.kept);
        }
        self.arrays.clear();
    }

    /// As [`crate::Decoder::take_filtered`].
    pub(crate) fn take_filtered(&mut self) -> Filtered {
        let rejected: UInt64Array = self.rejected.finish::<UInt64Type>(None).as_primitive().clone();
        Filtered { rejected, is_in_doubt: std::mem::take(&mut self.is_in_doubt) }
    }
}

fn number(row: usize) -> u32 {
    u32::try_from(row).expect("a chunk has some hundred rows")
}
