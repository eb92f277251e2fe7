//! The first rows of each partition of an order.

use tidemill_plan::TopNSpec;
use tidemill_record::{Batch, EventTime};

use crate::{AggregateError, TableBatches};

/// The first rows of each partition of an order.
pub struct TopNTable {}

impl TopNTable {
    /// No rows; may hold `budget_bytes`.
    #[must_use]
    pub fn new(_spec: TopNSpec, _budget_bytes: u64) -> Self {
        unimplemented!()
    }

    /// The same, allowed to hold so many bytes from now on.
    #[must_use]
    pub fn with_budget(self, _budget_bytes: u64) -> Self {
        unimplemented!()
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// A budget that is passed.
    pub fn update(&mut self, _batch: &Batch) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// Gives the partitions whose window the watermark has reached the end of.
    ///
    /// # Errors
    /// None yet.
    pub fn advance(
        &mut self,
        _watermark: EventTime,
        _results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// Adds the rows of a later partition of the input.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn merge(&mut self, _later: Self) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// All rows: partitions in order of first appearance, or of their key behind a gather.
    ///
    /// # Errors
    /// None yet.
    pub fn into_batches(self, _batch_rows: usize) -> Result<TableBatches, AggregateError> {
        unimplemented!()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        unimplemented!()
    }
}
