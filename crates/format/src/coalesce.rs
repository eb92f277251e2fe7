//! Batches of any size to record batches of one size, so that the bytes of an Arrow or Parquet file
//! depend on its rows alone and not on how they came.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::concat::concat;
use std::sync::Arc;
use tidemill_record::Batch;

/// Rows of every record batch but a segment's last.
const ROWS: usize = 8192;

/// Rows waiting until there are enough of them.
pub(crate) struct Coalescer {
    schema: SchemaRef,
    pending: Vec<Batch>,
    /// Rows in `pending`, fewer than [`ROWS`] between calls.
    row_count: usize,
}

impl Coalescer {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, pending: Vec::new(), row_count: 0 }
    }

    /// Takes in a batch and gives out every record batch that is full.
    pub(crate) fn push(&mut self, batch: &Batch) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut full = Vec::new();
        let mut start = 0;
        while start < batch.row_count() {
            let taken = (ROWS - self.row_count).min(batch.row_count() - start);
            self.pending.push(batch.slice(start, taken));
            self.row_count += taken;
            start += taken;
            if self.row_count == ROWS {
                full.extend(self.take()?);
            }
        }
        Ok(full)
    }

    /// What is left, at the end of a segment.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.row_count == 0 {
            return Ok(None);
        }
        let row_count = std::mem::take(&mut self.row_count);
        let pending = std::mem::take(&mut self.pending);
        let columns = (0..self.schema.fields().len())
            .map(|index| {
                let parts: Vec<_> = pending.iter().map(|batch| &**batch.column(index)).collect();
                concat(&parts).map(|column| compact(&column))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map(Some)
    }
}

/// Views into input buffers would take those buffers along whole: copies only the text in view.
fn compact(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arrow_array::{StringViewArray, UInt64Array};
    use tidemill_record::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn the_cuts_of_the_input_do_not_show() {
        let schema = Schema::new(vec![Field::nullable("s", DataType::Varchar)]).arrow();
        let texts: Vec<String> =
            (0..20_000).map(|i| format!("a text of some length {i}")).collect();
        let whole: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        let offsets = UInt64Array::from_iter_values(0..20_000);
        let batch = Batch::new(vec![whole], offsets);
        let run = |rows: usize| {
            let mut coalescer = Coalescer::new(Arc::clone(&schema));
            let mut out = Vec::new();
            for start in (0..20_000).step_by(rows) {
                let slice = batch.slice(start, rows.min(20_000 - start));
                out.extend(coalescer.push(&slice).unwrap());
            }
            out.extend(coalescer.take().unwrap());
            out
        };
        let expected = run(20_000);
        assert_eq!(
            expected.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
            [8192, 8192, 3616]
        );
        for rows in [1, 7, 1000, 8191, 8192, 8193] {
            assert_eq!(run(rows), expected, "{rows}");
        }
        let text = expected[2].column(0).as_string_view();
        let held: usize = text.data_buffers().iter().map(|buffer| buffer.len()).sum();
        assert_eq!(held, texts[16_384..].iter().map(String::len).sum::<usize>());
    }
}
