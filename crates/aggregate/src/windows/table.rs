//! The windows of one partition, of whichever kind.

use tidemill_plan::{AggregateSpec, WindowKind};
use tidemill_record::{Batch, EventTime, Image, ImageError};

use crate::windows::{PaneTable, SessionTable};
use crate::{AggregateError, Late, Sealed, SeenKeys};

/// Groups within windows of event time.
pub enum WindowTable {
    /// Windows of fixed size.
    Panes(Box<PaneTable>),
    /// Windows as long as records follow each other.
    Sessions(Box<SessionTable>),
}

/// The same call on whichever table it is.
macro_rules! either {
    ($table:expr, $name:ident => $call:expr) => {
        match $table {
            Self::Panes($name) => $call,
            Self::Sessions($name) => $call,
        }
    };
}

impl WindowTable {
    /// No windows yet; see [`PaneTable::new`].
    ///
    /// # Panics
    /// If the grouping has no window.
    #[must_use]
    pub fn new(spec: AggregateSpec, audited_keys: &[usize], budget_bytes: u64) -> Self {
        match spec.window.expect("a windowed grouping").kind {
            WindowKind::Session { .. } => {
                Self::Sessions(Box::new(SessionTable::new(spec, audited_keys, budget_bytes)))
            }
            _ => Self::Panes(Box::new(PaneTable::new(spec, audited_keys, budget_bytes))),
        }
    }

    /// The same for final results that a gather merges; see [`PaneTable::sealing`].
    ///
    /// # Panics
    /// If the grouping has no window.
    #[must_use]
    pub fn sealing(spec: AggregateSpec, budget_bytes: u64) -> Self {
        match spec.window.expect("a windowed grouping").kind {
            WindowKind::Session { .. } => {
                Self::Sessions(Box::new(SessionTable::sealing(spec, budget_bytes)))
            }
            _ => Self::Panes(Box::new(PaneTable::sealing(spec, budget_bytes))),
        }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        either!(self, table => table.set_budget(budget_bytes));
    }

    /// How far event time may pass at a time on its way to `watermark`, so that not too many windows
    /// leave at once.
    #[must_use]
    pub fn next_step(&mut self, watermark: EventTime) -> EventTime {
        either!(self, table => table.next_step(watermark))
    }

    /// How many rows it is to be given at a time, so that they change about so many windows at most; at least 1.
    #[must_use]
    pub fn rows_at_once(&self, changes_max: usize) -> usize {
        match self {
            Self::Panes(table) => table.rows_at_once(changes_max),
            Self::Sessions(_) => usize::MAX,
        }
    }

    /// Adds a batch, each row judged by the watermark beside it; see [`PaneTable::update`].
    ///
    /// # Errors
    /// As [`crate::AggTable::update`].
    pub fn update(
        &mut self,
        batch: &Batch,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        either!(self, table => table.update(batch, late, results))
    }

    /// Closes the windows that the watermark has reached the end of; see [`PaneTable::advance`].
    ///
    /// # Errors
    /// A sum that does not fit its type.
    pub fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        either!(self, table => table.advance(watermark, results))
    }

    /// Ends a table that was made by [`Self::sealing`]: every window, closed.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn into_sealed(self) -> Result<Sealed, AggregateError> {
        Ok(match self {
            Self::Panes(table) => Sealed::Windows(table.into_sealed()?),
            Self::Sessions(table) => Sealed::Sessions(table.into_sealed()?),
        })
    }

    /// Whether windows have closed since they were last taken.
    #[must_use]
    pub fn has_sealed(&self) -> bool {
        either!(self, table => table.has_sealed())
    }

    /// Of a table that was made by [`Self::sealing`]: the windows that have closed since this was last
    /// asked, and until when there will be no other: windows sealed later end after that time, and
    /// sessions begin at it or later. `watermark` is how far event time has come.
    #[must_use]
    pub fn take_sealed(&mut self, watermark: EventTime) -> (Sealed, EventTime) {
        match self {
            Self::Panes(table) => (Sealed::Windows(table.take_sealed()), watermark),
            Self::Sessions(table) => {
                (Sealed::Sessions(table.take_sealed()), table.sealed_until(watermark))
            }
        }
    }

    /// What it holds, to be made again by [`Self::import`]; see [`PaneTable::export`].
    #[must_use]
    pub fn export(&self) -> Image {
        either!(self, table => table.export())
    }

    /// Takes over what one of the same spec has exported; only of one that has seen nothing yet.
    ///
    /// # Errors
    /// [`ImageError`]; the table is of no use then.
    pub fn import(&mut self, image: Image) -> Result<(), ImageError> {
        either!(self, table => table.import(image))
    }

    /// Groups held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        either!(self, table => table.group_count())
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        either!(self, table => table.state_bytes())
    }

    /// As [`crate::AggTable::seen_keys`] of the audited keys, of all groups there have been; of more than
    /// a million, some.
    #[must_use]
    pub fn seen_keys(&self) -> SeenKeys {
        either!(self, table => table.seen_keys())
    }
}
