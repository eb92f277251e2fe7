//! The table of a window that has closed, for the next one.

use crate::AggTable;

/// A table is not kept if it had fewer than one group for so many that it has room for.
const ROOM_MAX: usize = 8;
/// Room for so many groups is kept in any case.
const ROOM_MIN: usize = 1024;

/// A table without groups, or none: windows follow each other, and the next one has about as many groups.
///
/// There is one, and whoever needs a table takes it. So one that was made for a larger window than those
/// that come now is judged again as the next one closes, and goes.
#[derive(Default)]
pub(crate) struct IdleTable(Option<AggTable>);

impl IdleTable {
    /// The table, if there is one.
    pub(crate) fn take(&mut self) -> Option<AggTable> {
        self.0.take()
    }

    /// Keeps a table, without its groups, if there is none.
    pub(crate) fn keep(&mut self, mut table: AggTable) {
        let room = table.interner.group_room();
        let is_large = room > ROOM_MIN && room / ROOM_MAX > table.group_count();
        if self.0.is_none() && !is_large {
            table.clear();
            self.0 = Some(table);
        }
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |table| table.state_bytes() + table.fixed_bytes())
    }
}
