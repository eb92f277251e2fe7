//! Cuts of an output in folders, and its going on from one.

use std::sync::Arc;

use tidemill_format::Folders;
use tidemill_plan::FileSink;
use tidemill_record::{Image, ImageError, Schema};
use tidemill_sink::{FolderWriter, OutputDirectory};

use super::{Encoders, FolderOutput};
use crate::held::count;
use crate::output::{OutputCut, wrong};
use crate::{Delivery, PipelineError};

impl FolderOutput {
    /// As [`crate::output::Output::cut`].
    pub(crate) fn cut(&mut self) -> Result<Option<OutputCut>, PipelineError> {
        if self.writer.is_none() {
            return Ok(self.ended.clone().map(OutputCut::of));
        }
        if self.cut_closes() {
            if !self.directory.is_live() {
                return Ok(None);
            }
            self.roll_all()?;
            self.clock.end();
        }
        let cut = self.writer.as_mut().expect("it is there").cut()?;
        Ok(Some(OutputCut::with(self.image_of_rows(), cut, &self.directory)))
    }

    /// As [`crate::output::Output::cut_closes`].
    pub(crate) fn cut_closes(&self) -> bool {
        matches!(self.encoders, Encoders::Own { open_count, .. } if open_count > 0)
    }

    /// As [`crate::output::Output::take_again`].
    pub(crate) fn take_again(&mut self) -> Option<Delivery> {
        let writer = self.writer.as_mut().filter(|_| self.directory.is_live())?;
        let finished = writer.take_again()?;
        Some(Delivery { directory: Arc::clone(&self.directory), finished, part: None })
    }

    fn image_of_rows(&self) -> Image {
        let mut image = Image::new();
        image.put_image("folders", self.folders.export());
        image.put("segment_rows", self.segment_rows.iter().map(|&rows| count(rows)));
        image.put_option("closes_in_ms", self.clock.export());
        image
    }

    /// What there is to say, with what the writer says.
    pub(super) fn image(&self, writer: Image) -> Image {
        let mut image = self.image_of_rows();
        image.put_image("writer", writer);
        image
    }

    /// Goes on where a cut was.
    pub(crate) fn resume(
        sink: FileSink,
        schema: &Schema,
        directory: Arc<OutputDirectory>,
        file_number: u32,
        mut image: Image,
    ) -> Result<Self, PipelineError> {
        let path = directory.path().to_owned();
        let fail = |source: ImageError| wrong(&path, source);
        let mut folders = Folders::new(schema, &sink.folder_columns(schema));
        let names = image.take_image("folders").map_err(fail)?;
        folders.import(names).map_err(|error| fail(error.within("folders")))?;
        let encoders = Encoders::new(&sink.format, folders.schema())?;
        let rows: Vec<u64> = image.take_exactly("segment_rows", folders.count()).map_err(fail)?;
        let closes_in_ms = image.take_option("closes_in_ms").map_err(fail)?;
        let of_writer = image.take_image("writer").map_err(fail)?;
        image.end().map_err(fail)?;
        let mut segment_rows = Vec::with_capacity(rows.len());
        for rows in rows {
            // Only counted on: no memory stands for them.
            let rows = usize::try_from(rows).ok().filter(|rows| rows >> 62 == 0);
            let is_more = || fail(ImageError::new("segment_rows", "is more than there can be"));
            segment_rows.push(rows.ok_or_else(is_more)?);
        }
        let numbers = 0..u32::try_from(folders.count()).expect("folders are numbered with 32 bits");
        let writer = FolderWriter::resume(
            Arc::clone(&directory),
            file_number,
            sink.extension(),
            (sink.rolling_bytes, encoders.packing(&sink)),
            numbers.map(|number| folders.name(number)),
            of_writer,
        )?;
        let mut output = Self::with(sink, directory, folders, encoders, writer);
        output.segment_rows = segment_rows;
        output.clock.import(closes_in_ms);
        Ok(output)
    }

    /// Closes all segments, as the clock does.
    #[cfg(test)]
    pub(crate) fn roll_all_now(&mut self) {
        self.roll_all().expect("a test has room");
    }
}
