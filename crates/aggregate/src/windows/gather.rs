//! Closed windows of several partitions, merged in partition order.

use tidemill_plan::AggregateSpec;
use tidemill_record::{Batch, EventTime};

use crate::AggregateError;
use crate::windows::SealedWindows;

/// Closed windows of several partitions, merged in partition order. Rows leave in order of window end,
/// then group key, once every partition that is not idle has passed their window.
pub struct WindowGather {}

impl WindowGather {
    /// Waits for `input_count` partitions.
    #[must_use]
    pub fn new(_spec: AggregateSpec, _input_count: usize, _budget_bytes: u64) -> Self {
        unimplemented!()
    }

    /// Takes what one partition (in merge order, from zero) has sealed since it last did.
    ///
    /// # Errors
    /// A budget that is passed.
    pub fn accept(&mut self, _input: usize, _sealed: SealedWindows) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// Notes whether a partition is idle: such a one is not waited for.
    pub fn set_idle(&mut self, _input: usize, _is_idle: bool) {
        unimplemented!()
    }

    /// Gives the rows of every window that is complete now.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn take_complete(&mut self, _results: &mut Vec<Batch>) -> Result<(), AggregateError> {
        unimplemented!()
    }

    /// How far all partitions that are not idle have come.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        unimplemented!()
    }

    /// Records of windows that came after their window had left: their partition had been idle.
    #[must_use]
    pub fn late_count(&self) -> u64 {
        unimplemented!()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        unimplemented!()
    }
}
