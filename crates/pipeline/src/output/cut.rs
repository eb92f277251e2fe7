//! Cuts of an output: where it is at a checkpoint, and its going on from there.

use std::path::Path;
use std::sync::Arc;

use tidemill_format::{Encoder, Part};
use tidemill_record::{Image, ImageError};
use tidemill_sink::{CutFiles, FileWriter, OutputDirectory, SinkError, WRITE_BYTES, WriterCut};

use super::{Ended, FileOutput, Output, StdoutOutput, count};
use crate::folder_output::FolderOutput;
use crate::{Delivery, OutputSpec, PipelineError, PipelineSpec};

/// What an output has to say at a checkpoint. It may go to another thread, which flushes the files, then commits the
/// checkpoint with the image, and then, never before, publishes the delivery.
pub struct OutputCut {
    /// Where it is, for the `resume` of another.
    pub image: Image,
    /// Files to be flushed before the checkpoint is committed; see [`CutFiles::sync`].
    pub files: CutFiles,
    /// Segments to be published once it is: [`Delivery::publish_each`]. The images of later cuts have them until that
    /// has happened, so that it is done again, with the same effect, by whoever goes on.
    pub delivery: Option<Delivery>,
}

impl OutputCut {
    /// Of something that has no files to flush.
    pub(crate) fn of(image: Image) -> Self {
        Self { image, files: CutFiles::default(), delivery: None }
    }

    /// Of a writer that is one part of what the image has.
    pub(crate) fn with(mut image: Image, cut: WriterCut, directory: &Arc<OutputDirectory>) -> Self {
        let WriterCut { image: of_writer, files, finished } = cut;
        image.put_image("writer", of_writer);
        let directory = Arc::clone(directory);
        let delivery = finished.map(|finished| Delivery { directory, finished, part: None });
        Self { image, files, delivery }
    }
}

impl Output {
    /// Brings everything that it has been given to where it stays when the process ends, and says where that is. `None`
    /// where that cannot be now: files of Arrow and Parquet go on only where a file begins. Where input has no end they are
    /// closed here ([`Self::cut_closes`]); of other input the next cut may be tried later.
    ///
    /// To standard output rows are written again after a restart that came since the last checkpoint.
    ///
    /// # Errors
    /// As [`Self::write`]; [`SinkError::Stateless`] of a sink that knows no cuts.
    pub(crate) async fn cut(&mut self) -> Result<Option<OutputCut>, PipelineError> {
        match self {
            Self::Sealed => Ok(Some(OutputCut::of(Image::new()))),
            Self::File(file) => file.cut().await,
            Self::Folders(folders) => folders.cut(),
            Self::Stdout(stdout) => stdout.cut(),
            Self::Columns(writer, sink) => match writer.cut() {
                Some(image) => Ok(Some(OutputCut::of(image))),
                None => Err(SinkError::Stateless { sink: sink.clone() }.into()),
            },
        }
    }

    /// Whether a cut closes a file before its time, as one of Arrow or Parquet does where rows are in it: whoever can
    /// wait for [`Self::closes_at`] gets fewer files.
    pub(crate) fn cut_closes(&self) -> bool {
        match self {
            Self::File(file) => file.writer.is_some() && file.encoder.cut().is_none(),
            Self::Folders(folders) => folders.cut_closes(),
            Self::Sealed | Self::Stdout(_) | Self::Columns(..) => false,
        }
    }

    /// Segments that the checkpoint says are to be published, which an earlier process may have done: once, after a
    /// `resume`, for [`Delivery::publish_each`]. Those of input that ends come from [`Self::finish`].
    pub(crate) fn take_again(&mut self) -> Option<Delivery> {
        match self {
            Self::File(file) if file.publishes_each() => {
                let finished = file.writer.as_mut()?.take_again()?;
                let directory = Arc::clone(&file.directory);
                Some(Delivery { directory, finished, part: None })
            }
            Self::Folders(folders) => folders.take_again(),
            _ => None,
        }
    }

    pub(super) fn resume(
        spec: &PipelineSpec,
        output: OutputSpec,
        image: Image,
    ) -> Result<Self, PipelineError> {
        Ok(match output {
            OutputSpec::Seal(_) => {
                image.end().map_err(|source| wrong(Path::new(&spec.query), source))?;
                Self::Sealed
            }
            OutputSpec::File { sink, schema, directory, file_number }
                if !sink.partition_by.is_empty() =>
            {
                let output = FolderOutput::resume(sink, &schema, directory, file_number, image)?;
                Self::Folders(Box::new(output))
            }
            OutputSpec::File { sink, schema, directory, file_number } => {
                let mut image = image;
                let of_writer = image.take_image("writer");
                let writer = FileWriter::resume(
                    spec.backend,
                    Arc::clone(&directory),
                    file_number,
                    &sink.extension(),
                    sink.rolling_bytes,
                    of_writer.map_err(|source| wrong(directory.path(), source))?,
                )?;
                let mut file = FileOutput::new(&sink, &schema, directory, writer)?;
                let imported = file.import(image);
                imported.map_err(|source| wrong(file.directory.path(), source))?;
                Self::File(file)
            }
            OutputSpec::Stdout { format, schema, writer, is_first, is_last } => {
                let mut image = image;
                let bytes_out = image.take_one("bytes_out").and_then(|bytes: u64| {
                    image.end()?;
                    Ok(bytes.min(1 << 62))
                });
                writer.begin()?;
                let mut encoder = Encoder::new(&format, &schema)?;
                // What reads it now has not seen what was written before: its head comes again.
                encoder.continue_stream(is_first, is_last);
                Self::Stdout(StdoutOutput {
                    encoder,
                    writer: Some(writer),
                    bytes: Vec::with_capacity(WRITE_BYTES),
                    bytes_out: bytes_out
                        .map_err(|source| wrong(Path::new("standard output"), source))?,
                })
            }
            OutputSpec::Columns(mut writer) => {
                let resumed = writer.resume(image);
                resumed.map_err(|source| wrong(Path::new(&spec.query), source))?;
                Self::Columns(writer, spec.query.clone())
            }
        })
    }
}

/// What an image says of an output that cannot be.
pub(crate) fn wrong(path: &Path, source: ImageError) -> PipelineError {
    SinkError::Image { path: path.to_owned(), source }.into()
}

impl FileOutput {
    fn publishes_each(&self) -> bool {
        self.directory.is_live() && !self.directory.is_one_file()
    }

    async fn cut(&mut self) -> Result<Option<OutputCut>, PipelineError> {
        if self.writer.is_none() {
            let ended = self.ended.as_ref().map(|ended| OutputCut::of(ended.image.clone()));
            return Ok(ended);
        }
        if self.encoder.cut().is_none() {
            if !self.publishes_each() {
                return Ok(None);
            }
            self.roll().await?;
        }
        self.flush().await?;
        let image = self.image()?;
        let writer = self.writer.as_mut().expect("it is there");
        let cut = writer.cut().await?;
        self.bytes_out = writer.byte_count();
        Ok(Some(OutputCut::with(image, cut, &self.directory)))
    }

    /// All but the writer.
    fn image(&self) -> Result<Image, PipelineError> {
        let mut image = Image::new();
        image.put_one("segment_rows", count(self.segment_rows));
        image.put_flags("has_rolled", [self.has_rolled]);
        image.put_flags("has_head", [self.encoder.cut().unwrap_or(false)]);
        image.put_option("closes_in_ms", self.clock.export());
        image.put_flags("has_ended", [self.ended.is_some()]);
        if let Some(Ended { part: Some(part), .. }) = &self.ended {
            image.put_image("part", part.export()?);
        }
        Ok(image)
    }

    /// What there is to say once it has been finished, and before its files are visible.
    pub(super) fn ended_image(
        &self,
        writer: Image,
        part: Option<&Part>,
    ) -> Result<Image, PipelineError> {
        let mut image = Image::new();
        image.put_one("segment_rows", 0_u64);
        image.put_flags("has_rolled", [true]);
        image.put_flags("has_head", [false]);
        image.put_option("closes_in_ms", None::<u64>);
        image.put_flags("has_ended", [true]);
        if let Some(part) = part {
            image.put_image("part", part.export()?);
        }
        image.put_image("writer", writer);
        Ok(image)
    }

    /// Takes over what [`Self::image`] or [`Self::ended_image`] said.
    fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let segment_rows: u64 = image.take_one("segment_rows")?;
        // Only counted on: no memory stands for them.
        self.segment_rows = usize::try_from(segment_rows)
            .ok()
            .filter(|rows| rows >> 62 == 0)
            .ok_or_else(|| ImageError::new("segment_rows", "is more than there can be"))?;
        self.has_rolled = image.take_flag("has_rolled")?;
        if image.take_flag("has_head")? {
            self.encoder.go_on();
        }
        self.clock.import(image.take_option("closes_in_ms")?);
        let has_ended = image.take_flag("has_ended")?;
        let part = if has_ended && self.directory.is_one_file() {
            let part = image.take_image("part")?;
            Some(self.encoder.part_of(part).map_err(|error| error.within("part"))?)
        } else {
            None
        };
        image.end()?;
        self.ended = has_ended.then(|| Ended { image: Image::new(), part });
        Ok(())
    }
}

impl StdoutOutput {
    fn cut(&mut self) -> Result<Option<OutputCut>, PipelineError> {
        if self.writer.is_some() {
            if !self.encoder.flush(&mut self.bytes)? {
                return Ok(None);
            }
            self.flush()?;
            let writer = self.writer.as_mut().expect("it is there");
            if !writer.is_written()? {
                return Ok(None);
            }
        }
        let mut image = Image::new();
        image.put_one("bytes_out", self.bytes_out);
        Ok(Some(OutputCut::of(image)))
    }
}
