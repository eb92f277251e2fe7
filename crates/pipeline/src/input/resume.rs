//! Where an input goes on: what an input says of itself at a cut, and how another one begins there.
//!
//! A cut may be between any two turns. Bad records that were found and not yet dealt with are those of the pipeline.

use tidemill_format::ReadFrom;
use tidemill_record::image::{Image, ImageError};
use tidemill_source::{Claims, FileReader, InputFile, Missing, Resume, SourceError};

use super::{ByteInput, Input};
use crate::held::count;
use crate::scan_filter::ScanFilter;
use crate::{FileInput, InputSpec, PipelineError};

/// What an image says of an input, as it is taken apart.
pub(super) struct GoingOn {
    image: Image,
    missing: Missing,
    /// What is read, for messages.
    what: String,
}

impl GoingOn {
    /// # Errors
    /// [`SourceError::NotResumable`] of tables of other pipelines.
    pub(super) fn of(resume: Resume, spec: &InputSpec) -> Result<Self, PipelineError> {
        let path = |file: &FileInput| file.file.path.display().to_string();
        let what = match spec {
            InputSpec::Text(text) => path(&text.file),
            InputSpec::RowGroups(groups) => path(&groups.file),
            InputSpec::Messages(messages) => path(&messages.file),
            InputSpec::Memory(memory) => memory.reader.path().display().to_string(),
            InputSpec::Columns(_) | InputSpec::Registered(_) | InputSpec::Generator { .. } => {
                "a source of rows".to_owned()
            }
            InputSpec::Closing(..) => "windows of other pipelines".to_owned(),
            InputSpec::Sealed(..) => return Err(merged().into()),
        };
        let Resume { image, missing } = resume;
        Ok(Self { image, missing, what })
    }

    /// What the reader has exported.
    pub(super) fn take_reader(&mut self) -> Result<Resume, PipelineError> {
        let image = self.image.take_image("reader");
        let image = image.map_err(|error| self.damaged(error))?;
        Ok(Resume { image, missing: self.missing })
    }

    /// The row group or message that comes next, by its place among all.
    pub(super) fn take_place(&mut self) -> Result<u64, PipelineError> {
        let place = self.image.take_one("place");
        place.map_err(|error| self.damaged(error).into())
    }

    /// What a reader of columns has exported.
    pub(super) fn into_columns(mut self) -> Result<Image, PipelineError> {
        let image = self.image.take_image("columns");
        let image = image.map_err(|error| self.damaged(error))?;
        self.end()?;
        Ok(image)
    }

    /// What a gather of pipelines that run meanwhile has exported.
    pub(super) fn into_windows(self) -> Image {
        self.image
    }

    fn end(self) -> Result<(), PipelineError> {
        let Self { image, what, .. } = self;
        image.end().map_err(|source| SourceError::Image { what, source }.into())
    }

    fn damaged(&self, source: ImageError) -> SourceError {
        SourceError::Image { what: self.what.clone(), source }
    }
}

impl Input {
    /// Where reading goes on, for an input of the same spec. `None` while it cannot say: ask again after the next turn.
    ///
    /// # Errors
    /// [`SourceError::NotResumable`] of what cannot be entered: a pipe, columns of the embedding program whose reader does not
    /// say where it is, tables of other pipelines. What reading says: some bytes before the place are looked at. A file
    /// that has changed.
    ///
    /// # Cost
    /// For each file some reads of 4 KiB that were read not long ago.
    pub(crate) fn export(&self) -> Result<Option<Image>, PipelineError> {
        match self {
            Self::Bytes(bytes) => bytes.export(),
            Self::Columns(reader) => Ok(reader.export()?.map(|columns| {
                let mut image = Image::new();
                image.put_image("columns", columns);
                image
            })),
            Self::Closing(closing) => Ok(closing.export()),
            // It is begun again.
            Self::Gathered(_) => Ok(None),
        }
    }
}

impl ByteInput {
    fn export(&self) -> Result<Option<Image>, PipelineError> {
        let mut image = Image::new();
        let (mut bytes_in, mut row_groups) = (self.bytes_in, self.row_groups);
        let place = match self.decoder.reads_from() {
            // What was consumed is behind the reader's position already.
            ReadFrom::Bytes(_) if !self.is_decoding => None,
            ReadFrom::Bytes(passed) => {
                bytes_in += passed;
                Some(passed)
            }
            // The stream is read again, and counted.
            ReadFrom::Start => {
                bytes_in = 0;
                None
            }
            ReadFrom::Part(index) => Some(count(index)),
        };
        let reader = match &self.reader {
            FileReader::Text(reader) => reader.export(place.unwrap_or(0))?,
            FileReader::Memory(reader) => reader.export()?,
            FileReader::RowGroups(reader) => {
                // What is at hand is read again, and counted.
                if self.decoder.is_within_part() {
                    bytes_in -= self.part_bytes;
                    row_groups -= 1;
                }
                image.put_one("place", place.unwrap_or(0));
                Some(reader.export()?)
            }
        };
        let Some(reader) = reader else { return Ok(None) };
        image.put_image("reader", reader);
        image.put_image("decoder", self.decoder.export());
        image.put_image("added", self.added.export());
        image.put_one("bytes_in", bytes_in);
        image.put_one("row_groups", row_groups);
        image.put_one("rejected_before", count(self.rejected_before));
        Ok(Some(image))
    }

    /// Applies the filter, and goes on where another input was.
    pub(super) fn begin(
        mut self,
        filter: Option<ScanFilter>,
        going_on: Option<GoingOn>,
    ) -> Result<Input, PipelineError> {
        if let Some(ScanFilter { columns, conditions, .. }) = filter {
            self.decoder.filter_rows(&columns, conditions);
        }
        if let Some(mut going_on) = going_on {
            if let FileReader::RowGroups(reader) = &self.reader {
                reader.check_same(going_on.take_reader()?.image)?;
            }
            let imported = self.import(&mut going_on.image);
            imported.map_err(|error| going_on.damaged(error))?;
            going_on.end()?;
        }
        Ok(Input::Bytes(self))
    }

    fn import(&mut self, image: &mut Image) -> Result<(), ImageError> {
        let decoder = image.take_image("decoder")?;
        self.decoder.import(decoder).map_err(|error| error.within("decoder"))?;
        let added = image.take_image("added")?;
        self.added.import(added).map_err(|error| error.within("added"))?;
        let mut counter = |name: &str| -> Result<u64, ImageError> {
            let value: u64 = image.take_one(name)?;
            match i64::try_from(value) {
                Ok(_) => Ok(value),
                Err(_) => Err(ImageError::new(name, "is a count that nothing reaches")),
            }
        };
        self.bytes_in = counter("bytes_in")?;
        self.row_groups = counter("row_groups")?;
        let rejected = counter("rejected_before")?;
        self.rejected_before = usize::try_from(rejected).unwrap_or(usize::MAX);
        Ok(())
    }
}

/// The files that inputs of one scan go on in, by their images, or begin in where they have none: what the partitions of a scan
/// that follows files share. To be made before any of them is opened, so that none enters a file that another one is in the
/// middle of.
///
/// # Errors
/// [`SourceError::Image`], and what opening and reading say.
///
/// # Cost
/// Looks at each file that is read and those beside it; decompresses those that rotation has compressed.
pub async fn resumed_claims<'a>(
    backend: tidemill_rt::Backend,
    inputs: impl IntoIterator<Item = (&'a InputFile, Option<&'a Image>)>,
) -> Result<std::sync::Arc<Claims>, PipelineError> {
    let (mut begun, mut goes_on) = (Vec::new(), Vec::new());
    for (file, image) in inputs {
        match image {
            Some(image) => goes_on.push((file, image)),
            None => begun.push(file),
        }
    }
    let inputs = goes_on;
    let readers = inputs.into_iter().map(|(file, image)| {
        let reader = image.clone().take_image("reader");
        let reader = reader.map_err(|source| {
            let what = file.path.display().to_string();
            SourceError::Image { what, source }
        });
        reader.map(|reader| (&*file.path, reader))
    });
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let texts = readers.iter().map(|(path, reader)| (*path, reader));
    Ok(Claims::resumed(backend, texts, begun).await?)
}

fn merged() -> SourceError {
    SourceError::NotResumable {
        what: "tables of other pipelines".to_owned(),
        reason: "they are given once; let those pipelines run again".to_owned(),
    }
}
