//! What a pipeline holds between two turns, written down, and how one goes on from there.

use tidemill_aggregate::Sealed;
use tidemill_record::{Image, ImageError, Offset};

use tidemill_sink::CutFiles;

use super::{Outcome, Pipeline};
use crate::outcome::EndedOutputs;
use crate::statistics::image::texts;
use crate::{Delivery, PipelineError};

/// All that it takes to go on from between two turns, but for what it was made of.
pub struct Cut {
    /// What the pipeline holds.
    pub image: Image,
    /// Files that the image speaks of.
    files: CutFiles,
    /// Segments that are to be seen once the image is durable.
    deliveries: Vec<Delivery>,
}

impl Cut {
    /// Makes the files durable that the image speaks of, before the image is; once. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// What fsync said. It is not repeated: what it covered may be lost.
    pub fn sync(&mut self) -> Result<(), PipelineError> {
        Ok(std::mem::take(&mut self.files).sync()?)
    }

    /// Makes segments visible that do not wait for others, once the image is durable. Blocks as well.
    ///
    /// # Errors
    /// What renaming said.
    pub fn publish(self) -> Result<(), PipelineError> {
        Ok(Delivery::publish_each(self.deliveries)?)
    }
}

impl Pipeline {
    /// Takes over what one of the same spec had, and goes on behind its last batch.
    pub(super) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let processor = image.take_image("processor")?;
        self.processor.import(processor).map_err(|error| error.within("processor"))?;
        let statistics = image.take_image("statistics")?;
        self.statistics.import(statistics).map_err(|error| error.within("statistics"))?;
        self.position.offset = Offset(image.take_one("offset")?);
        self.passed.notices = texts(&mut image, "notices")?;
        image.end()
    }

    /// What it takes to go on from here; `None` while something is on its way through the stages, or the input or the
    /// output has no place to go on from: after some more turns they have.
    ///
    /// # Errors
    /// As [`Self::turn`]: what was encoded is written.
    ///
    /// # Cost
    /// O(what is held), copied once.
    pub async fn cut(&mut self) -> Result<Option<Cut>, PipelineError> {
        let is_at_rest = self.processor.is_at_rest()
            && self.found.is_empty()
            && self.bad.is_empty()
            && !self.has_ended
            && self.passed.dead_letters.is_empty();
        if !is_at_rest {
            return Ok(None);
        }
        let Some(input) = self.input.export()? else { return Ok(None) };
        let Some(output) = self.output.cut().await? else { return Ok(None) };
        let dead_letters = self.bad_records.cut().await?;
        let mut image = Image::new();
        image.put_image("processor", self.processor.export());
        image.put_image("statistics", self.statistics.export());
        image.put_one("offset", self.position.offset.0);
        image.put_texts("notices", self.passed.notices.iter().map(String::as_bytes));
        image.put_image("input", input);
        image.put_image("output", output.image);
        image.put_image("bad_records", dead_letters.image);
        let mut files = output.files;
        files.extend(dead_letters.files);
        let deliveries = output.delivery.into_iter().chain(dead_letters.delivery).collect();
        Ok(Some(Cut { image, files, deliveries }))
    }

    /// Whether a cut would close a file before its time.
    #[must_use]
    pub fn cut_closes(&self) -> bool {
        self.output.cut_closes()
    }

    /// Segments that an earlier run was about to publish: what it goes on from says so.
    pub fn take_again(&mut self) -> impl Iterator<Item = Delivery> {
        self.output.take_again().into_iter().chain(self.bad_records.take_again())
    }

    /// Where the outputs are, once all has been written; `None` where that cannot be kept.
    pub(super) async fn keep_outputs(&mut self) -> Result<Option<EndedOutputs>, PipelineError> {
        if !self.passed.dead_letters.is_empty() {
            return Ok(None);
        }
        let Some(output) = self.output.cut().await? else { return Ok(None) };
        let dead_letters = self.bad_records.cut().await?;
        let mut files = output.files;
        files.extend(dead_letters.files);
        Ok(Some(EndedOutputs { output: output.image, dead_letters: dead_letters.image, files }))
    }

    /// A table that this pipeline has sealed and given away.
    ///
    /// # Errors
    /// [`ImageError`], also where it seals nothing.
    pub fn import_sealed(&self, image: Image) -> Result<Sealed, ImageError> {
        self.processor.import_sealed(image)
    }

    /// Ends without results, to be gone on with elsewhere.
    pub fn leave(&mut self) -> Outcome {
        self.cut_off()
    }
}
