//! `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)` in any order: the first rows of each partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use tidemill_plan::TopNSpec;
use tidemill_record::{Batch, Cause, EventTime};

use crate::intern::Interner;
use crate::row_store::{JOIN_ROWS, RowStore, key_columns};
use crate::sort_order::{bytes_of, row_of};
use crate::{AggregateError, TableBatches};

mod image;

/// Rows that leave at a time while event time passes.
const BATCH_ROWS: usize = 8192;

/// In place of the partition of a row that has left with its window.
const GONE: u32 = u32::MAX;

/// Rows that may be gone before their memory is given back.
const GONE_MIN: usize = 1024;

/// The rows of every partition that may be among its first.
///
/// Rows equal in all keys keep their order. Of a partition no more than the first `keep` rows are held,
/// and as many again of all partitions together (at least 65536). Where partitions belong to windows,
/// they leave as event time passes the window's end.
///
/// Invariant: `groups` has the number of the partition of every row in `rows`, or `GONE`; `by_end` has
/// every row that is not gone, where partitions belong to windows.
pub struct TopNTable {
    // Fixed at construction.
    spec: TopNSpec,
    budget_bytes: u64,
    // Changes with every batch.
    partitions: Interner,
    rows: RowStore,
    groups: Vec<u32>,
    /// For each partition: no row whose first bytes are greater is needed.
    bytes_max: Vec<u128>,
    /// Rows that were held when those not needed were last dropped.
    kept_count: usize,
    /// The rows of the windows that end at each time.
    by_end: BTreeMap<i64, Vec<u32>>,
    /// Rows that have left, and are still in `rows`.
    gone_count: usize,
    /// Rows that were copied because others had left.
    copied_count: u64,
    refusal: Option<AggregateError>,
}

impl TopNTable {
    /// Without rows; may hold `budget_bytes` of them.
    #[must_use]
    pub fn new(spec: TopNSpec, budget_bytes: u64) -> Self {
        let types = spec.partition_by.iter().map(|&column| &spec.input_types[column]);
        let (partitions, refusal) = match Interner::new(types.clone()) {
            Some(partitions) => (partitions, None),
            None => {
                let mut arrays = types.filter(|t| matches!(t, tidemill_record::DataType::Array(_)));
                let refusal = arrays.next().map(|data_type| AggregateError::Unsupported {
                    what: "PARTITION BY".to_owned(),
                    data_type: data_type.clone(),
                });
                (Interner::new([]).expect("no keys are always supported"), refusal)
            }
        };
        Self {
            rows: RowStore::new(spec.input_types.clone()),
            spec,
            budget_bytes,
            partitions,
            groups: Vec::new(),
            bytes_max: Vec::new(),
            kept_count: 0,
            by_end: BTreeMap::new(),
            gone_count: 0,
            copied_count: 0,
            refusal,
        }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Rows held.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows.row_count() - self.gone_count
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let per_group = self.bytes_max.capacity() * size_of::<u128>();
        let indexed = if self.by_end.is_empty() { 0 } else { self.row_count() };
        let per_row = (self.groups.capacity() + indexed) * size_of::<u32>();
        self.rows.state_bytes() + (self.partitions.heap_bytes() + per_group + per_row) as u64
    }

    /// Keeps copies of the batch's rows, but for those that cannot be among the first.
    ///
    /// # Errors
    /// [`AggregateError::RowBudgetExceeded`], [`AggregateError::TooManyRows`],
    /// [`AggregateError::TooManyGroups`], and [`AggregateError::Unsupported`] for a key without an
    /// order.
    ///
    /// # Cost
    /// O(rows) for the copies, and a sort of the rows held when they have doubled.
    pub fn update(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        if self.spec.keep == Some(0) || batch.row_count() == 0 {
            return Ok(());
        }
        let columns: Vec<&ArrayRef> =
            self.spec.partition_by.iter().map(|&column| batch.column(column)).collect();
        let mut groups = Vec::new();
        self.partitions.intern(&columns, batch.row_count(), &mut groups)?;
        self.bytes_max.resize(self.partitions.group_count(), u128::MAX);
        let mut codes = Vec::with_capacity(batch.row_count());
        let columns = key_columns(batch, self.rows.types(), &self.spec.order)?;
        columns.codes(0, batch.row_count(), None, &mut codes);
        let ends = self.ends(batch);
        let mut chosen: Vec<u32> = Vec::new();
        for ((row, code), &group) in (0..).zip(codes).zip(&groups) {
            if bytes_of(code) <= self.bytes_max[group as usize] {
                chosen.push(row);
                if let Some(ends) = &ends {
                    let number = u32::try_from(self.groups.len());
                    let number = number.map_err(|_| AggregateError::TooManyRows)?;
                    self.by_end.entry(ends.value(row as usize)).or_default().push(number);
                }
                self.groups.push(group);
            }
        }
        if chosen.is_empty() {
            return Ok(());
        }
        self.rows.push_rows(batch, chosen);
        if self.rows.row_count() >= self.kept_count.saturating_mul(2).max(JOIN_ROWS) {
            self.drop_the_rest()?;
        }
        let budget_bytes = self.budget_bytes;
        if self.gone_count > 0 && self.rows.check_budget(budget_bytes, self.state_bytes()).is_err()
        {
            self.give_back_memory()?;
        }
        self.rows.check_budget(budget_bytes, self.state_bytes())
    }

    fn ends(&self, batch: &Batch) -> Option<TimestampMicrosecondArray> {
        let column = self.spec.partition_by[self.spec.window_end?];
        Some(batch.column(column).as_primitive::<TimestampMicrosecondType>().clone())
    }

    /// Adds the rows of a later partition of the input.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        if later.gone_count == 0 {
            return later.rows.into_batches().into_iter().try_for_each(|batch| self.update(&batch));
        }
        let left = later.left();
        left.chunks(BATCH_ROWS).try_for_each(|rows| self.update(&later.rows.gather(rows)))
    }

    /// Drops the rows that are not among the first of their partitions, and remembers how far those
    /// reach.
    fn drop_the_rest(&mut self) -> Result<(), AggregateError> {
        let Some(keep) = self.keep() else {
            // All are needed: look again when they have doubled.
            self.kept_count = self.rows.row_count();
            return Ok(());
        };
        let ends = self.ends_of_rows();
        let mut kept = Vec::new();
        let mut last_of: Vec<(u32, usize)> = Vec::new();
        for (row, number) in self.numbered()? {
            if number <= keep {
                if number == keep {
                    last_of.push((self.groups[row as usize], kept.len()));
                }
                kept.push(row);
            }
        }
        // Where nearly all are needed, a copy would take memory and give none back.
        if self.gone_count == 0 && kept.len() / 3 * 4 >= self.rows.row_count() {
            self.kept_count = self.rows.row_count();
            return Ok(());
        }
        let copied_bytes = self.rows.bytes_of(kept.len());
        self.rows.check_budget(self.budget_bytes, self.state_bytes() + copied_bytes)?;
        self.groups = kept.iter().map(|&row| self.groups[row as usize]).collect();
        self.by_end.clear();
        if let Some(ends) = ends {
            for (number, &row) in (0..).zip(&kept) {
                self.by_end.entry(ends[row as usize]).or_default().push(number);
            }
        }
        self.rows.keep(&kept);
        self.gone_count = 0;
        for (group, at) in last_of {
            let last = u32::try_from(at).unwrap_or(u32::MAX);
            self.bytes_max[group as usize] = bytes_of(self.rows.code(&self.spec.order, last)?);
        }
        self.kept_count = kept.len();
        Ok(())
    }

    fn keep(&self) -> Option<usize> {
        self.spec.keep.and_then(|keep| usize::try_from(keep).ok())
    }

    /// The end of the window of every row that is not gone, by row; `None` where there are no windows.
    fn ends_of_rows(&self) -> Option<Vec<i64>> {
        self.spec.window_end?;
        let mut ends = vec![i64::MAX; self.groups.len()];
        for (&end, rows) in &self.by_end {
            rows.iter().for_each(|&row| ends[row as usize] = end);
        }
        Some(ends)
    }

    /// The rows that have not left, in order of arrival.
    fn left(&self) -> Vec<u32> {
        let rows = (0..).zip(&self.groups);
        rows.filter(|&(_, &group)| group != GONE).map(|(row, _)| row).collect()
    }

    /// Every row that is not gone, by partition and then in order, with its number there.
    fn numbered(&self) -> Result<Vec<(u32, usize)>, AggregateError> {
        let numbered_bytes = self.rows.row_count() * size_of::<(u32, usize)>();
        let bytes = self.rows.order_bytes() + numbered_bytes as u64;
        self.rows.check_budget(self.budget_bytes, self.state_bytes() + bytes)?;
        self.numbers()
    }

    /// The same whether there is room for it or not.
    fn numbers(&self) -> Result<Vec<(u32, usize)>, AggregateError> {
        let order = self.rows.order(&self.spec.order, &self.groups)?;
        let mut numbered = Vec::with_capacity(order.len());
        let mut last = None;
        let mut number = 0;
        for row in order.into_iter().map(row_of) {
            let group = self.groups[row as usize];
            if group == GONE {
                break;
            }
            number = if last == Some(group) { number + 1 } else { 1 };
            last = Some(group);
            numbered.push((row, number));
        }
        Ok(numbered)
    }

    /// Gives the rows of windows that the watermark has reached the end of, in order of window end,
    /// then of first appearance of the partition.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if let Some(closed) = self.take_until(watermark)? {
            let ends = self.spec.window_end.map(|place| self.spec.partition_by[place]);
            for batch in closed.into_batches(BATCH_ROWS)? {
                let batch = batch?;
                let cause = ends.map_or(Cause::Own, |ends| {
                    let ends = batch.column(ends).as_primitive::<TimestampMicrosecondType>();
                    Cause::Reached(ends.values().clone())
                });
                results.push(batch.caused_by(cause));
            }
        }
        Ok(())
    }

    /// Whether there are rows of a window that ends at or before a time (or may be).
    #[must_use]
    pub fn has_until(&self, time: EventTime) -> bool {
        self.next_end().is_some_and(|end| time.0 >= end)
    }

    /// When the first window of a row that is held ends, where rows belong to windows.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.by_end.first_key_value().map(|(&end, _)| end)
    }

    /// Rows that were copied because others had left; for tests of what that costs.
    #[must_use]
    pub fn copied_count(&self) -> u64 {
        self.copied_count
    }

    /// Takes out the rows of windows that end at or before a time; `None` if there are none.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Cost
    /// O(rows that leave), and a copy of the others whenever as many have left.
    pub fn take_until(&mut self, time: EventTime) -> Result<Option<Self>, AggregateError> {
        if !self.has_until(time) {
            return Ok(None);
        }
        let mut leaving: Vec<u32> = Vec::new();
        // One by one: to split a tree is to count one of its halves.
        while let Some(ended) = self.by_end.first_entry().filter(|first| *first.key() <= time.0) {
            leaving.append(&mut ended.remove());
        }
        // By partition, so that these appear in the table below as they appeared here.
        leaving.sort_unstable_by_key(|&row| (self.groups[row as usize], row));
        let closed = self.only(&leaving)?;
        leaving.iter().for_each(|&row| self.groups[row as usize] = GONE);
        self.gone_count += leaving.len();
        let left_count = self.row_count();
        if left_count == 0 || self.gone_count >= left_count.max(GONE_MIN) {
            self.give_back_memory()?;
        }
        Ok(Some(closed))
    }

    /// Goes on with a copy of the rows that have not left.
    fn give_back_memory(&mut self) -> Result<(), AggregateError> {
        let mut left = self.left();
        left.sort_unstable_by_key(|&row| (self.groups[row as usize], row));
        let copied_count = self.copied_count + left.len() as u64;
        *self = Self { copied_count, ..self.only(&left)? };
        Ok(())
    }

    /// The same without rows.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.spec.clone(), self.budget_bytes)
    }

    /// A table of some of the rows.
    fn only(&self, rows: &[u32]) -> Result<Self, AggregateError> {
        let mut table = self.emptied();
        for rows in rows.chunks(BATCH_ROWS) {
            table.update(&self.rows.gather(rows))?;
        }
        Ok(table)
    }

    /// Ends the table: the first rows of each partition, each with its number behind its columns.
    /// Partitions come in order of window end, where they have one, then of their first record.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`] for a key without an order.
    ///
    /// # Cost
    /// A copy of the key columns, sixteen bytes a row, and a sort; then O(rows) a batch.
    pub fn into_batches(self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        let mut numbered = self.numbered()?;
        if let Some(keep) = self.keep() {
            numbered.retain(|&(_, number)| number <= keep);
        }
        let ranks = self.ranks();
        // Stable: the rows of a partition stay as they are.
        numbered.sort_by_key(|&(row, _)| ranks[self.groups[row as usize] as usize]);
        let batch_rows = batch_rows.max(1);
        Ok(Box::new((0..numbered.len()).step_by(batch_rows).map(move |start| {
            let chosen = &numbered[start..numbered.len().min(start + batch_rows)];
            let rows: Vec<u32> = chosen.iter().map(|&(row, _)| row).collect();
            let numbers =
                chosen.iter().map(|&(_, number)| i64::try_from(number).unwrap_or(i64::MAX));
            let batch = self.rows.gather(&rows);
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
            Ok(Batch::new(columns, batch.offsets().clone()))
        })))
    }

    /// The place of every partition among all.
    fn ranks(&self) -> Vec<usize> {
        let mut groups: Vec<u32> = (0..).take(self.partitions.group_count()).collect();
        if let Some(place) = self.spec.window_end {
            let ends = self.partitions.columns()[place].gather(&groups);
            let ends = ends.as_primitive::<TimestampMicrosecondType>();
            let mut by_end: Vec<(i64, usize, u32)> =
                groups.iter().enumerate().map(|(at, &group)| (ends.value(at), at, group)).collect();
            by_end.sort_unstable();
            groups = by_end.into_iter().map(|(.., group)| group).collect();
        }
        let mut ranks = vec![0; groups.len()];
        for (rank, group) in groups.into_iter().enumerate() {
            ranks[group as usize] = rank;
        }
        ranks
    }
}
