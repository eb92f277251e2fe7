//! `ORDER BY`: all rows of a bounded input in a stable order, or only the first of them.

use tidemill_plan::SortSpec;
use tidemill_record::Batch;

use crate::AggregateError;
use crate::row_store::{JOIN_ROWS, RowStore, key_columns};
use crate::sort_order::{Code, bytes_of, row_of};

mod image;

/// The rows of one partition, to be put in order at its end.
///
/// Rows equal in all keys keep their order; those of an earlier partition come first. With a
/// limit only the first `skip + keep` rows, and up to as many again (at least 65536), are held.
///
/// Invariants: `rows` are in arrival order as far as equal keys go; `codes` are those of the first rows, in runs
/// that are each in order.
pub struct SortTable {
    // Fixed at construction.
    spec: SortSpec,
    budget_bytes: u64,
    /// Rows that can matter; all if absent.
    needed: Option<usize>,
    // Changes with every batch.
    rows: RowStore,
    codes: Vec<Code>,
    /// With a limit: no row whose first bytes are greater is needed.
    bytes_max: Option<u128>,
}

impl SortTable {
    /// Without rows; may hold `budget_bytes` of them.
    #[must_use]
    pub fn new(spec: SortSpec, budget_bytes: u64) -> Self {
        let needed = spec.limit.needed().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let rows = RowStore::new(spec.input_types.clone());
        Self { spec, budget_bytes, needed, rows, codes: Vec::new(), bytes_max: None }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Rows held; with a limit not all that came.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows.row_count()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.rows.state_bytes() + size_of_val(&*self.codes) as u64
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
        let rows: Vec<u32> = match self.bytes_max {
            None => (0..).take(batch.row_count()).collect(),
            Some(bytes_max) => {
                let mut codes = Vec::with_capacity(batch.row_count());
                let columns = key_columns(batch, self.rows.types(), &self.spec.keys)?;
                columns.codes(0, batch.row_count(), None, &mut codes);
                codes.retain(|&code| bytes_of(code) <= bytes_max);
                codes.into_iter().map(row_of).collect()
            }
        };
        if !rows.is_empty() {
            self.rows.push_rows(batch, rows);
            self.bound()?;
        }
        Ok(())
    }

    /// Puts the rows in order that have come so far, as far as that can be done without those of other
    /// partitions: the pipelines of all do so at the same time, before one merges them.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Cost
    /// Sixteen bytes a row, and a sort of them.
    pub fn arrange(&mut self) -> Result<(), AggregateError> {
        let coded = self.codes.len();
        if self.needed.is_some() || coded == self.rows.row_count() {
            return Ok(());
        }
        self.check_order()?;
        let mut codes = self.rows.codes(&self.spec.keys, None, coded)?;
        codes.sort_unstable();
        if coded == 0 {
            self.codes = codes
        } else {
            self.codes.append(&mut codes)
        }
        Ok(())
    }

    /// Appends the rows of a later partition.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn merge(&mut self, mut later: Self) -> Result<(), AggregateError> {
        self.arrange()?;
        later.budget_bytes = self.budget_bytes;
        later.arrange()?;
        let rows = self.rows.row_count() + later.rows.row_count();
        let is_arranged = self.needed.is_none();
        if is_arranged && u32::try_from(rows).is_ok() {
            // Numbers stand lowest, and none of them leaves its 32 bits.
            let before = self.rows.row_count() as Code;
            self.codes.extend(later.codes.iter().map(|code| code + before));
        }
        for batch in later.rows.into_batches() {
            self.rows.push(batch);
            self.bound()?;
        }
        Ok(())
    }

    /// Ends the table: its rows in order, without the first `skip`, in batches of at most
    /// `batch_rows` (at least one). Rows keep the offsets of their own partitions.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`] for a key without an order;
    /// [`AggregateError::RowBudgetExceeded`] without room for it.
    ///
    /// # Cost
    /// A merge of the runs of partitions, then O(rows) a batch.
    pub fn into_batches(
        mut self,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Batch> + Send + use<>, AggregateError> {
        let skip = usize::try_from(self.spec.limit.skip).unwrap_or(usize::MAX);
        let order = self.take_order()?;
        let start = skip.min(order.len());
        let batch_rows = batch_rows.max(1);
        Ok((start..order.len()).step_by(batch_rows).map(move |start| {
            let end = order.len().min(start.saturating_add(batch_rows));
            let rows: Vec<u32> = order[start..end].iter().map(|&code| row_of(code)).collect();
            self.rows.gather(&rows)
        }))
    }

    /// The rows that are needed, in order.
    fn take_order(&mut self) -> Result<Vec<Code>, AggregateError> {
        self.arrange()?;
        self.check_order()?;
        if let Some(needed) = self.needed {
            return self.first_rows(needed);
        }
        let mut codes = std::mem::take(&mut self.codes);
        // Finds the runs that there are.
        codes.sort();
        self.rows.refine(&self.spec.keys, &mut codes, 0)?;
        Ok(codes)
    }

    /// So many rows that are first in order.
    fn first_rows(&self, needed: usize) -> Result<Vec<Code>, AggregateError> {
        let keys = &self.spec.keys;
        let mut codes = self.rows.codes(keys, None, 0)?;
        if needed < codes.len() {
            // Rows that are equal to the last one in their first bytes may come before it.
            let last = needed.checked_sub(1).map(|last| *codes.select_nth_unstable(last).1);
            let bytes_max = last.map_or(0, bytes_of);
            codes.retain(|&code| bytes_of(code) <= bytes_max);
        }
        codes.sort_unstable();
        self.rows.refine(keys, &mut codes, 0)?;
        codes.truncate(needed);
        Ok(codes)
    }

    /// Drops what a limit rules out, and checks the budget.
    fn bound(&mut self) -> Result<(), AggregateError> {
        if let Some(needed) = self.needed
            && self.rows.row_count() >= needed.saturating_mul(2).max(JOIN_ROWS)
        {
            self.keep_needed(needed)?;
        }
        self.rows.check_budget(self.budget_bytes, self.state_bytes())
    }

    /// Whether there is room to put the rows in order.
    fn check_order(&self) -> Result<(), AggregateError> {
        let bytes = self.rows.state_bytes() + self.rows.order_bytes();
        self.rows.check_budget(self.budget_bytes, bytes)
    }

    /// Keeps the first `needed` rows, in order, and remembers how far they reach.
    fn keep_needed(&mut self, needed: usize) -> Result<(), AggregateError> {
        let order: Vec<u32> = self.take_order()?.into_iter().map(row_of).collect();
        debug_assert!(order.len() <= needed);
        let copied_bytes = self.rows.bytes_of(order.len());
        self.rows.check_budget(self.budget_bytes, self.rows.state_bytes() + copied_bytes)?;
        self.rows.keep(&order);
        if let Some(last) = order.len().checked_sub(1).and_then(|last| u32::try_from(last).ok()) {
            self.bytes_max = Some(bytes_of(self.rows.code(&self.spec.keys, last)?));
        }
        Ok(())
    }
}
