//! Batches to an Arrow IPC stream.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use tidemill_record::{Batch, Schema};

use crate::FormatError;

/// Encodes segments that are one stream each.
pub(crate) struct ArrowEncoder {
    schema: SchemaRef,
    /// Writes into a buffer that is emptied after each call; `None` between segments.
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl ArrowEncoder {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self { schema: nullable(schema), writer: None }
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let rows = record_batch(&self.schema, batch).map_err(refused)?;
        let writer = self.writer()?;
        writer.write(&rows).map_err(refused)?;
        out.append(writer.get_mut());
        Ok(())
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let writer = self.writer()?;
        writer.finish().map_err(refused)?;
        out.append(writer.get_mut());
        self.writer = None;
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

/// The batch under the schema's names.
pub(crate) fn record_batch(schema: &SchemaRef, batch: &Batch) -> Result<RecordBatch, ArrowError> {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.row_count()));
    RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
}

/// The schema as it is written.
pub(crate) fn nullable(schema: &Schema) -> SchemaRef {
    schema.arrow()
}

fn refused(source: ArrowError) -> FormatError {
    FormatError::Arrow { what: "writing Arrow IPC".to_owned(), position: 0, source }
}
