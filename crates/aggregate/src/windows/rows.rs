//! Rows of windows: groups with the bounds of their window beside the key.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, TimestampMicrosecondArray, UInt32Array, UInt64Array};
use arrow_select::take::take;
use tidemill_record::{Batch, Columns};

use crate::windows::bounds::Bounds;
use crate::{AggTable, AggregateError};

/// Rows that leave at a time.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The rows of a table, as a window's: keys, bounds, calls.
pub(crate) fn with_bounds(batch: &Batch, key_count: usize, window: Bounds) -> Batch {
    let row_count = batch.row_count();
    let bound = |time: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_value(time, row_count))
    };
    let mut columns = batch.columns().to_vec();
    columns.splice(key_count..key_count, [bound(window.start), bound(window.end)]);
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
    let offsets = UInt64Array::from_value(table.last_offset, groups.len());
    let rows = Batch::new(table.rows_of(groups)?, offsets);
    Ok(with_bounds(&rows, table.spec.keys.len(), window))
}

/// Some rows of a batch, in order: a slice where they follow each other.
pub(crate) fn chosen(batch: &Batch, rows: &[u32]) -> Batch {
    let (first, last) = (rows[0] as usize, rows[rows.len() - 1] as usize);
    if last - first + 1 == rows.len() {
        return batch.slice(first, rows.len());
    }
    let indices = UInt32Array::from(rows.to_vec());
    let cut = |array| take(array, &indices, None).expect("row numbers are within the batch");
    let columns: Columns = batch.columns().iter().map(|column| cut(&**column)).collect();
    Batch::new(columns, cut(batch.offsets()).as_primitive().clone())
}
