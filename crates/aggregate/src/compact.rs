//! Copies of rows that stand on their own: kept rows must not hold an input's buffers in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray, UInt32Array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use smallvec::SmallVec;
use tidemill_record::recycled::{Room, Rows, pick};
use tidemill_record::{Batch, Columns};

/// Copies the chosen rows, in that order.
pub(crate) fn copy_rows(batch: &Batch, rows: &[u32]) -> Batch {
    let copy = |array: &dyn Array| {
        let picked = pick(&[array], Rows::Of(rows)).unwrap_or_else(|| {
            let rows = UInt32Array::from(rows.to_vec());
            take(array, &rows, None).expect("row numbers are within the batch")
        });
        own_views(&picked)
    };
    let columns: Columns = batch.columns().iter().map(|column| copy(&**column)).collect();
    Batch::new(columns, copy(batch.offsets()).as_primitive().clone())
}

/// Room for so many texts. Blocks of the builder's own choice begin at some KiB: of the few rows of each of many
/// windows that would be nearly all.
pub(crate) fn room_for_texts(row_count: usize) -> BinaryViewBuilder {
    const FEW_ROWS: usize = 64;
    const ROW_BYTES: u32 = 64;
    let builder = BinaryViewBuilder::with_capacity(row_count);
    match u32::try_from(row_count) {
        Ok(few) if row_count < FEW_ROWS => builder.with_fixed_block_size((few * ROW_BYTES).max(1)),
        _ => builder,
    }
}

/// So many times the same value.
pub(crate) fn repeated<T: ArrowPrimitiveType>(value: T::Native, row_count: usize) -> ArrayRef {
    let mut room = Room::default();
    room.reserve_exact(row_count);
    room.extend(std::iter::repeat_n(value, row_count));
    room.finish::<T>(None)
}

/// Copies the first `row_count` rows.
pub(crate) fn copy_first(batch: &Batch, row_count: usize) -> Batch {
    copy_rows(batch, &(0..).take(row_count).collect::<Vec<u32>>())
}

/// One batch of the rows of several, in order, with its own buffers. `None` of no batches.
pub(crate) fn join_copies(batches: &[Batch]) -> Option<Batch> {
    let first = batches.first()?;
    let join = |arrays: &[&dyn Array]| {
        let joined = pick(arrays, Rows::All)
            .unwrap_or_else(|| concat(arrays).expect("batches of one input have the same types"));
        own_views(&joined)
    };
    let columns = (0..first.columns().len()).map(|at| join(&column_of(batches, at)));
    let columns: Columns = columns.collect();
    Some(Batch::new(columns, join(&offsets_of(batches)).as_primitive().clone()))
}

/// Rows that follow each other; views may point into the batch's. They are copied where memory comes back,
/// since a slice of an array is an allocation.
pub(crate) fn rows_in(batch: &Batch, rows: Range<usize>) -> Batch {
    if rows == (0..batch.row_count()) {
        return batch.clone();
    }
    let runs = [rows.clone()];
    let part = |array: &dyn Array| {
        pick(&[array], Rows::Runs(&runs)).unwrap_or_else(|| array.slice(rows.start, rows.len()))
    };
    let columns: Columns = batch.columns().iter().map(|column| part(&**column)).collect();
    let watermarks = batch.watermarks().map(|all| all.slice(rows.start, rows.len()));
    Batch::new(columns, part(batch.offsets()).as_primitive().clone()).with_watermarks(watermarks)
}

/// One batch of rows of several, each given as batch and row; views may point into theirs.
pub(crate) fn woven(batches: &[Batch], places: &[(usize, usize)]) -> Batch {
    let offsets = woven_array(&offsets_of(batches), places);
    Batch::new(woven_columns(batches, places), offsets.as_primitive().clone())
}

/// The same, all at one offset.
pub(crate) fn woven_at(batches: &[Batch], places: &[(usize, usize)], offset: u64) -> Batch {
    let offsets = repeated::<UInt64Type>(offset, places.len());
    Batch::new(woven_columns(batches, places), offsets.as_primitive().clone())
}

fn woven_columns(batches: &[Batch], places: &[(usize, usize)]) -> Columns {
    let column_count = batches[0].columns().len();
    (0..column_count).map(|at| woven_array(&column_of(batches, at), places)).collect()
}

fn woven_array(arrays: &[&dyn Array], places: &[(usize, usize)]) -> ArrayRef {
    pick(arrays, Rows::Among(places)).unwrap_or_else(|| {
        interleave(arrays, places).expect("places are within batches of the same types")
    })
}

/// One array of each of some batches.
type Arrays<'a> = SmallVec<[&'a dyn Array; 8]>;

fn column_of(batches: &[Batch], at: usize) -> Arrays<'_> {
    batches.iter().map(|batch| &**batch.column(at)).collect()
}

fn offsets_of(batches: &[Batch]) -> Arrays<'_> {
    batches.iter().map(|batch| batch.offsets() as &dyn Array).collect()
}

/// Bytes a batch of copies holds.
pub(crate) fn batch_bytes(batch: &Batch) -> u64 {
    let columns: usize = batch.columns().iter().map(|array| array.get_array_memory_size()).sum();
    (columns + batch.row_count() * size_of::<u64>()) as u64
}

/// Gives text and bytes buffers of their own; other types have them after `take` and `concat`.
pub(crate) fn own_views(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View if array.as_string_view().data_buffers().is_empty() => Arc::clone(array),
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
