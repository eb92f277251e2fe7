//! Batches to Arrow IPC: a file, which ends in a footer, or a stream.

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::ArrowError;
use tidemill_plan::ArrowForm;
use tidemill_record::{Batch, Schema};

use crate::FormatError;
use crate::coalesce::Coalescer;

/// Encodes segments that are one file or one stream each.
pub(crate) struct ArrowEncoder {
    form: ArrowForm,
    coalescer: Coalescer,
    /// Writes into a buffer that is emptied after each call; `None` between segments.
    writer: Option<Writer>,
}

/// One for each form.
enum Writer {
    File(FileWriter<Vec<u8>>),
    Stream(StreamWriter<Vec<u8>>),
}

impl ArrowEncoder {
    pub(crate) fn new(form: ArrowForm, schema: &Schema) -> Self {
        Self { form, coalescer: Coalescer::of_offsets(schema), writer: None }
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.push(batch).map_err(refused)? {
            self.write(&rows, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.take().map_err(refused)? {
            self.write(&rows, out)?;
        }
        let writer = self.writer()?;
        writer.finish().map_err(refused)?;
        out.append(writer.bytes());
        self.writer = None;
        Ok(())
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.coalescer.held_bytes()
    }

    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let writer = self.writer()?;
        writer.write(rows).map_err(refused)?;
        out.append(writer.bytes());
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut Writer, FormatError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => Writer::begin(self.form, self.coalescer.schema()).map_err(refused)?,
        };
        Ok(self.writer.insert(writer))
    }
}

impl Writer {
    fn begin(form: ArrowForm, schema: &arrow_schema::Schema) -> Result<Self, ArrowError> {
        Ok(match form {
            ArrowForm::File => Self::File(FileWriter::try_new(Vec::new(), schema)?),
            ArrowForm::Stream => Self::Stream(StreamWriter::try_new(Vec::new(), schema)?),
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
