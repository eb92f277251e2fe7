//! Analytic functions: rows wait for the watermark, then meet the rows of their key before them.

use tidemill_plan::OverSpec;
use tidemill_record::{Batch, EventTime};

use crate::{AggregateError, Late};

/// The `OVER` of one partition: rows that wait for the watermark, and what each key remembers.
pub struct OverTable {}

impl OverTable {
    /// Nothing seen; may hold `budget_bytes`. Results leave in batches of at most `batch_rows`.
    #[must_use]
    pub fn new(
        _spec: OverSpec,
        _audited_keys: &[usize],
        _budget_bytes: u64,
        _batch_rows: usize,
    ) -> Self {
        unimplemented!()
    }

    /// Takes in a batch, each row judged by the watermark beside it; in order of arrival its rows
    /// leave at once.
    ///
    /// # Errors
    /// A budget that is passed, a sum that does not fit its type.
    pub fn update(
        &mut self,
        _batch: &Batch,
        _late: &mut Vec<Late>,
        _results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// Gives the rows that the watermark has passed, and forgets keys that were silent for long.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn advance(
        &mut self,
        _watermark: EventTime,
        _results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// Keys remembered.
    #[must_use]
    pub fn key_count(&self) -> usize {
        unimplemented!()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// As [`crate::AggTable::key_fingerprints`], of all keys there have been.
    #[must_use]
    pub fn key_fingerprints(&self) -> Vec<u64> {
        unimplemented!()
    }
}
