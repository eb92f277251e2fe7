//! `ORDER BY`: all rows of a bounded input in a stable order, or only the first of them.

use arrow_array::{Array, ArrayRef, UInt32Array, UInt64Array};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use tidemill_plan::SortSpec;
use tidemill_record::Batch;

use crate::AggregateError;
use crate::compact::{batch_bytes, copy_rows, join_copies};
use crate::sort_order::{RowComparator, prefixes};

/// Small batches are joined until they have this many rows.
const JOIN_ROWS: usize = 1 << 16;

/// The rows of one partition, to be put in order at its end.
///
/// Rows equal in all keys keep their order; those of an earlier partition come first. With a
/// limit only the first `skip + keep` rows, and up to as many again (at least 65536), are held.
///
/// Invariant: `batches` in sequence are in arrival order as far as equal keys go.
pub struct SortTable {
    // Fixed at construction.
    spec: SortSpec,
    budget_bytes: u64,
    /// Rows that can matter; all if absent.
    needed: Option<usize>,
    // Changes with every batch.
    /// Copies that hold no input buffers; from `joined_count` on, small ones.
    batches: Vec<Batch>,
    joined_count: usize,
    row_count: usize,
    state_bytes: u64,
    /// With a limit: no row with a greater prefix of the first key is needed.
    prefix_max: u64,
}

impl SortTable {
    /// Without rows; may hold `budget_bytes` of them.
    #[must_use]
    pub fn new(spec: SortSpec, budget_bytes: u64) -> Self {
        let needed = spec.limit.needed().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        Self {
            spec,
            budget_bytes,
            needed,
            batches: Vec::new(),
            joined_count: 0,
            row_count: 0,
            state_bytes: 0,
            prefix_max: u64::MAX,
        }
    }

    /// The same, allowed to hold so many bytes from now on.
    #[must_use]
    pub fn with_budget(mut self, budget_bytes: u64) -> Self {
        self.budget_bytes = budget_bytes;
        self
    }

    /// Rows held; with a limit not all that came.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// Keeps copies of the batch's rows, but for those that a limit rules out.
    ///
    /// # Errors
    /// [`AggregateError::RowBudgetExceeded`], [`AggregateError::TooManyRows`], and
    /// [`AggregateError::Unsupported`] for a key without an order.
    ///
    /// # Cost
    /// O(rows) for the copies; with a limit, also a sort of the rows held when they have doubled.
    pub fn update(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        if self.needed == Some(0) || batch.row_count() == 0 {
            return Ok(());
        }
        let key = self.spec.keys[0];
        let rows: Vec<u32> = if self.prefix_max == u64::MAX {
            (0..).take(batch.row_count()).collect()
        } else {
            let column = batch.column(key.column);
            let prefixes = prefixes(column, &self.spec.input_types[key.column], key);
            let within = (0..).zip(prefixes).filter(|(_, prefix)| *prefix <= self.prefix_max);
            within.map(|(row, _)| row).collect()
        };
        if !rows.is_empty() {
            self.push(copy_rows(batch, &UInt32Array::from(rows)));
            self.bound()?;
        }
        Ok(())
    }

    /// Appends the rows of a later partition.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        for batch in later.batches {
            self.push(batch);
            self.bound()?;
        }
        Ok(())
    }

    /// Ends the table: its rows in order, without the first `skip`, in batches of at most
    /// `batch_rows` (at least one). Rows keep the offsets of their own partitions.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`] for a key without an order.
    ///
    /// # Cost
    /// A copy of the key columns, sixteen bytes a row, and a sort; then O(rows) a batch.
    pub fn into_batches(
        self,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Batch> + Send + use<>, AggregateError> {
        let skip = usize::try_from(self.spec.limit.skip).unwrap_or(usize::MAX);
        let order = self.order()?;
        let end = self.needed.map_or(order.len(), |needed| needed.min(order.len()));
        let places = self.places();
        let start = skip.min(end);
        let batch_rows = batch_rows.max(1);
        Ok((start..end).step_by(batch_rows).map(move |start| {
            let rows = &order[start..end.min(start.saturating_add(batch_rows))];
            self.gather(rows.iter().map(|&row| places.locate(row)).collect())
        }))
    }

    fn push(&mut self, batch: Batch) {
        self.row_count += batch.row_count();
        self.state_bytes += batch_bytes(&batch);
        self.batches.push(batch);
    }

    /// Joins small batches, drops what a limit rules out, and checks the budget.
    fn bound(&mut self) -> Result<(), AggregateError> {
        let small: usize = self.batches[self.joined_count..].iter().map(Batch::row_count).sum();
        if small >= JOIN_ROWS {
            self.join_small();
        }
        if let Some(needed) = self.needed
            && self.row_count >= needed.saturating_mul(2).max(JOIN_ROWS)
        {
            self.keep_needed(needed)?;
        }
        if u32::try_from(self.row_count).is_err() {
            return Err(AggregateError::TooManyRows);
        }
        if self.state_bytes > self.budget_bytes {
            let (state_bytes, budget_bytes) = (self.state_bytes, self.budget_bytes);
            let row_count = self.row_count;
            return Err(AggregateError::RowBudgetExceeded { state_bytes, budget_bytes, row_count });
        }
        Ok(())
    }

    fn join_small(&mut self) {
        let small: Vec<Batch> = self.batches.drain(self.joined_count..).collect();
        self.batches.extend(join_copies(&small));
        self.joined_count = self.batches.len();
        self.state_bytes = self.batches.iter().map(batch_bytes).sum();
    }

    /// Keeps the first `needed` rows, in order, and remembers how far they reach.
    fn keep_needed(&mut self, needed: usize) -> Result<(), AggregateError> {
        let order = self.order()?;
        let places = self.places();
        let kept: Vec<(usize, usize)> =
            order.iter().take(needed).map(|&row| places.locate(row)).collect();
        let kept = join_copies(&[self.gather(kept)]).expect("one batch");
        let key = self.spec.keys[0];
        let column = kept.column(key.column);
        let last = column.slice(column.len() - 1, 1);
        self.prefix_max = prefixes(&last, &self.spec.input_types[key.column], key)[0];
        self.row_count = kept.row_count();
        self.state_bytes = batch_bytes(&kept);
        self.batches = vec![kept];
        self.joined_count = 1;
        Ok(())
    }

    /// Every row's number in arrival order, in the order asked for.
    fn order(&self) -> Result<Vec<u32>, AggregateError> {
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let columns: Vec<ArrayRef> = self
            .spec
            .keys
            .iter()
            .map(|key| {
                let arrays = self.batches.iter().map(|batch| &**batch.column(key.column));
                let arrays: Vec<&dyn Array> = arrays.collect();
                concat(&arrays).expect("batches of one input have the same types")
            })
            .collect();
        let first = self.spec.keys[0];
        let comparator = RowComparator::new(&columns, &self.spec.keys).map_err(|at| {
            let data_type = self.spec.input_types[self.spec.keys[at].column].clone();
            AggregateError::Unsupported { what: "ORDER BY".to_owned(), data_type }
        })?;
        let prefixes = prefixes(&columns[0], &self.spec.input_types[first.column], first);
        let mut rows: Vec<(u64, u32)> = prefixes.into_iter().zip(0..).collect();
        // The row's number comes last, which makes an unstable sort stable.
        rows.sort_unstable_by(|left, right| {
            let by_prefix = left.0.cmp(&right.0);
            by_prefix
                .then_with(|| comparator.compare(left.1, right.1))
                .then_with(|| left.1.cmp(&right.1))
        });
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn places(&self) -> Places {
        let mut end = 0;
        let ends = self.batches.iter().map(|batch| {
            end += batch.row_count();
            end
        });
        Places { ends: ends.collect() }
    }

    /// The rows at these places, each a batch and a row within it.
    fn gather(&self, places: Vec<(usize, usize)>) -> Batch {
        let column_count = self.batches.first().map_or(0, |batch| batch.columns().len());
        let columns = (0..column_count).map(|at| {
            let arrays: Vec<&dyn Array> =
                self.batches.iter().map(|batch| &**batch.column(at)).collect();
            interleave(&arrays, &places).expect("places are within the batches")
        });
        let offsets = places.iter().map(|&(batch, row)| self.batches[batch].offsets().value(row));
        Batch::new(columns.collect(), UInt64Array::from(offsets.collect::<Vec<u64>>()))
    }
}

/// Finds the batch of a row.
struct Places {
    /// Number of the first row after each batch, ascending.
    ends: Vec<usize>,
}

impl Places {
    fn locate(&self, row: u32) -> (usize, usize) {
        let row = row as usize;
        let batch = self.ends.partition_point(|&end| end <= row);
        let start = if batch == 0 { 0 } else { self.ends[batch - 1] };
        (batch, row - start)
    }
}
