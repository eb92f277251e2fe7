//! What a pipeline gives to a gather.

use tidemill_aggregate::{Sealed, WindowTable};

use crate::held::{Held, count};

/// What a gather is given.
pub(crate) enum Seal {
    /// One table, when the input ends.
    Table(Box<Sealed>),
    /// Windows, as they close.
    Windows(WindowTable),
}

impl Seal {
    pub(crate) fn held(&self) -> Held {
        match self {
            Self::Table(table) => Held {
                what: "the table for the gather",
                bytes: table.state_bytes(),
                groups: count(table.group_count()),
            },
            Self::Windows(table) => Held {
                what: "windows",
                bytes: table.state_bytes(),
                groups: count(table.group_count()),
            },
        }
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        match self {
            Self::Table(table) => table.state_bytes(),
            Self::Windows(table) => table.state_bytes(),
        }
    }

    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        let budget_bytes = self.state_bytes().saturating_add(room_bytes);
        match self {
            Self::Table(table) => table.set_budget(budget_bytes),
            Self::Windows(table) => table.set_budget(budget_bytes),
        }
    }
}
