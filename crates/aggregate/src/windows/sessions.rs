//! Sessions: windows that follow each group's own records, and merge.

use tidemill_plan::AggregateSpec;
use tidemill_record::{Batch, EventTime};

use crate::windows::SealedWindows;
use crate::{AggregateError, Late};

/// Sessions: windows that follow each group's own records, and merge.
pub struct SessionTable {}

impl SessionTable {
    pub(crate) fn new(_spec: AggregateSpec, _audited_keys: &[usize], _budget_bytes: u64) -> Self {
        unimplemented!()
    }

    pub(crate) fn update(
        &mut self,
        _batch: &Batch,
        _late: &mut Vec<Late>,
        _results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        unimplemented!()
    }

    pub(crate) fn advance(
        &mut self,
        _watermark: EventTime,
        _results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        unimplemented!()
    }

    pub(crate) fn seal(&mut self, _watermark: EventTime) -> Result<SealedWindows, AggregateError> {
        unimplemented!()
    }

    pub(crate) fn group_count(&self) -> usize {
        unimplemented!()
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        unimplemented!()
    }

    pub(crate) fn key_fingerprints(&self) -> Vec<u64> {
        unimplemented!()
    }
}
