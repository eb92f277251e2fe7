//! Batches to Arrow IPC: a file, which ends in a footer, or a stream.

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::ArrowError;
use tidemill_plan::{ArrowForm, Codec, Packing};
use tidemill_record::{Batch, Image, ImageError, Schema};

use super::part::ArrowPart;
use crate::FormatError;
use crate::coalesce::Coalescer;

/// Encodes segments that are one file or one stream each.
pub(crate) struct ArrowEncoder {
    form: ArrowForm,
    packing: Packing,
    /// What of a stream is left out: its schema, where another has written it, and its end, where another goes on.
    leaves_out: LeavesOut,
    coalescer: Coalescer,
    /// Writes into a buffer that is emptied after each call; `None` between segments.
    writer: Option<Writer>,
    /// Of the segment at hand, or the one that was finished last.
    part: ArrowPart,
}

/// See [`ArrowEncoder::leaves_out`].
#[derive(Clone, Copy, Default)]
struct LeavesOut {
    head: bool,
    end: bool,
}

/// One for each form.
enum Writer {
    File(FileWriter<Vec<u8>>),
    Stream(StreamWriter<Vec<u8>>),
}

impl ArrowEncoder {
    pub(crate) fn new(form: ArrowForm, schema: &Schema) -> Self {
        let part = ArrowPart::behind(0, None);
        let coalescer = Coalescer::of_offsets(schema);
        Self {
            form,
            packing: Packing::NONE,
            leaves_out: LeavesOut::default(),
            coalescer,
            writer: None,
            part,
        }
    }

    /// Compresses the buffers of record batches.
    pub(crate) fn pack(&mut self, packing: Packing) {
        self.packing = packing;
    }

    /// Makes a piece of a stream that several encoders write.
    pub(crate) fn continue_stream(&mut self, is_first: bool, is_last: bool) {
        self.leaves_out = LeavesOut { head: !is_first, end: !is_last };
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.push(batch).map_err(refused)? {
            self.write(&rows, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.flush(out)?;
        let mut writer = self.begun(out)?;
        writer.finish().map_err(refused)?;
        if !self.leaves_out.end {
            out.append(writer.bytes());
        }
        Ok(())
    }

    /// Appends the rows that wait for a record batch to be full.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.take().map_err(refused)? {
            self.write(&rows, out)?;
        }
        Ok(())
    }

    /// Whether the segment has a head, or a row.
    pub(crate) fn has_begun(&self) -> bool {
        self.writer.is_some() || !self.coalescer.is_empty()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.coalescer.held_bytes()
    }

    /// A part that an encoder like this one has written, from its image.
    pub(crate) fn part_of(&self, image: Image) -> Result<ArrowPart, ImageError> {
        let schema = self.coalescer.schema();
        ArrowPart::import(image, (self.form == ArrowForm::File).then(|| schema.clone()))
    }

    /// What there is to know of the segment that was finished last.
    pub(crate) fn part(&self) -> ArrowPart {
        self.part.clone()
    }

    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut writer = self.begun(out)?;
        let start = out.len();
        writer.write(rows).map_err(refused)?;
        out.append(writer.bytes());
        self.part.add(&out[start..]);
        self.writer = Some(writer);
        Ok(())
    }

    /// Takes the writer; of a segment that has not begun it writes the head.
    fn begun(&mut self, out: &mut Vec<u8>) -> Result<Writer, FormatError> {
        if let Some(writer) = self.writer.take() {
            return Ok(writer);
        }
        let schema = self.coalescer.schema();
        let mut writer = Writer::begin(self.form, self.packing, schema).map_err(refused)?;
        let listed = (self.form == ArrowForm::File).then(|| schema.clone());
        self.part = ArrowPart::behind(writer.bytes().len(), listed);
        if self.leaves_out.head {
            writer.bytes().clear();
        }
        out.append(writer.bytes());
        Ok(writer)
    }
}

impl Writer {
    fn begin(
        form: ArrowForm,
        packing: Packing,
        schema: &arrow_schema::Schema,
    ) -> Result<Self, ArrowError> {
        let codec = match packing.codec {
            Codec::None => None,
            Codec::Lz4 => Some(CompressionType::LZ4_FRAME),
            Codec::Zstd => Some(CompressionType::ZSTD),
            Codec::Snappy | Codec::Gzip => unreachable!("the binder refuses it for Arrow"),
        };
        let level = packing.level.and_then(|level| i32::try_from(level).ok());
        let options = IpcWriteOptions::default().try_with_compression(codec)?;
        let options = options.try_with_compression_level(level)?;
        let out = Vec::new();
        Ok(match form {
            ArrowForm::File => Self::File(FileWriter::try_new_with_options(out, schema, options)?),
            ArrowForm::Stream => {
                Self::Stream(StreamWriter::try_new_with_options(out, schema, options)?)
            }
        })
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Self::File(writer) => writer.write(rows),
            Self::Stream(writer) => writer.write(rows),
        }
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        match self {
            Self::File(writer) => writer.finish(),
            Self::Stream(writer) => writer.finish(),
        }
    }

    /// What was written since this was emptied.
    fn bytes(&mut self) -> &mut Vec<u8> {
        match self {
            Self::File(writer) => writer.get_mut(),
            Self::Stream(writer) => writer.get_mut(),
        }
    }
}

fn refused(source: ArrowError) -> FormatError {
    FormatError::Arrow { what: "writing Arrow IPC".to_owned(), position: 0, source }
}
