//! Closed windows of one partition, and of several merged.

use std::collections::BTreeMap;

use tidemill_plan::AggregateSpec;
use tidemill_record::EventTime;

use crate::windows::bounds::Bounds;
use crate::windows::rows::with_bounds;
use crate::{AggTable, AggregateError, GroupOrder, TableBatches};

/// Closed windows, on their way to the pipeline that gathers them. Rows leave in order of window end,
/// then group key.
pub struct SealedWindows {
    key_count: usize,
    budget_bytes: u64,
    windows: BTreeMap<Bounds, AggTable>,
    state_bytes: u64,
}

impl SealedWindows {
    /// None yet; they may hold `budget_bytes` together.
    #[must_use]
    pub fn new(spec: &AggregateSpec, budget_bytes: u64) -> Self {
        Self { key_count: spec.keys.len(), budget_bytes, windows: BTreeMap::new(), state_bytes: 0 }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Adds a window's groups to what is there of it.
    pub(crate) fn add(&mut self, window: Bounds, table: AggTable) -> Result<(), AggregateError> {
        match self.windows.get_mut(&window) {
            Some(earlier) => {
                self.state_bytes -= earlier.state_bytes();
                earlier.set_budget(self.budget_bytes.saturating_sub(self.state_bytes));
                earlier.merge(table)?;
                self.state_bytes += earlier.state_bytes();
            }
            None => {
                self.state_bytes += table.state_bytes() + table.fixed_bytes();
                self.windows.insert(window, table);
            }
        }
        if self.state_bytes <= self.budget_bytes {
            return Ok(());
        }
        Err(AggregateError::BudgetExceeded {
            state_bytes: self.state_bytes,
            budget_bytes: self.budget_bytes,
            group_count: self.group_count(),
        })
    }

    /// Adds the windows of a later partition.
    ///
    /// # Errors
    /// As [`AggTable::merge`].
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        later.windows.into_iter().try_for_each(|(window, table)| self.add(window, table))
    }

    /// Takes out the windows that end at or before a time.
    #[must_use]
    pub fn take_until(&mut self, time: EventTime) -> Self {
        let mut windows = BTreeMap::new();
        // One by one: to split a tree is to count one of its halves.
        while let Some(first) = self.windows.first_entry().filter(|first| first.key().end <= time.0)
        {
            let (window, table) = first.remove_entry();
            windows.insert(window, table);
        }
        let bytes_of = |table: &AggTable| table.state_bytes() + table.fixed_bytes();
        let state_bytes = windows.values().map(bytes_of).sum();
        self.state_bytes -= state_bytes;
        let (key_count, budget_bytes) = (self.key_count, self.budget_bytes);
        Self { key_count, budget_bytes, windows, state_bytes }
    }

    /// When the first window ends, if there is one.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.windows.first_key_value().map(|(window, _)| window.end)
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`AggTable::into_batches`].
    pub fn into_batches(self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        let key_count = self.key_count;
        let tables = self.windows.into_iter().map(move |(window, table)| {
            let batches = table.into_batches(GroupOrder::Key, batch_rows)?;
            Ok(batches.map(move |batch| Ok(with_bounds(&batch?, key_count, window))))
        });
        Ok(Box::new(tables.flat_map(|window| -> TableBatches {
            match window {
                Ok(batches) => Box::new(batches),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })))
    }

    /// Groups held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.windows.values().map(AggTable::group_count).sum()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}
