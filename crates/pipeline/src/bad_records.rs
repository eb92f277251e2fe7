//! What becomes of bad records.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tidemill_plan::{BadRecords, LateRecords};
use tidemill_record::{BadRecord, Image, ImageError, Offset, PartitionId};
use tidemill_sink::{DeadLetterWriter, OutputDirectory};

use crate::output::{OutputCut, wrong};
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
    /// Of a job with state, where the dead letters are once they have been completed.
    ended: Option<Image>,
}

impl BadRecordPolicy {
    /// Applies what the spec says. With an image that [`Self::cut`] has given it goes on from there; the directory is then one
    /// that was opened for that.
    pub(crate) fn new(spec: &PipelineSpec, resume: Option<Image>) -> Result<Self, PipelineError> {
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
        let mut new = Self {
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
            ended: None,
        };
        if let Some(image) = resume {
            new.import(image)?;
        }
        Ok(new)
    }

    /// As [`crate::output::Output::cut`]; it can always be.
    ///
    /// # Errors
    /// As [`Self::set_aside`].
    pub(crate) async fn cut(&mut self) -> Result<OutputCut, PipelineError> {
        let mut image = Image::new();
        image.put_one("bad", self.bad_count);
        image.put_option("closes_in_ms", self.clock.export());
        match (&mut self.dead_letters, &self.ended) {
            (Some((directory, writer)), _) => {
                if let Some(cut) = writer.cut().await? {
                    return Ok(OutputCut::with(image, cut, directory));
                }
            }
            (None, Some(ended)) => image.put_image("writer", ended.clone()),
            (None, None) => {}
        }
        Ok(OutputCut::of(image))
    }

    fn import(&mut self, mut image: Image) -> Result<(), PipelineError> {
        let path = self.dead_letters.as_ref().map(|(directory, _)| directory.path().to_owned());
        let path = path.unwrap_or_else(|| PathBuf::from(&self.source));
        let fail = |source| wrong(&path, source);
        self.bad_count = image.take_one("bad").map_err(fail)?;
        self.clock.import(image.take_option("closes_in_ms").map_err(fail)?);
        let letters = image.has("writer").then(|| image.take_image("writer"));
        let letters = letters.transpose().map_err(fail)?;
        image.end().map_err(fail)?;
        if self.bad_count >> 62 != 0 {
            return Err(fail(ImageError::new("bad", "is more than there can be")));
        }
        match (letters, &mut self.dead_letters) {
            (None, _) => Ok(()),
            (Some(image), Some((_, writer))) => Ok(writer.resume(image)?),
            (Some(_), None) => Err(fail(ImageError::new(
                "writer",
                "has dead letters, and now they have no place to go; set 'bad.records' or 'late.records' to \
                 'dead_letter' again",
            ))),
        }
    }

    /// As [`crate::output::Output::take_again`].
    pub(crate) fn take_again(&mut self) -> Option<Delivery> {
        let (directory, writer) = self.dead_letters.as_mut()?;
        let finished = directory.is_live().then(|| writer.take_again()).flatten()?;
        Some(Delivery { directory: Arc::clone(directory), finished, part: None })
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
            Some((directory, mut writer)) => {
                let finished = writer.end().await?;
                self.ended = writer.end_image();
                Ok(Some(Delivery { directory, finished, part: None }))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn bad_count(&self) -> u64 {
        self.bad_count
    }
}

#[cfg(test)]
mod tests;
