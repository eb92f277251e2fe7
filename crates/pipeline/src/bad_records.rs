//! What becomes of bad records.

use std::sync::Arc;

use tidemill_plan::BadRecords;
use tidemill_record::{BadRecord, PartitionId};
use tidemill_sink::{DeadLetterWriter, OutputDirectory};

use crate::output::Delivery;
use crate::{BadRecordSpec, PipelineError, PipelineSpec};

/// Applies the source's `bad.records` policy.
pub(crate) struct BadRecordPolicy {
    policy: BadRecords,
    source: String,
    partition: PartitionId,
    dead_letters: Option<(Arc<OutputDirectory>, DeadLetterWriter)>,
    bad_count: u64,
}

impl BadRecordPolicy {
    pub(crate) fn new(spec: &PipelineSpec) -> Self {
        let BadRecordSpec { policy, dead_letters } = &spec.bad_records;
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
