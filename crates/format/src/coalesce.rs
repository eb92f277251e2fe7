//! Batches of any size to record batches of one size, so that the bytes of an Arrow or Parquet file
//! depend on its rows alone and not on how they came.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::concat::concat;
use std::sync::Arc;
use tidemill_record::{Batch, Columns, Schema};

use crate::arrow::written::{join, reach, written_schema};

/// Rows of every record batch but a segment's last, and but those that offsets of 32 bits do not reach.
const ROWS: usize = 8192;

/// How far offsets of 32 bits reach.
const REACH_MAX: usize = i32::MAX as usize;

/// So many pieces wait at most before they are copied into one: each may keep input that was read
/// from being used again, however few of its rows are left.
const PIECES_MAX: usize = 32;

/// So many bytes of such input may be kept.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// How text and bytes stand in what is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// As they come.
    Views,
    /// As files have them, where offsets reach so far at most.
    Offsets { reach_max: usize },
}

/// Rows waiting until there are enough of them.
pub(crate) struct Coalescer {
    /// Of what is given out.
    schema: SchemaRef,
    layout: Layout,
    pending: Vec<Columns>,
    /// Rows in `pending`, fewer than [`ROWS`] between calls.
    row_count: usize,
    /// Bytes that `pending` keeps from being used again, about.
    kept_bytes: usize,
}

impl Coalescer {
    /// Gives out columns as the engine has them.
    pub(crate) fn of_views(schema: &Schema) -> Self {
        Self::new(schema.arrow(), Layout::Views)
    }

    /// Gives out columns of [`written_schema`].
    pub(crate) fn of_offsets(schema: &Schema) -> Self {
        Self::new(written_schema(schema), Layout::Offsets { reach_max: REACH_MAX })
    }

    fn new(schema: SchemaRef, layout: Layout) -> Self {
        Self { schema, layout, pending: Vec::new(), row_count: 0, kept_bytes: 0 }
    }

    /// Of what is given out.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether no row waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.row_count == 0
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
    pub(crate) fn take(&mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut taken = Vec::new();
        let row_count = std::mem::take(&mut self.row_count);
        let pending = std::mem::take(&mut self.pending);
        self.kept_bytes = 0;
        if row_count > 0 {
            self.give_out(pending, row_count, &mut taken)?;
        }
        Ok(taken)
    }

    /// Makes one record batch of pieces, or two of half as many rows each where offsets do not reach.
    fn give_out(
        &self,
        mut pieces: Vec<Columns>,
        row_count: usize,
        out: &mut Vec<RecordBatch>,
    ) -> Result<(), ArrowError> {
        let indices = 0..self.schema.fields().len();
        let of = |index: usize| pieces.iter().map(move |piece| &*piece[index]);
        if let Layout::Offsets { reach_max } = self.layout {
            let farthest = indices.clone().map(|index| of(index).map(reach).sum::<usize>()).max();
            if farthest.is_some_and(|farthest| farthest > reach_max) {
                if row_count == 1 {
                    return Err(ArrowError::ComputeError(format!(
                        "a value of more than {reach_max} bytes or items; Arrow files have none"
                    )));
                }
                let rest = split_off(&mut pieces, row_count / 2);
                self.give_out(pieces, row_count / 2, out)?;
                return self.give_out(rest, row_count - row_count / 2, out);
            }
        }
        let column = |index: usize| {
            let parts: Vec<&dyn Array> = of(index).collect();
            match self.layout {
                Layout::Views => concat(&parts).map(|column| compact(&column)),
                Layout::Offsets { .. } => join(&parts),
            }
        };
        let columns = indices.map(column).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        out.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
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

/// Leaves the first rows of pieces where they are, and gives the others.
fn split_off(pieces: &mut Vec<Columns>, row_count: usize) -> Vec<Columns> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut left = row_count;
    for piece in pieces.drain(..) {
        let len = piece.first().map_or(0, |column| column.len());
        let taken = left.min(len);
        left -= taken;
        for (part, start, len) in [(&mut first, 0, taken), (&mut rest, taken, len - taken)] {
            if len > 0 {
                part.push(piece.iter().map(|column| column.slice(start, len)).collect::<Columns>());
            }
        }
    }
    *pieces = first;
    rest
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

    use arrow_array::types::Int32Type;
    use arrow_array::{ListArray, StringArray, StringViewArray, UInt64Array};
    use tidemill_record::{DataType, Field};

    use super::*;

    #[test]
    fn the_cuts_of_the_input_do_not_show() {
        let schema = Schema::new(vec![Field::nullable("s", DataType::Varchar)]);
        let texts: Vec<String> =
            (0..20_000).map(|i| format!("a text of some length {i}")).collect();
        let whole: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        let offsets = UInt64Array::from_iter_values(0..20_000);
        let batch = Batch::new(vec![whole], offsets);
        let run = |rows: usize| {
            let mut coalescer = Coalescer::of_views(&schema);
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
        let mut coalescer = Coalescer::of_views(&schema);
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
        let rows = coalescer.take().unwrap().remove(0);
        assert_eq!(rows.num_rows(), 500);
        let numbers = rows.column(1).as_primitive::<arrow_array::types::Int64Type>();
        assert!(numbers.values().iter().copied().eq(0..500));
        assert!(rows.column(0).as_string_view().iter().all(|text| text == Some(&*"x".repeat(40))));
    }

    /// What a coalescer of offsets makes of pieces of one column that come one behind the other.
    fn with_offsets(
        data_type: DataType,
        pieces: &[ArrayRef],
        reach_max: usize,
    ) -> Vec<RecordBatch> {
        let schema = written_schema(&Schema::new(vec![Field::nullable("x", data_type)]));
        let mut coalescer = Coalescer::new(schema, Layout::Offsets { reach_max });
        let mut out = Vec::new();
        for piece in pieces {
            let offsets = UInt64Array::from_iter_values(0..piece.len() as u64);
            out.extend(coalescer.push(&Batch::new(vec![Arc::clone(piece)], offsets)).unwrap());
        }
        out.extend(coalescer.take().unwrap());
        out
    }

    #[test]
    fn text_of_pieces_stands_behind_offsets() {
        let long = "longer than a view has room for".repeat(3);
        let values = [Some("é"), None, Some(""), Some(&*long), Some("b"), None];
        let whole: ArrayRef = Arc::new(values.iter().copied().collect::<StringViewArray>());
        let pieces = [whole.slice(1, 3), whole.slice(4, 1), whole.slice(4, 2)];
        let rows = with_offsets(DataType::Varchar, &pieces, REACH_MAX);
        let expected: StringArray =
            [None, Some(""), Some(&*long), Some("b"), Some("b"), None].into_iter().collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].column(0).as_string::<i32>(), &expected);
        assert!(rows[0].column(0).to_data().validate_full().is_ok());
    }

    #[test]
    fn text_in_lists_stands_behind_offsets_too() {
        let items: StringViewArray = ["a", "bb", "c", "d"].into_iter().map(Some).collect();
        let field = arrow_schema::Field::new_list_field(arrow_schema::DataType::Utf8View, true);
        let offsets = arrow_buffer::OffsetBuffer::new(vec![0, 1, 1, 3, 4].into());
        let nulls = Some(vec![true, false, true, true].into());
        let list = ListArray::new(Arc::new(field), offsets, Arc::new(items), nulls);
        let array = DataType::Array(Box::new(DataType::Varchar));
        let rows = with_offsets(array, &[Arc::new(list.slice(1, 3))], REACH_MAX);
        let list = rows[0].column(0).as_list::<i32>();
        assert!(list.is_null(0));
        let texts = |row: usize| {
            let items = list.value(row);
            let texts = items.as_string::<i32>().iter().flatten().map(str::to_owned);
            texts.collect::<Vec<_>>()
        };
        assert_eq!(
            (texts(1), texts(2)),
            (vec!["bb".to_owned(), "c".to_owned()], vec!["d".to_owned()])
        );
    }

    #[test]
    fn record_batches_end_where_offsets_do() {
        let texts: Vec<String> = (0..11).map(|i| "x".repeat(i)).collect();
        let whole: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        let array = DataType::Array(Box::new(DataType::Integer));
        let lists = |counts: &[i32]| -> ArrayRef {
            let list = |&count: &i32| Some((0..count).map(Some).collect::<Vec<_>>());
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(counts.iter().map(list)))
        };
        for pieces in [vec![whole.clone()], vec![whole.slice(0, 3), whole.slice(3, 8)]] {
            let rows = with_offsets(DataType::Varchar, &pieces, 20);
            // 55 bytes; 10 in the first five rows, 45 in the others, then 18 in three of those and 27 in three.
            let row_counts: Vec<usize> = rows.iter().map(RecordBatch::num_rows).collect();
            assert_eq!(row_counts, [5, 3, 1, 2]);
            let read = rows.iter().flat_map(|rows| rows.column(0).as_string::<i32>());
            assert!(read.flatten().eq(texts.iter().map(String::as_str)));
        }
        let rows = with_offsets(array.clone(), &[lists(&[3, 2, 4])], 5);
        assert_eq!(rows.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1, 1]);
        let schema = written_schema(&Schema::new(vec![Field::nullable("x", array)]));
        let mut coalescer = Coalescer::new(schema, Layout::Offsets { reach_max: 5 });
        coalescer.push(&Batch::new(vec![lists(&[6])], UInt64Array::from(vec![0]))).unwrap();
        assert!(coalescer.take().unwrap_err().to_string().contains("more than 5 bytes or items"));
    }
}
