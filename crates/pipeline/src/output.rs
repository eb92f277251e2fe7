//! Where a pipeline's rows go.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use tidemill_aggregate::DoAll;
use tidemill_format::{Encoder, Part};
use tidemill_plan::{FileSink, LimitSpec, Merge};
use tidemill_record::{Batch, Image, Schema};
use tidemill_sink::{ColumnWriter, FileWriter, OutputDirectory, StdoutWriter, WRITE_BYTES};

use crate::folder_output::FolderOutput;
use crate::segment_clock::SegmentClock;
use crate::{Delivery, Held, OutputSpec, PipelineError, PipelineSpec};

mod cut;
mod lot;
mod pieces;
#[cfg(test)]
mod tests;

pub use cut::OutputCut;
pub(crate) use cut::wrong;
use lot::Lot;
pub(crate) use pieces::pieces;

/// Rows of a segment after which its length is looked at, again and again.
pub(crate) const ROLL_ROWS: usize = 256;

/// The end of one pipeline.
#[expect(clippy::large_enum_variant, reason = "a pipeline has one")]
pub(crate) enum Output {
    /// Rows end in the processor's partial table.
    Sealed,
    /// Encoded, into files.
    File(FileOutput),
    /// Encoded, into files of folders by value.
    Folders(Box<FolderOutput>),
    /// Encoded, to standard output.
    Stdout(StdoutOutput),
    /// As columns; with the name of the sink.
    Columns(Box<dyn ColumnWriter>, String),
}

/// Encodes into a buffer that goes to the files of one partition.
pub(crate) struct FileOutput {
    encoder: Encoder,
    directory: Arc<OutputDirectory>,
    is_rolling: bool,
    clock: SegmentClock,
    /// Rows of the current segment.
    segment_rows: usize,
    /// Segments before the current one have been closed.
    has_rolled: bool,
    /// Taken when the output is finished.
    writer: Option<FileWriter>,
    bytes: Vec<u8>,
    bytes_out: u64,
    /// Rows that other cores help to encode.
    lot: Option<Lot>,
    /// Of a job with state, once the output has been finished.
    ended: Option<Ended>,
}

/// An output of a job with state that has been finished, before its files have become visible.
struct Ended {
    image: Image,
    /// It was so before this process began: what is to be delivered has been written.
    part: Option<Part>,
}

/// Encodes into a buffer that goes to standard output.
pub(crate) struct StdoutOutput {
    encoder: Encoder,
    /// Taken when the output is finished.
    writer: Option<StdoutWriter>,
    bytes: Vec<u8>,
    bytes_out: u64,
}

impl Output {
    /// Opens what the spec says. With an image that [`Self::cut`] has given it goes on from there; the directory is then one
    /// that was opened for that.
    pub(crate) async fn open(
        spec: &mut PipelineSpec,
        resume: Option<Image>,
    ) -> Result<Self, PipelineError> {
        let placeholder = OutputSpec::Seal(Merge::Limited {
            spec: LimitSpec::default(),
            input_types: Vec::new(),
        });
        let output = std::mem::replace(&mut spec.output, placeholder);
        if let Some(image) = resume {
            return Self::resume(spec, output, image);
        }
        Ok(match output {
            OutputSpec::Seal(_) => Self::Sealed,
            OutputSpec::File { sink, schema, directory, file_number, .. }
                if !sink.partition_by.is_empty() =>
            {
                let output = FolderOutput::new(sink, &schema, directory, file_number)?;
                Self::Folders(Box::new(output))
            }
            OutputSpec::File { sink, schema, directory, file_number } => {
                let writer = FileWriter::create(
                    spec.backend,
                    Arc::clone(&directory),
                    file_number,
                    &sink.extension(),
                    sink.rolling_bytes,
                )
                .await?;
                Self::File(FileOutput::new(&sink, &schema, directory, writer)?)
            }
            OutputSpec::Stdout { format, schema, writer, is_first, is_last } => {
                writer.begin()?;
                let mut encoder = Encoder::new(&format, &schema)?;
                encoder.continue_stream(is_first, is_last);
                Self::Stdout(StdoutOutput {
                    encoder,
                    writer: Some(writer),
                    bytes: Vec::with_capacity(WRITE_BYTES),
                    bytes_out: 0,
                })
            }
            OutputSpec::Columns(writer) => Self::Columns(writer, spec.query.clone()),
        })
    }

    /// Has other cores help to encode rows of text that go to one file, once there are many.
    pub(crate) fn share(&mut self, help: Arc<DoAll>) {
        if let Self::File(file) = self
            && !file.is_rolling
        {
            file.lot = Lot::new(help, &file.encoder);
        }
    }

    /// Encodes and writes a batch; how many of its rows were written.
    pub(crate) async fn write(&mut self, batch: &Batch) -> Result<u64, PipelineError> {
        let row_count = count(batch.row_count());
        match self {
            Self::Sealed => unreachable!("a sealing processor keeps every row"),
            Self::File(file) => file.write(batch).await?,
            Self::Folders(folders) => folders.write(batch)?,
            Self::Stdout(stdout) => stdout.write(batch)?,
            Self::Columns(writer, _) => {
                poll_fn(|context| writer.poll_ready(context)).await?;
                return Ok(writer.write(batch)?);
            }
        }
        Ok(row_count)
    }

    /// Writes what is left and makes it durable; the files to publish, if there are any.
    pub(crate) async fn finish(&mut self) -> Result<Option<Delivery>, PipelineError> {
        match self {
            Self::Sealed => Ok(None),
            Self::File(file) => file.finish().await.map(Some),
            Self::Folders(folders) => folders.finish().map(Some),
            Self::Stdout(stdout) => {
                stdout.finish()?;
                Ok(None)
            }
            Self::Columns(writer, _) => {
                writer.finish()?;
                Ok(None)
            }
        }
    }

    /// Whether all that it was given is in files that are published as they are closed, or has gone elsewhere, and none is open.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Sealed | Self::Stdout(_) => true,
            Self::File(file) => {
                let is_live = file.directory.is_live() && !file.directory.is_one_file();
                is_live && file.segment_rows == 0 && file.bytes.is_empty()
            }
            Self::Folders(folders) => folders.is_empty(),
            // What it sums up is of all.
            Self::Columns(writer, _) => writer.checksum().is_none(),
        }
    }

    /// Has it end for good, in every later run too, and without a file for want of rows.
    pub(crate) fn give_up(&mut self) {
        match self {
            Self::File(file) => {
                file.has_rolled = true;
                file.writer.iter().for_each(FileWriter::give_up);
            }
            Self::Folders(folders) => folders.give_up(),
            Self::Sealed | Self::Stdout(_) | Self::Columns(..) => {}
        }
    }

    /// When the current segment is to be closed, whatever its length.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        match self {
            Self::File(file) => file.clock.closes_at(),
            Self::Folders(folders) => folders.closes_at(),
            Self::Sealed | Self::Stdout(_) | Self::Columns(..) => None,
        }
    }

    /// Closes the current segment, if it is time.
    pub(crate) async fn roll_if_due(&mut self, now: Instant) -> Result<(), PipelineError> {
        match self {
            Self::File(file) => file.roll_if_due(now).await,
            Self::Folders(folders) => folders.roll_if_due(now),
            Self::Sealed | Self::Stdout(_) | Self::Columns(..) => Ok(()),
        }
    }

    /// Ends without the rest of the results, which is no failure.
    pub(crate) fn cut_off(&mut self) {
        if let Self::Stdout(StdoutOutput { writer: Some(writer), .. }) = self {
            writer.cut_off();
        }
    }

    /// Files that have become complete since this was last asked, where they are to be published while the job
    /// runs.
    pub(crate) fn take_finished(&mut self) -> Option<Delivery> {
        match self {
            Self::File(file) => file.take_finished(),
            Self::Folders(folders) => folders.take_finished(),
            Self::Sealed | Self::Stdout(_) | Self::Columns(..) => None,
        }
    }

    /// Bytes held between turns, but for what has a bound of its own: text, at most a few writes.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::File(file) => {
                let packed = file.writer.as_ref().map_or(0, FileWriter::held_bytes);
                let waiting = file.lot.as_ref().map_or(0, Lot::held_bytes);
                count(file.encoder.held_bytes().saturating_add(packed + waiting))
            }
            Self::Folders(folders) => folders.held_bytes(),
            Self::Stdout(stdout) => count(stdout.encoder.held_bytes()),
            Self::Sealed | Self::Columns(..) => 0,
        }
    }

    /// Says how many bytes more may be held.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        if let Self::File(FileOutput { lot: Some(lot), .. }) = self {
            lot.set_room(room_bytes);
        }
    }

    /// What is held, for a message.
    pub(crate) fn held(&self) -> Held {
        let what = match self {
            Self::Folders(_) => "rows that wait for the files of their folders",
            Self::File(FileOutput { lot: Some(_), .. }) => "rows that are encoded",
            _ => "a row group that is written",
        };
        Held { what, bytes: self.held_bytes(), groups: 0 }
    }

    pub(crate) fn checksum(&self) -> Option<u64> {
        match self {
            Self::Columns(writer, _) => writer.checksum(),
            Self::Sealed | Self::File(_) | Self::Folders(_) | Self::Stdout(_) => None,
        }
    }

    pub(crate) fn bytes_out(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes_out,
            Self::Folders(folders) => folders.bytes_out(),
            Self::Stdout(stdout) => stdout.bytes_out,
            Self::Sealed | Self::Columns(..) => 0,
        }
    }
}

impl FileOutput {
    fn new(
        sink: &FileSink,
        schema: &Schema,
        directory: Arc<OutputDirectory>,
        writer: FileWriter,
    ) -> Result<Self, PipelineError> {
        let mut encoder = Encoder::new(&sink.format, schema)?;
        let writer = if encoder.pack(sink.packing) { writer } else { writer.packed(sink.packing) };
        Ok(Self {
            encoder,
            clock: SegmentClock::new(Some(&directory), sink.rolling_interval),
            directory,
            is_rolling: sink.rolling_bytes.is_some(),
            segment_rows: 0,
            has_rolled: false,
            writer: Some(writer),
            bytes: Vec::with_capacity(WRITE_BYTES * 2),
            bytes_out: 0,
            lot: None,
            ended: None,
        })
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        if self.is_rolling {
            return self.write_rolling(batch).await;
        }
        self.count(batch.row_count());
        if !self.encoder.is_text() {
            self.encoder.encode(batch, &mut self.bytes)?;
            return self.flush_if_many().await;
        }
        for piece in pieces(batch) {
            let Some(lot) = &mut self.lot else {
                self.encoder.encode(&piece, &mut self.bytes)?;
                self.flush_if_many().await?;
                continue;
            };
            lot.push(&piece);
            if lot.is_full() {
                self.write_lot().await?;
            }
        }
        Ok(())
    }

    async fn flush_if_many(&mut self) -> Result<(), PipelineError> {
        if self.bytes.len() >= WRITE_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Encodes and writes the rows that wait for it.
    async fn write_lot(&mut self) -> Result<(), PipelineError> {
        let Some(lot) = &mut self.lot else { return Ok(()) };
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        lot.encode(&mut self.encoder, &mut self.bytes)?;
        for bytes in std::iter::once(&self.bytes).chain(lot.bytes()) {
            writer.write(bytes).await?;
        }
        lot.clear();
        self.bytes_out = writer.byte_count();
        self.bytes.clear();
        Ok(())
    }

    /// Counts rows of the current segment.
    fn count(&mut self, row_count: usize) {
        self.segment_rows += row_count;
        if row_count > 0 {
            self.clock.begin();
        }
    }

    /// Asks after every so many rows of a segment whether it is long enough, so that where it ends
    /// depends on its rows and not on how they were cut into batches.
    async fn write_rolling(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        let mut start = 0;
        while start < batch.row_count() {
            let until_asked = ROLL_ROWS - self.segment_rows % ROLL_ROWS;
            let row_count = until_asked.min(batch.row_count() - start);
            self.encode_slice(&batch.slice(start, row_count)).await?;
            start += row_count;
            self.count(row_count);
            let writer = self.writer.as_mut().expect("it stays until the output is finished");
            if self.segment_rows.is_multiple_of(ROLL_ROWS)
                && writer.wants_roll(self.encoder.coming_bytes())
            {
                self.roll().await?;
            }
        }
        Ok(())
    }

    /// Encodes and writes rows between two looks at the length of the segment.
    async fn encode_slice(&mut self, rows: &Batch) -> Result<(), PipelineError> {
        let is_text = self.encoder.is_text();
        for piece in if is_text { pieces(rows) } else { vec![rows.clone()] } {
            self.encoder.encode(&piece, &mut self.bytes)?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn roll_if_due(&mut self, now: Instant) -> Result<(), PipelineError> {
        if self.clock.take_due(now) { self.roll().await } else { Ok(()) }
    }

    /// Closes the current segment; the next row begins another.
    async fn roll(&mut self) -> Result<(), PipelineError> {
        self.write_lot().await?;
        self.encoder.finish(&mut self.bytes)?;
        self.flush().await?;
        let writer = self.writer.as_mut().expect("it stays until the output is finished");
        writer.roll().await?;
        self.clock.end();
        (self.segment_rows, self.has_rolled) = (0, true);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        writer.write(&self.bytes).await?;
        self.bytes_out = writer.byte_count();
        self.bytes.clear();
        Ok(())
    }

    fn take_finished(&mut self) -> Option<Delivery> {
        let finished = self.writer.as_mut()?.take_finished()?;
        Some(Delivery { directory: Arc::clone(&self.directory), finished, part: None })
    }

    async fn finish(&mut self) -> Result<Delivery, PipelineError> {
        self.write_lot().await?;
        let restored = self.ended.take();
        // An output without rows is one file without rows; behind others there is none.
        if restored.is_none() && (self.segment_rows > 0 || !self.has_rolled) {
            self.encoder.finish(&mut self.bytes)?;
            self.flush().await?;
        }
        let mut writer = self.writer.take().expect("an output is finished once");
        let finished = writer.end().await?;
        self.bytes_out = writer.byte_count();
        let part = match restored {
            Some(restored) => restored.part,
            None => self.directory.is_one_file().then(|| self.encoder.take_part()),
        };
        if let Some(image) = writer.end_image() {
            let image = self.ended_image(image, part.as_ref())?;
            self.ended = Some(Ended { image, part: None });
        }
        Ok(Delivery { directory: Arc::clone(&self.directory), finished, part })
    }
}

impl Drop for FileOutput {
    fn drop(&mut self) {
        // Of a job that failed; one that ended has taken the writer.
        if let Some(writer) = &mut self.writer {
            writer.salvage(&self.bytes);
        }
    }
}

impl StdoutOutput {
    fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        if !self.encoder.is_text() {
            self.encoder.encode(batch, &mut self.bytes)?;
            return self.flush();
        }
        for piece in pieces(batch) {
            self.encoder.encode(&piece, &mut self.bytes)?;
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        writer.write(&self.bytes)?;
        self.bytes_out += count(self.bytes.len());
        self.bytes.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PipelineError> {
        self.encoder.finish(&mut self.bytes)?;
        self.flush()?;
        let writer = self.writer.take().expect("an output is finished once");
        Ok(writer.finish()?)
    }
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}
