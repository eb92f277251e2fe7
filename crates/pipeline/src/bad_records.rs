//! What becomes of bad records.

use std::sync::Arc;

use tidemill_plan::{BadRecords, LateRecords};
use tidemill_record::{BadRecord, Offset, PartitionId};
use tidemill_sink::{DeadLetterWriter, OutputDirectory};

use crate::{BadRecordSpec, Delivery, PipelineError, PipelineSpec};

/// Applies the source's `bad.records` policy.
pub(crate) struct BadRecordPolicy {
    policy: BadRecords,
    late_records: LateRecords,
    source: String,
    partition: PartitionId,
    dead_letters: Option<(Arc<OutputDirectory>, DeadLetterWriter)>,
    bad_count: u64,
}

impl BadRecordPolicy {
    pub(crate) fn new(spec: &PipelineSpec) -> Self {
        let BadRecordSpec { policy, late_records, dead_letters } = &spec.bad_records;
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
            dead_letters,
            bad_count: 0,
        }
    }

    /// Counts the records, and stops the job or sets them aside as the policy says.
    pub(crate) async fn settle(&mut self, bad: &mut Vec<BadRecord>) -> Result<(), PipelineError> {
        self.bad_count += u64::try_from(bad.len()).expect("usize is at most 64 bits");
        match self.policy {
            BadRecords::Fail => {
                // The first in offset order, so that the message does not depend on batch size.
                if let Some(record) = bad.drain(..).min_by_key(|record| record.offset) {
                    let record = Box::new(record);
                    let (source, partition) = (self.source.clone(), self.partition);
                    return Err(PipelineError::BadRecord { source, partition, record });
                }
            }
            BadRecords::Skip => bad.clear(),
            BadRecords::DeadLetter => {
                let (_, writer) =
                    self.dead_letters.as_mut().expect("the plan gives dead letters a place to go");
                // What a turn found while decoding and while computing, in one order, so that the
                // file does not depend on how records were cut into batches.
                bad.sort_by_key(|record| record.offset);
                for record in bad.drain(..) {
                    writer.write(&record).await?;
                }
            }
        }
        Ok(())
    }

    /// The source whose records these are; empty for a gather.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Writes late records where `late.records` says so. They are counted elsewhere.
    pub(crate) async fn set_aside_late(
        &mut self,
        offsets: &[Offset],
        raw: impl Fn(Offset) -> Option<Vec<u8>>,
    ) -> Result<(), PipelineError> {
        if self.late_records == LateRecords::Drop {
            return Ok(());
        }
        let (_, writer) =
            self.dead_letters.as_mut().expect("the plan gives dead letters a place to go");
        for &offset in offsets {
            let reason = "late: the watermark had passed all that it belongs to".to_owned();
            let record = BadRecord { offset, field: None, reason, raw: raw(offset), place: None };
            writer.write(&record).await?;
        }
        Ok(())
    }

    /// Completes the dead letters; the files to publish, if there are any.
    pub(crate) async fn finish(&mut self) -> Result<Option<Delivery>, PipelineError> {
        match self.dead_letters.take() {
            Some((directory, writer)) => {
                Ok(Some(Delivery { directory, finished: writer.finish().await? }))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn bad_count(&self) -> u64 {
        self.bad_count
    }
}
