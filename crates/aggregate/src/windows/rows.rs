//! Rows of windows: groups with the bounds of their window beside the key.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, TimestampMicrosecondType, UInt64Type};
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use tidemill_record::recycled::Room;
use tidemill_record::{Batch, Columns};

use crate::compact::rows_in;
use crate::windows::bounds::Bounds;
use crate::{AggTable, AggregateError};

/// Rows that leave at a time.
pub(crate) const BATCH_ROWS: usize = 8192;

/// So many times the same value.
fn repeated<T: ArrowPrimitiveType>(value: T::Native, row_count: usize) -> ArrayRef {
    let mut room = Room::default();
    room.reserve_exact(row_count);
    room.extend(std::iter::repeat_n(value, row_count));
    room.finish::<T>(None)
}

/// The rows of a table, as a window's: keys, bounds, calls.
pub(crate) fn with_bounds(batch: &Batch, key_count: usize, window: Bounds) -> Batch {
    let row_count = batch.row_count();
    let bound = |time: i64| repeated::<TimestampMicrosecondType>(time, row_count);
    let (keys, calls) = batch.columns().split_at(key_count);
    let bounds = [bound(window.start), bound(window.end)];
    let columns: Columns =
        keys.iter().cloned().chain(bounds).chain(calls.iter().cloned()).collect();
    Batch::new(columns, batch.offsets().clone())
}

/// Gives these groups of a window that closes, in this order.
pub(crate) fn close(
    table: &AggTable,
    groups: &[u32],
    window: Bounds,
    results: &mut Vec<Batch>,
) -> Result<(), AggregateError> {
    for groups in groups.chunks(BATCH_ROWS) {
        results.push(rows_of(table, groups, window)?);
    }
    Ok(())
}

/// These groups of a window, in this order.
pub(crate) fn rows_of(
    table: &AggTable,
    groups: &[u32],
    window: Bounds,
) -> Result<Batch, AggregateError> {
    let offsets = repeated::<UInt64Type>(table.last_offset, groups.len());
    let rows = Batch::new(table.rows_of(groups)?, offsets.as_primitive().clone());
    Ok(with_bounds(&rows, table.spec.keys.len(), window))
}

/// Some rows of a batch, in order.
pub(crate) fn chosen(batch: &Batch, rows: &[u32]) -> Batch {
    let (first, last) = (rows[0] as usize, rows[rows.len() - 1] as usize);
    if last - first + 1 == rows.len() {
        return rows_in(batch, first..last + 1);
    }
    let indices = UInt32Array::from(rows.to_vec());
    let cut = |array| take(array, &indices, None).expect("row numbers are within the batch");
    let columns: Columns = batch.columns().iter().map(|column| cut(&**column)).collect();
    Batch::new(columns, cut(batch.offsets()).as_primitive().clone())
}
