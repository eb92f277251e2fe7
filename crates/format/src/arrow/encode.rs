//! Batches to an Arrow IPC stream.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use tidemill_record::{Batch, Schema};

use crate::FormatError;
use crate::coalesce::Coalescer;

/// Encodes segments that are one stream each.
pub(crate) struct ArrowEncoder {
    schema: SchemaRef,
    coalescer: Coalescer,
    /// Writes into a buffer that is emptied after each call; `None` between segments.
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl ArrowEncoder {
    pub(crate) fn new(schema: &Schema) -> Self {
        let schema = schema.arrow();
        Self { coalescer: Coalescer::new(schema.clone()), schema, writer: None }
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.push(batch).map_err(refused)? {
            self.write(&rows, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if let Some(rows) = self.coalescer.take().map_err(refused)? {
            self.write(&rows, out)?;
        }
        let writer = self.writer()?;
        writer.finish().map_err(refused)?;
        out.append(writer.get_mut());
        self.writer = None;
        Ok(())
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.coalescer.held_bytes()
    }

    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let writer = self.writer()?;
        writer.write(rows).map_err(refused)?;
        out.append(writer.get_mut());
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut StreamWriter<Vec<u8>>, FormatError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => StreamWriter::try_new(Vec::new(), &self.schema).map_err(refused)?,
        };
        Ok(self.writer.insert(writer))
    }
}

fn refused(source: ArrowError) -> FormatError {
    FormatError::Arrow { what: "writing Arrow IPC".to_owned(), position: 0, source }
}
