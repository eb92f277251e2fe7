//! Rows that are kept to be put in order: what `ORDER BY` and the first rows of each partition share.

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_select::interleave::interleave;
use tidemill_plan::SortKey;
use tidemill_record::{Batch, Columns, DataType};

use crate::AggregateError;
use crate::compact::{batch_bytes, copy_rows, join_copies, own_views};
use crate::sort_order::{Code, KeyColumns, refine, stand_in_codes};

mod image;

pub(crate) use image::{PART_ROWS, put_parts, take_parts};

/// Small batches are joined until they have this many rows.
pub(crate) const JOIN_ROWS: usize = 1 << 16;
/// Or this many bytes: while they are joined, they are there twice.
const JOIN_BYTES: u64 = 2 << 20;

/// Batches that are about as long as each other are joined at once up to this many rows: of input that
/// comes a few rows at a time there are never many, and all of them are looked at when rows are gathered.
const PAIR_ROWS: usize = 1 << 12;

/// Copies of rows, numbered in order of arrival.
pub(crate) struct RowStore {
    input_types: Vec<DataType>,
    /// Copies that hold no input buffers; from `joined_count` on, small ones.
    batches: Vec<Batch>,
    joined_count: usize,
    /// Rows and bytes of the small ones.
    small_rows: usize,
    small_bytes: u64,
    row_count: usize,
    state_bytes: u64,
    /// Rows that were copied to join batches.
    copied_rows: u64,
}

impl RowStore {
    /// No rows of these types yet.
    pub(crate) fn new(input_types: Vec<DataType>) -> Self {
        Self {
            input_types,
            batches: Vec::new(),
            joined_count: 0,
            small_rows: 0,
            small_bytes: 0,
            row_count: 0,
            state_bytes: 0,
            copied_rows: 0,
        }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// Bytes that so many of the rows take, on average.
    pub(crate) fn bytes_of(&self, row_count: usize) -> u64 {
        let average = self.state_bytes / (self.row_count.max(1) as u64) + 1;
        average.saturating_mul(row_count as u64)
    }

    /// Keeps copies of some rows of a batch.
    pub(crate) fn push_rows(&mut self, batch: &Batch, rows: Vec<u32>) {
        self.push(copy_rows(batch, &rows));
    }

    /// Keeps a batch that holds no input buffers. O(1), and a copy of each row, amortized.
    pub(crate) fn push(&mut self, batch: Batch) {
        let bytes = batch_bytes(&batch);
        self.row_count += batch.row_count();
        self.small_rows += batch.row_count();
        self.small_bytes += bytes;
        self.state_bytes += bytes;
        self.batches.push(batch);
        if self.small_rows >= JOIN_ROWS || self.small_bytes >= JOIN_BYTES {
            if self.batches.len() - self.joined_count > 1 {
                self.join_from(self.joined_count);
            }
            self.joined_count = self.batches.len();
            (self.small_rows, self.small_bytes) = (0, 0);
            return;
        }
        while let [.., before, last] = &self.batches[self.joined_count..] {
            let (before_rows, last_rows) = (before.row_count(), last.row_count());
            if before_rows > 2 * last_rows || before_rows + last_rows > PAIR_ROWS {
                break;
            }
            self.join_from(self.batches.len() - 2);
        }
    }

    /// Makes one of the small batches from this one on.
    fn join_from(&mut self, first: usize) {
        debug_assert!(first >= self.joined_count, "only small ones are joined");
        let parts: Vec<Batch> = self.batches.drain(first..).collect();
        let joined = join_copies(&parts);
        let before: u64 = parts.iter().map(batch_bytes).sum();
        let after: u64 = joined.iter().map(batch_bytes).sum();
        self.state_bytes = self.state_bytes - before + after;
        self.small_bytes = self.small_bytes - before + after;
        self.copied_rows += parts.iter().map(|batch| batch.row_count() as u64).sum::<u64>();
        self.batches.extend(joined);
    }

    /// Keeps only these rows, in this order, as those that arrived.
    pub(crate) fn keep(&mut self, rows: &[u32]) {
        let kept = if rows.is_empty() { None } else { Some(self.gather_copies(rows)) };
        self.row_count = rows.len();
        self.state_bytes = kept.iter().map(batch_bytes).sum();
        self.batches = kept.into_iter().collect();
        self.joined_count = self.batches.len();
        (self.small_rows, self.small_bytes) = (0, 0);
    }

    /// The rows' types.
    pub(crate) fn types(&self) -> &[DataType] {
        &self.input_types
    }

    pub(crate) fn into_batches(self) -> Vec<Batch> {
        self.batches
    }

    /// Bytes that it takes to put the rows in order: what each is compared by, and as much again while it works.
    pub(crate) fn order_bytes(&self) -> u64 {
        (2 * self.row_count * size_of::<Code>()) as u64
    }

    /// What rows are compared by, of those from this number on, which is where a batch begins.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`] for a key without an order.
    pub(crate) fn codes(
        &self,
        keys: &[SortKey],
        groups: Option<&[u32]>,
        from: usize,
    ) -> Result<Vec<Code>, AggregateError> {
        let mut codes = Vec::with_capacity(self.row_count - from);
        let mut start = 0;
        for batch in &self.batches {
            let row_count = batch.row_count();
            if start >= from {
                let columns = key_columns(batch, &self.input_types, keys)?;
                let first = u32::try_from(start).map_err(|_| AggregateError::TooManyRows)?;
                let groups = groups.map(|groups| &groups[start..start + row_count]);
                columns.codes(first, row_count, groups, &mut codes);
            }
            start += row_count;
        }
        Ok(codes)
    }

    /// The same of one row.
    ///
    /// # Errors
    /// As [`Self::codes`].
    pub(crate) fn code(&self, keys: &[SortKey], row: u32) -> Result<Code, AggregateError> {
        let (batch, at) = self.places().locate(row);
        let row = self.batches[batch].slice(at, 1);
        let mut codes = Vec::with_capacity(1);
        key_columns(&row, &self.input_types, keys)?.codes(0, 1, None, &mut codes);
        Ok(codes[0])
    }

    /// Puts rows whose codes are in order, and equal in their bytes, in order by what does not stand in them.
    ///
    /// # Errors
    /// As [`Self::codes`].
    pub(crate) fn refine(
        &self,
        keys: &[SortKey],
        codes: &mut [Code],
        group_bytes: usize,
    ) -> Result<(), AggregateError> {
        if stand_in_codes(&self.input_types, keys, group_bytes) {
            return Ok(());
        }
        let columns = self.batches.iter().map(|batch| key_columns(batch, &self.input_types, keys));
        let columns: Vec<KeyColumns> = columns.collect::<Result<_, _>>()?;
        let places = self.places();
        refine(codes, &columns, |row| places.locate(row), group_bytes);
        Ok(())
    }

    /// Every row's number, by group, then by the keys, then by arrival.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`] for a key without an order.
    pub(crate) fn order(
        &self,
        keys: &[SortKey],
        groups: &[u32],
    ) -> Result<Vec<Code>, AggregateError> {
        let mut codes = self.codes(keys, Some(groups), 0)?;
        codes.sort_unstable();
        self.refine(keys, &mut codes, size_of::<u32>())?;
        Ok(codes)
    }

    /// These rows, in this order.
    pub(crate) fn gather(&self, rows: &[u32]) -> Batch {
        self.gather_with(rows, |column| column)
    }

    /// The same with buffers of their own; one column at a time is there twice.
    fn gather_copies(&self, rows: &[u32]) -> Batch {
        self.gather_with(rows, |column| own_views(&column))
    }

    fn gather_with(&self, rows: &[u32], then: impl Fn(ArrayRef) -> ArrayRef) -> Batch {
        let locator = self.places();
        let places: Vec<(usize, usize)> = rows.iter().map(|&row| locator.locate(row)).collect();
        let column_count = self.batches.first().map_or(0, |batch| batch.columns().len());
        let columns = (0..column_count).map(|at| {
            let arrays: Vec<&dyn Array> =
                self.batches.iter().map(|batch| &**batch.column(at)).collect();
            then(interleave(&arrays, &places).expect("places are within the batches"))
        });
        let offsets = places.iter().map(|&(batch, row)| self.batches[batch].offsets().value(row));
        Batch::new(columns.collect::<Columns>(), UInt64Array::from(offsets.collect::<Vec<u64>>()))
    }

    fn places(&self) -> Places {
        Places::new(self.batches.iter().map(Batch::row_count))
    }

    /// Whether the rows are too many, or what is held with them is too large.
    pub(crate) fn check_budget(
        &self,
        budget_bytes: u64,
        state_bytes: u64,
    ) -> Result<(), AggregateError> {
        if u32::try_from(self.row_count).is_err() {
            return Err(AggregateError::TooManyRows);
        }
        if state_bytes > budget_bytes {
            let row_count = self.row_count;
            return Err(AggregateError::RowBudgetExceeded { state_bytes, budget_bytes, row_count });
        }
        Ok(())
    }
}

/// What rows of a batch are compared by.
///
/// # Errors
/// [`AggregateError::Unsupported`] for a key without an order.
pub(crate) fn key_columns(
    batch: &Batch,
    types: &[DataType],
    keys: &[SortKey],
) -> Result<KeyColumns, AggregateError> {
    KeyColumns::new(batch, types, keys).map_err(|at| {
        let data_type = types[keys[at].column].clone();
        AggregateError::Unsupported { what: "ORDER BY".to_owned(), data_type }
    })
}

/// Finds the batch of a row.
struct Places {
    /// Number of the first row after each batch, ascending.
    ends: Vec<u32>,
    /// For each so many rows, the batch of the first of them.
    starts: Vec<u32>,
}

impl Places {
    /// Rows that have an entry in `starts`, as bits of their numbers. Most batches have more.
    const STRETCH_BITS: u32 = 12;

    /// Of batches of so many rows, less than 2^32 together.
    fn new(row_counts: impl Iterator<Item = usize>) -> Self {
        let (mut places, mut end) = (Self { ends: Vec::new(), starts: Vec::new() }, 0);
        for (batch, row_count) in (0..).zip(row_counts) {
            end += row_count;
            places.ends.push(u32::try_from(end).expect("rows are fewer"));
            places.starts.resize(end.div_ceil(1 << Self::STRETCH_BITS), batch);
        }
        places
    }

    #[inline]
    fn locate(&self, row: u32) -> (usize, usize) {
        let mut batch = self.starts[(row >> Self::STRETCH_BITS) as usize] as usize;
        while self.ends[batch] <= row {
            batch += 1;
        }
        let start = if batch == 0 { 0 } else { self.ends[batch - 1] };
        (batch, (row - start) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn rows_that_come_one_by_one_are_joined_a_few_times_and_leave_few_batches() {
        let copied = |count: u64| {
            let mut rows = RowStore::new(vec![DataType::BigInt]);
            for row in 0..count {
                let values: ArrayRef = Arc::new(Int64Array::from(vec![7]));
                rows.push(Batch::new(vec![values], UInt64Array::from(vec![row])));
                assert!(rows.batches.len() < 40, "{} batches of {row} rows", rows.batches.len());
            }
            let offsets = rows.gather(&(0..).take(rows.row_count()).collect::<Vec<u32>>());
            assert!(offsets.offsets().values().iter().copied().eq(0..count), "all, in order");
            let bytes: u64 = rows.batches.iter().map(batch_bytes).sum();
            assert_eq!(rows.state_bytes(), bytes);
            rows.copied_rows
        };
        let (few, many) = (copied(10_000), copied(100_000));
        assert!(few > 0 && many <= 13 * few, "{few}, then {many}");
    }

    #[test]
    fn rows_are_found_in_batches_of_any_size() {
        let counts = [0, 1, 4095, 4096, 4097, 1, 1, 0, 20_000, 3, 0, 8192, 0];
        let places = Places::new(counts.into_iter());
        let expected = counts
            .iter()
            .enumerate()
            .flat_map(|(batch, &count)| (0..count).map(move |row| (batch, row)));
        let found = (0..).take(counts.iter().sum()).map(|row| places.locate(row));
        assert!(found.eq(expected));
    }
}
