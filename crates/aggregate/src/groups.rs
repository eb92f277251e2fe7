//! How a table's final rows leave.

use arrow_array::UInt64Array;
use tidemill_record::Batch;

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
        Self { table, order: groups, emitted_count: 0, batch_rows }
    }
}

impl Iterator for GroupBatches {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let groups = &self.order[self.emitted_count..];
        let groups = &groups[..groups.len().min(self.batch_rows)];
        if groups.is_empty() {
            return None;
        }
        if let Err(error) = self.table.check_result(groups.len()) {
            return Some(Err(error));
        }
        self.emitted_count += groups.len();
        let offsets = UInt64Array::from_value(self.table.last_offset, groups.len());
        Some(self.table.rows_of(groups).map(|columns| Batch::new(columns, offsets)))
    }
}
