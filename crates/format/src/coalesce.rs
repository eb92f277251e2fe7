//! Batches of any size to record batches of one size, so that the bytes of an Arrow or Parquet file
//! depend on its rows alone and not on how they came.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::concat::concat;
use std::sync::Arc;
use tidemill_record::{Batch, Columns};

/// Rows of every record batch but a segment's last.
const ROWS: usize = 8192;

/// So many pieces wait at most before they are copied into one: each may keep input that was read
/// from being used again, however few of its rows are left.
const PIECES_MAX: usize = 32;

/// So many bytes of such input may be kept.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Rows waiting until there are enough of them.
pub(crate) struct Coalescer {
    schema: SchemaRef,
    pending: Vec<Columns>,
    /// Rows in `pending`, fewer than [`ROWS`] between calls.
    row_count: usize,
    /// Bytes that `pending` keeps from being used again, about.
    kept_bytes: usize,
}

impl Coalescer {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, pending: Vec::new(), row_count: 0, kept_bytes: 0 }
    }

    /// Takes in a batch and gives out every record batch that is full.
    pub(crate) fn push(&mut self, batch: &Batch) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut full = Vec::new();
        let mut start = 0;
        while start < batch.row_count() {
            let taken = (ROWS - self.row_count).min(batch.row_count() - start);
            let (columns, _) = batch.slice(start, taken).into_parts();
            self.kept_bytes += kept_bytes(&columns);
            self.pending.push(columns);
            self.row_count += taken;
            start += taken;
            if self.row_count == ROWS {
                full.extend(self.take()?);
            }
        }
        if self.pending.len() > PIECES_MAX || self.kept_bytes > KEPT_BYTES_MAX {
            self.copy_pending()?;
        }
        assert!(self.row_count < ROWS, "full record batches are given out");
        Ok(full)
    }

    /// What is left, at the end of a segment.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.row_count == 0 {
            return Ok(None);
        }
        let row_count = std::mem::take(&mut self.row_count);
        let pending = std::mem::take(&mut self.pending);
        self.kept_bytes = 0;
        let columns = (0..self.schema.fields().len())
            .map(|index| {
                let parts: Vec<_> = pending.iter().map(|piece| &*piece[index]).collect();
                concat(&parts).map(|column| compact(&column))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map(Some)
    }

    /// Bytes held, about.
    pub(crate) fn held_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Makes one piece of what waits, which holds its own values and nothing else.
    fn copy_pending(&mut self) -> Result<(), ArrowError> {
        let copied = (0..self.schema.fields().len())
            .map(|index| {
                let mut parts: Vec<_> = self.pending.iter().map(|piece| &*piece[index]).collect();
                // Of a single part, `concat` gives the part itself.
                let nothing = new_empty_array(parts[0].data_type());
                parts.push(&*nothing);
                concat(&parts).map(|column| compact(&column))
            })
            .collect::<Result<Columns, _>>()?;
        // What the copy takes is no more than a full record batch would.
        self.kept_bytes = 0;
        self.pending.clear();
        self.pending.push(copied);
        Ok(())
    }
}

/// Bytes of buffers that a piece's columns view, and of their own.
fn kept_bytes(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|column| column.get_buffer_memory_size()).max().unwrap_or(0)
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

    #[test]
    fn few_rows_of_many_batches_do_not_keep_the_input() {
        let schema = Schema::new(vec![
            Field::nullable("s", DataType::Varchar),
            Field::nullable("i", DataType::BigInt),
        ]);
        let mut coalescer = Coalescer::new(schema.arrow());
        let mut weak = Vec::new();
        for i in 0..500 {
            let frame = arrow_buffer::Buffer::from_vec(vec![b'x'; 1 << 16]);
            let views = vec![arrow_data::ByteView::new(40, b"xxxx").as_u128(); 1];
            let text = StringViewArray::try_new(views.into(), Arc::from([frame]), None).unwrap();
            let text: ArrayRef = Arc::new(text);
            weak.push(Arc::downgrade(&text));
            let numbers: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![i]));
            let offsets = UInt64Array::from(vec![0]);
            coalescer.push(&Batch::new(vec![text, numbers], offsets)).unwrap();
            assert!(coalescer.held_bytes() <= KEPT_BYTES_MAX);
            let alive = weak.iter().filter(|text| text.strong_count() > 0).count();
            assert!(alive <= PIECES_MAX, "{alive} of {i}");
        }
        let rows = coalescer.take().unwrap().unwrap();
        assert_eq!(rows.num_rows(), 500);
        let numbers = rows.column(1).as_primitive::<arrow_array::types::Int64Type>();
        assert!(numbers.values().iter().copied().eq(0..500));
        assert!(rows.column(0).as_string_view().iter().all(|text| text == Some(&*"x".repeat(40))));
    }
}
