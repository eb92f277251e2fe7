//! What becomes of bad records.

use std::sync::Arc;
use std::time::Instant;

use tidemill_plan::{BadRecords, LateRecords};
use tidemill_record::{BadRecord, Offset, PartitionId};
use tidemill_sink::{DeadLetterWriter, OutputDirectory};

use crate::segment_clock::SegmentClock;
use crate::{BadRecordSpec, Delivery, PipelineError, PipelineSpec};

/// Applies the source's `bad.records` policy.
pub(crate) struct BadRecordPolicy {
    policy: BadRecords,
    late_records: LateRecords,
    source: String,
    partition: PartitionId,
    dead_letters: Option<(Arc<OutputDirectory>, DeadLetterWriter)>,
    clock: SegmentClock,
    bad_count: u64,
}

impl BadRecordPolicy {
    pub(crate) fn new(spec: &PipelineSpec) -> Self {
        let BadRecordSpec { policy, late_records, dead_letters, rolling_interval } =
            &spec.bad_records;
        let dead_letters = dead_letters.as_ref().map(|(directory, file_number)| {
            let writer = DeadLetterWriter::new(
                spec.backend,
                Arc::clone(directory),
                spec.source.clone(),
                spec.partition.0,
                *file_number,
            );
            (Arc::clone(directory), writer)
        });
        Self {
            policy: *policy,
            late_records: *late_records,
            source: spec.source.clone(),
            partition: spec.partition,
            clock: SegmentClock::new(
                dead_letters.as_ref().map(|(directory, _)| &**directory),
                *rolling_interval,
            ),
            dead_letters,
            bad_count: 0,
        }
    }

    /// Whether a bad record stops the job.
    pub(crate) fn is_fatal(&self) -> bool {
        self.policy == BadRecords::Fail
    }

    /// What a record stops the job with.
    pub(crate) fn error(&self, record: BadRecord) -> PipelineError {
        let (source, partition) = (self.source.clone(), self.partition);
        PipelineError::BadRecord { source, partition, record: Box::new(record) }
    }

    /// Counts a record, and writes it where the policy says so.
    pub(crate) async fn set_aside(&mut self, record: &BadRecord) -> Result<(), PipelineError> {
        debug_assert!(!self.is_fatal(), "it stops the job");
        self.bad_count += 1;
        if self.policy == BadRecords::DeadLetter {
            self.write(record).await?;
        }
        Ok(())
    }

    /// The source whose records these are; empty for a gather.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Writes a late record where `late.records` says so; `raw` gives its text. It is counted elsewhere.
    pub(crate) async fn set_aside_late(
        &mut self,
        offset: Offset,
        raw: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Result<(), PipelineError> {
        if self.late_records == LateRecords::Drop {
            return Ok(());
        }
        let reason = "late: the watermark had passed all that it belongs to".to_owned();
        self.write(&BadRecord { offset, field: None, reason, raw: raw(), place: None }).await
    }

    async fn write(&mut self, record: &BadRecord) -> Result<(), PipelineError> {
        let (_, writer) =
            self.dead_letters.as_mut().expect("the plan gives dead letters a place to go");
        writer.write(record).await?;
        self.clock.begin();
        Ok(())
    }

    /// When the dead letters so far are to become visible.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        self.clock.closes_at()
    }

    /// Closes the current file of dead letters, if it is time.
    pub(crate) async fn roll_if_due(&mut self, now: Instant) -> Result<(), PipelineError> {
        match &mut self.dead_letters {
            Some((_, writer)) if self.clock.take_due(now) => Ok(writer.roll().await?),
            _ => Ok(()),
        }
    }

    /// Files that have become complete since this was last asked.
    pub(crate) fn take_finished(&mut self) -> Option<Delivery> {
        let (directory, writer) = self.dead_letters.as_mut()?;
        let finished = writer.take_finished()?;
        Some(Delivery { directory: Arc::clone(directory), finished, part: None })
    }

    /// Completes the dead letters; the files to publish, if there are any.
    pub(crate) async fn finish(&mut self) -> Result<Option<Delivery>, PipelineError> {
        match self.dead_letters.take() {
            Some((directory, writer)) => {
                let finished = writer.finish().await?;
                Ok(Some(Delivery { directory, finished, part: None }))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn bad_count(&self) -> u64 {
        self.bad_count
    }
}
