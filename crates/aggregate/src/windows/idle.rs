//! Tables of windows that have closed, for the next ones.

use crate::AggTable;

/// Tables kept at most: a window over shared panes takes one itself, and another for its next pane.
const TABLES_MAX: usize = 2;
/// A table is not kept if it had fewer than one group for so many that it has room for: it was made for
/// windows larger than those that come now.
const ROOM_MAX: usize = 8;
/// Room for so many groups is kept in any case.
const ROOM_MIN: usize = 1024;

/// Tables without groups: windows follow each other, and the next one has about as many groups.
#[derive(Default)]
pub(crate) struct IdleTables {
    tables: Vec<AggTable>,
}

impl IdleTables {
    /// A table, if there is one.
    pub(crate) fn take(&mut self) -> Option<AggTable> {
        self.tables.pop()
    }

    /// Keeps a table, without its groups, if there are not enough.
    pub(crate) fn keep(&mut self, mut table: AggTable) {
        let room = table.interner.group_room();
        let is_large = room > ROOM_MIN && room / ROOM_MAX > table.group_count();
        if self.tables.len() < TABLES_MAX && !is_large {
            table.clear();
            self.tables.push(table);
        }
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.tables.iter().map(AggTable::state_bytes).sum()
    }
}
