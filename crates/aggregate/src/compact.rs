//! Copies of rows that stand on their own: kept rows must not hold an input's buffers in memory.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, UInt32Array, UInt64Array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::take::take;
use tidemill_record::Batch;

/// Copies the chosen rows, in that order.
pub(crate) fn copy_rows(batch: &Batch, rows: &UInt32Array) -> Batch {
    let columns = batch.columns().iter().map(|column| copy_column(column, rows)).collect();
    let offsets = rows.values().iter().map(|&row| batch.offsets().value(row as usize));
    Batch::new(columns, offsets.collect::<Vec<u64>>().into())
}

/// Copies the first `row_count` rows.
pub(crate) fn copy_first(batch: &Batch, row_count: usize) -> Batch {
    let rows: UInt32Array = (0..).take(row_count).collect::<Vec<u32>>().into();
    copy_rows(batch, &rows)
}

/// One batch of the rows of several, in order, with its own buffers. `None` of no batches.
pub(crate) fn join_copies(batches: &[Batch]) -> Option<Batch> {
    let first = batches.first()?;
    let columns = (0..first.columns().len()).map(|at| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| &**batch.column(at)).collect();
        own_views(&concat(&arrays).expect("batches of one input have the same types"))
    });
    let offsets: Vec<u64> =
        batches.iter().flat_map(|batch| batch.offsets().values().iter().copied()).collect();
    Some(Batch::new(columns.collect(), UInt64Array::from(offsets)))
}

/// Bytes a batch of copies holds.
pub(crate) fn batch_bytes(batch: &Batch) -> u64 {
    let columns: usize = batch.columns().iter().map(|array| array.get_array_memory_size()).sum();
    (columns + batch.row_count() * size_of::<u64>()) as u64
}

fn copy_column(column: &ArrayRef, rows: &UInt32Array) -> ArrayRef {
    own_views(&take(column, rows, None).expect("row numbers are within the batch"))
}

/// Gives text and bytes buffers of their own; other types have them after `take` and `concat`.
fn own_views(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let values = own_views(list.values());
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::new(Arc::clone(field), offsets, values, nulls))
        }
        _ => Arc::clone(array),
    }
}
