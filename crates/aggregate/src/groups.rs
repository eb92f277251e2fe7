//! How a table's final rows leave.

use tidemill_record::Batch;

use crate::table::Leaving;
use crate::{AggTable, AggregateError};

/// The order of final rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOrder {
    /// In order of each group's first record.
    FirstAppearance,
    /// Ascending by key, the first one most significant: NULL last, text by bytes, NaN last of
    /// the numbers.
    Key,
}

/// The final rows of a table, as batches.
pub struct GroupBatches {
    table: AggTable,
    /// Every group, in order.
    order: Vec<u32>,
    /// How many have left.
    emitted_count: usize,
    /// At least one.
    batch_rows: usize,
    /// Of the group that comes next, whose result does not fit.
    overflow: Option<AggregateError>,
}

impl GroupBatches {
    pub(crate) fn new(table: AggTable, order: GroupOrder, batch_rows: usize) -> Self {
        let mut groups: Vec<u32> = (0..).take(table.group_count()).collect();
        if order == GroupOrder::Key {
            // No two groups compare equal, so stability is not needed.
            groups.sort_unstable_by(|&left, &right| {
                table.interner.compare(left as usize, right as usize)
            });
        }
        let batch_rows = batch_rows.min(table.result_rows()).max(1);
        Self { table, order: groups, emitted_count: 0, batch_rows, overflow: None }
    }
}

impl Iterator for GroupBatches {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(overflow) = self.overflow.take() {
            return Some(Err(overflow));
        }
        let groups = &self.order[self.emitted_count..];
        let groups = &groups[..groups.len().min(self.batch_rows)];
        if groups.is_empty() {
            return None;
        }
        if let Err(error) = self.table.check_result(groups.len()) {
            return Some(Err(error));
        }
        self.emitted_count += groups.len();
        let Leaving { rows, overflow } = self.table.rows_of(groups);
        match overflow {
            Some(overflow) if rows.row_count() == 0 => Some(Err(overflow)),
            overflow => {
                self.overflow = overflow;
                Some(Ok(rows))
            }
        }
    }
}
