//! `ORDER BY`: all rows of a bounded input in a stable order, or only the first of them.

use tidemill_plan::SortSpec;
use tidemill_record::Batch;

use crate::AggregateError;
use crate::row_store::{JOIN_ROWS, RowStore};
use crate::sort_order::prefixes;

/// The rows of one partition, to be put in order at its end.
///
/// Rows equal in all keys keep their order; those of an earlier partition come first. With a
/// limit only the first `skip + keep` rows, and up to as many again (at least 65536), are held.
///
/// Invariant: `rows` are in arrival order as far as equal keys go.
pub struct SortTable {
    // Fixed at construction.
    spec: SortSpec,
    budget_bytes: u64,
    /// Rows that can matter; all if absent.
    needed: Option<usize>,
    // Changes with every batch.
    rows: RowStore,
    /// With a limit: no row with a greater prefix of the first key is needed.
    prefix_max: u64,
}

impl SortTable {
    /// Without rows; may hold `budget_bytes` of them.
    #[must_use]
    pub fn new(spec: SortSpec, budget_bytes: u64) -> Self {
        let needed = spec.limit.needed().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let rows = RowStore::new(spec.input_types.clone());
        Self { spec, budget_bytes, needed, rows, prefix_max: u64::MAX }
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
        self.rows.state_bytes()
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
            self.rows.push_rows(batch, rows);
            self.bound()?;
        }
        Ok(())
    }

    /// Appends the rows of a later partition.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
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
    /// A copy of the key columns, sixteen bytes a row, and a sort; then O(rows) a batch.
    pub fn into_batches(
        self,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Batch> + Send + use<>, AggregateError> {
        let skip = usize::try_from(self.spec.limit.skip).unwrap_or(usize::MAX);
        self.check_order()?;
        let order = self.rows.order(&self.spec.keys, None)?;
        let end = self.needed.map_or(order.len(), |needed| needed.min(order.len()));
        let start = skip.min(end);
        let batch_rows = batch_rows.max(1);
        Ok((start..end).step_by(batch_rows).map(move |start| {
            self.rows.gather(&order[start..end.min(start.saturating_add(batch_rows))])
        }))
    }

    /// Drops what a limit rules out, and checks the budget.
    fn bound(&mut self) -> Result<(), AggregateError> {
        if let Some(needed) = self.needed
            && self.rows.row_count() >= needed.saturating_mul(2).max(JOIN_ROWS)
        {
            self.keep_needed(needed)?;
        }
        self.rows.check_budget(self.budget_bytes, self.rows.state_bytes())
    }

    /// Whether there is room to put the rows in order.
    fn check_order(&self) -> Result<(), AggregateError> {
        let order_bytes = self.rows.order_bytes(&self.spec.keys);
        self.rows.check_budget(self.budget_bytes, self.rows.state_bytes() + order_bytes)
    }

    /// Keeps the first `needed` rows, in order, and remembers how far they reach.
    fn keep_needed(&mut self, needed: usize) -> Result<(), AggregateError> {
        self.check_order()?;
        let mut order = self.rows.order(&self.spec.keys, None)?;
        order.truncate(needed);
        let copied_bytes = self.rows.bytes_of(order.len());
        self.rows.check_budget(self.budget_bytes, self.rows.state_bytes() + copied_bytes)?;
        self.rows.keep(&order);
        if let Some(last) = order.len().checked_sub(1).and_then(|last| u32::try_from(last).ok()) {
            let key = self.spec.keys[0];
            let last = self.rows.value(key.column, last);
            self.prefix_max = prefixes(&last, &self.spec.input_types[key.column], key)[0];
        }
        Ok(())
    }
}
