//! What a pipeline gives to a gather.

use tidemill_aggregate::{Sealed, WindowTable};
use tidemill_record::{Image, ImageError};

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

    /// Whether it holds nothing, closed windows that nobody has taken aside.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Table(table) => table.is_empty(),
            Self::Windows(table) => table.group_count() == 0,
        }
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        match self {
            Self::Table(table) => table.state_bytes(),
            Self::Windows(table) => table.state_bytes(),
        }
    }

    /// What it holds, to be made again by [`Self::import`].
    pub(crate) fn export(&mut self) -> Image {
        match self {
            Self::Table(table) => table.export(),
            Self::Windows(table) => table.export(),
        }
    }

    /// Takes over what one of the same kind has exported.
    pub(crate) fn import(&mut self, image: Image) -> Result<(), ImageError> {
        match self {
            Self::Table(table) => table.import(image),
            Self::Windows(table) => table.import(image),
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
