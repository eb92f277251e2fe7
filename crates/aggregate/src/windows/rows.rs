//! Rows of windows: groups with the bounds of their window beside the key.

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_select::take::take;
use tidemill_record::{Batch, Cause, Columns, EventTime, Moment};

use crate::compact::{repeated, rows_in, woven};
use crate::table::Leaving;
use crate::windows::bounds::Bounds;
use crate::{AggTable, AggregateError};

/// Rows that leave at a time.
pub(crate) const BATCH_ROWS: usize = 8192;

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
    let moment = Moment::Reached(EventTime(window.end));
    for groups in groups.chunks(BATCH_ROWS) {
        leave_with(moment, rows_of(table, groups, window), results)?;
    }
    Ok(())
}

/// Gives rows that leave with this record.
pub(crate) fn leave_with(
    moment: Moment,
    leaving: Leaving,
    results: &mut Vec<Batch>,
) -> Result<(), AggregateError> {
    let Leaving { rows, overflow } = leaving;
    let rows = rows.caused_by(Cause::One(moment));
    Leaving { rows, overflow }.push_to(results).map_err(|error| error.at(moment))
}

/// These groups of a window, in this order.
pub(crate) fn rows_of(table: &AggTable, groups: &[u32], window: Bounds) -> Leaving {
    let Leaving { rows, overflow } = table.rows_of(groups);
    Leaving { rows: with_bounds(&rows, table.spec.keys.len(), window), overflow }
}

/// Rows of several windows, each given as window and row there, up to the first that does not fit.
/// `None` of no windows.
pub(crate) fn weave(mut leaving: Vec<Leaving>, mut places: Vec<(usize, usize)>) -> Option<Leaving> {
    if leaving.len() <= 1 {
        return leaving.pop();
    }
    let fits = |&(of, row): &(usize, usize)| row < leaving[of].rows.row_count();
    let first = places.iter().position(|place| !fits(place));
    let overflow = first.and_then(|at| {
        let (of, _) = places[at];
        places.truncate(at);
        leaving[of].overflow.take()
    });
    let batches: Vec<Batch> = leaving.into_iter().map(|leaving| leaving.rows).collect();
    Some(Leaving { rows: woven(&batches, &places), overflow })
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
