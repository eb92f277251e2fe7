//! What a pipeline leaves behind as it ends.

use tidemill_aggregate::{Sealed, SeenKeys, SplitTimes};
use tidemill_record::{Image, ImageError, PartitionId};
use tidemill_sink::CutFiles;

use crate::bad_records::BadRecordPolicy;
use crate::output::Output;
use crate::statistics::image::texts;
use crate::{Delivery, KeyAudit, Measures, OutputSpec, PipelineError, PipelineSpec, Statistics};

/// Where a byte range of a file really began and ended, record by record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitBounds {
    /// Byte at which the first record of the range starts.
    pub first: u64,
    /// Byte at which the first record after the range starts; `None` where the pipeline ended
    /// before its range did.
    pub next: Option<u64>,
}

/// Where the outputs of a pipeline ended, before their files are seen.
pub(crate) struct EndedOutputs {
    pub(crate) output: Image,
    pub(crate) dead_letters: Image,
    /// To be made durable before that is.
    pub(crate) files: CutFiles,
}

/// What a pipeline leaves behind.
pub struct Outcome {
    /// The partition it worked on.
    pub partition: PartitionId,
    /// The partial table, where a gather follows.
    pub sealed: Option<Sealed>,
    /// Files that are complete but not yet visible.
    pub deliveries: Vec<Delivery>,
    /// Keys to hold against those of other partitions.
    pub audits: Vec<KeyAudit>,
    /// Where the partition's byte range really began and ended; `None` where the input has no
    /// bytes to split.
    pub split_bounds: Option<SplitBounds>,
    /// What its event times were, where the input is a piece of a file and they matter.
    pub split_times: Option<SplitTimes>,
    /// Where the outputs ended, where that is kept.
    pub(crate) outputs: Option<EndedOutputs>,
    /// What a person should know of how the input was read.
    pub notices: Vec<String>,
    /// It was stopped before it came to its end.
    pub is_cut: bool,
    /// What was counted.
    pub statistics: Statistics,
    /// What was measured of each step, where the spec asked for it.
    pub measures: Option<Box<Measures>>,
}

impl Outcome {
    /// Bytes that are held after the pipeline has ended: the partial table and the audits.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let sealed = self.sealed.as_ref().map_or(0, Sealed::state_bytes);
        let audited = self.audits.iter().map(|audit| audit.seen.heap_bytes());
        sealed + u64::try_from(audited.sum::<usize>()).expect("usize is at most 64 bits")
    }

    /// Adds what the pipeline of the next partition leaves; together the tables may hold `budget_bytes`. What is
    /// held against other partitions, one by one, is lost: bounds of splits are not known any more.
    ///
    /// # Errors
    /// As a table's own `merge`.
    ///
    /// # Panics
    /// If the two do not seal the same, or have keys to hold against each other.
    pub fn add(&mut self, later: Self, budget_bytes: u64) -> Result<(), PipelineError> {
        let Self { sealed, deliveries, audits, notices, is_cut, statistics, measures, .. } = later;
        assert!(self.audits.is_empty() && audits.is_empty(), "keys are of one partition");
        (self.split_bounds, self.split_times) = (None, None);
        self.is_cut |= is_cut;
        self.deliveries.extend(deliveries);
        let notices = notices.into_iter().filter(|notice| !self.notices.contains(notice));
        self.notices.extend(notices.collect::<Vec<_>>());
        self.statistics.add(&statistics);
        if let (Some(all), Some(measures)) = (&mut self.measures, measures) {
            all.add(&measures);
        }
        if let (Some(all), Some(sealed)) = (&mut self.sealed, sealed) {
            all.set_budget(budget_bytes);
            all.merge(sealed)?;
        }
        Ok(())
    }

    /// Forgets where the outputs ended, of a pipeline that nobody goes on with and whose files are published.
    pub fn forget_outputs(&mut self) {
        self.outputs = None;
        debug_assert!(self.deliveries.iter().all(|it| it.finished.segment_count() == 0));
        self.deliveries.clear();
    }

    /// Whether [`Self::export`] can be asked for.
    #[must_use]
    pub fn can_be_kept(&self) -> bool {
        self.outputs.is_some()
    }

    /// Makes the files durable that [`Self::export`] speaks of; once. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// What fsync said.
    pub fn sync(&mut self) -> Result<(), PipelineError> {
        let files = self.outputs.as_mut().map(|outputs| std::mem::take(&mut outputs.files));
        Ok(files.map_or(Ok(()), CutFiles::sync)?)
    }

    /// All of it but what was measured, to be made again by [`Self::import`].
    ///
    /// # Panics
    /// Unless it [can be kept](Self::can_be_kept).
    #[must_use]
    pub fn export(&self) -> Image {
        let outputs = self.outputs.as_ref().expect("a pipeline that is kept says where it ended");
        let mut image = Image::new();
        image.put_one("partition", self.partition.0);
        if let Some(sealed) = &self.sealed {
            image.put_image("sealed", sealed.export());
        }
        image.put_image("output", outputs.output.clone());
        image.put_image("dead letters", outputs.dead_letters.clone());
        image.put(
            "audit.stages",
            self.audits
                .iter()
                .map(|audit| u64::try_from(audit.stage).expect("usize is at most 64 bits")),
        );
        image.put_images("audits", self.audits.iter().map(|audit| audit.seen.export()));
        image.put("split", self.split_bounds.map(|bounds| bounds.first));
        image.put("split.next", self.split_bounds.and_then(|bounds| bounds.next));
        if let Some(times) = &self.split_times {
            image.put_image("split.times", times.export());
        }
        image.put_texts("notices", self.notices.iter().map(String::as_bytes));
        image.put_image("statistics", self.statistics.export());
        // What the sink counts, and tables at their end, nobody goes on counting.
        let Statistics { bytes_out, group_count, state_bytes, checksum, .. } = self.statistics;
        image.put("bytes_out, group_count, state_bytes", [bytes_out, group_count, state_bytes]);
        image.put_option("checksum", checksum);
        image
    }

    /// What one exported that came of the same spec.
    ///
    /// # Errors
    /// [`PipelineError::Resume`], and what opening segments says that have not been published yet.
    pub async fn import(image: Image, mut spec: PipelineSpec) -> Result<Self, PipelineError> {
        let (mut outcome, ended) =
            Self::import_all_but_files(image, &spec).map_err(PipelineError::Resume)?;
        let mut dead_letters = BadRecordPolicy::new(&spec, Some(ended.dead_letters))?;
        if !matches!(spec.output, OutputSpec::Seal(_) | OutputSpec::Stdout { .. }) {
            let mut output = Output::open(&mut spec, Some(ended.output)).await?;
            outcome.deliveries.extend(output.finish().await?);
        } else if let OutputSpec::Stdout { writer, .. } = spec.output {
            // All of it has been printed.
            writer.begin()?;
            writer.finish()?;
        }
        outcome.deliveries.extend(dead_letters.finish().await?);
        Ok(outcome)
    }

    fn import_all_but_files(
        mut image: Image,
        spec: &PipelineSpec,
    ) -> Result<(Self, EndedOutputs), ImageError> {
        let partition = PartitionId(image.take_one("partition")?);
        let sealed = match &spec.output {
            OutputSpec::Seal(merge) if image.has("sealed") => {
                let mut sealed = Sealed::new(merge, u64::MAX);
                let imported = sealed.import(image.take_image("sealed")?);
                imported.map_err(|error| error.within("sealed"))?;
                Some(sealed)
            }
            _ => None,
        };
        let (output, dead_letters) =
            (image.take_image("output")?, image.take_image("dead letters")?);
        let ended = EndedOutputs { output, dead_letters, files: CutFiles::default() };
        let stages: Vec<u64> = image.take("audit.stages")?;
        let seen = image.take_images("audits")?;
        if stages.len() != seen.len() {
            return Err(ImageError::new("audits", "is not one for each of the stages"));
        }
        let audits = stages.into_iter().zip(seen).map(|(stage, seen)| {
            let stage = usize::try_from(stage)
                .map_err(|_| ImageError::new("audit.stages", "is too large"))?;
            let seen = SeenKeys::import(seen).map_err(|error| error.within("audits"))?;
            Ok(KeyAudit { stage, seen })
        });
        let audits = audits.collect::<Result<_, ImageError>>()?;
        let next = image.take_option("split.next")?;
        let split_bounds = image.take_option("split")?.map(|first| SplitBounds { first, next });
        let split_times = match image.has("split.times") {
            true => Some(SplitTimes::import(image.take_image("split.times")?)?),
            false => None,
        };
        let notices = texts(&mut image, "notices")?;
        let mut statistics = Statistics::default();
        let counted = statistics.import(image.take_image("statistics")?);
        counted.map_err(|error| error.within("statistics"))?;
        let sums: Vec<u64> = image.take_exactly("bytes_out, group_count, state_bytes", 3)?;
        (statistics.bytes_out, statistics.group_count, statistics.state_bytes) =
            (sums[0], sums[1], sums[2]);
        statistics.checksum = image.take_option("checksum")?;
        image.end()?;
        let outcome = Self {
            partition,
            sealed,
            deliveries: Vec::new(),
            outputs: None,
            audits,
            split_bounds,
            split_times,
            notices,
            is_cut: false,
            statistics,
            measures: None,
        };
        Ok((outcome, ended))
    }
}
