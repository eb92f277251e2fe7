//! How a table's final rows leave.

use tidemill_record::Batch;

use crate::table::Leaving;
use crate::{AggTable, AggregateError};

/// The final rows of a table, as batches, in order of each group's first record.
pub struct GroupBatches {
    table: AggTable,
    /// The number of the group that leaves next: groups are numbered in order of first appearance.
    next: u32,
    /// At least one.
    batch_rows: usize,
    /// Of the group that comes next, whose result does not fit.
    overflow: Option<AggregateError>,
}

impl GroupBatches {
    pub(crate) fn new(table: AggTable, batch_rows: usize) -> Self {
        let batch_rows = batch_rows.min(table.result_rows()).max(1);
        Self { table, next: 0, batch_rows, overflow: None }
    }
}

impl Iterator for GroupBatches {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(overflow) = self.overflow.take() {
            return Some(Err(overflow));
        }
        let left = self.table.group_count() - self.next as usize;
        let groups: Vec<u32> = (self.next..).take(left.min(self.batch_rows)).collect();
        let last = groups.last()?;
        self.next = last + 1;
        if let Err(error) = self.table.check_result(groups.len()) {
            return Some(Err(error));
        }
        let Leaving { rows, overflow } = self.table.rows_of(&groups);
        match overflow {
            Some(overflow) if rows.row_count() == 0 => Some(Err(overflow)),
            overflow => {
                self.overflow = overflow;
                Some(Ok(rows))
            }
        }
    }
}
