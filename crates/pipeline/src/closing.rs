//! What a gather reads while its partitions go on: windows that all of them have come to the end of.

use std::sync::Arc;

use tidemill_aggregate::{Gathering, TableBatches};
use tidemill_record::{Batch, EventTime, Polled};

use crate::{Handover, PipelineError};

/// Takes what is given, and gives out what is complete: in order of window end, then group key.
pub(crate) struct ClosingInput {
    handover: Arc<Handover>,
    gathering: Gathering,
    batch_rows: usize,
    /// Windows that are being given out.
    leaving: Option<TableBatches>,
    /// All windows that end at or before this have been taken out of the gathering.
    taken_until: EventTime,
}

impl ClosingInput {
    pub(crate) fn new(handover: Arc<Handover>, gathering: Gathering, batch_rows: usize) -> Self {
        Self { handover, gathering, batch_rows, leaving: None, taken_until: EventTime::MIN }
    }

    /// The next batch; `NotReady` at least once after all windows of one event time, so that event time
    /// can pass in what follows.
    pub(crate) fn next_batch(&mut self) -> Result<Polled<Batch>, PipelineError> {
        if let Some(leaving) = &mut self.leaving {
            if let Some(batch) = leaving.next() {
                return Ok(Polled::Ready(batch?));
            }
            self.leaving = None;
            return Ok(Polled::NotReady);
        }
        let taken = self.handover.take();
        for (giver, sealed) in taken.sealed {
            self.gathering.add(giver, sealed)?;
        }
        if taken.until > self.taken_until {
            self.taken_until = taken.until;
            let complete = self.gathering.take_until(taken.until)?;
            if !complete.is_empty() {
                self.leaving = Some(complete.into_batches(self.batch_rows)?);
                return self.next_batch();
            }
        }
        Ok(if taken.has_ended { Polled::Ended } else { Polled::NotReady })
    }

    /// All windows that end at or before this have been given out.
    pub(crate) fn given_until(&self) -> EventTime {
        if self.leaving.is_some() { EventTime::MIN } else { self.taken_until }
    }
}
