//! Groups within windows of event time.

mod audit;
mod bounds;
mod gather;
mod panes;
mod pending;
mod rows;
mod sessions;

pub use gather::WindowGather;
use tidemill_plan::{AggregateSpec, WindowKind};
use tidemill_record::{Batch, EventTime};

use crate::windows::panes::PaneTable;
use crate::windows::sessions::SessionTable;
use crate::{AggTable, AggregateError, Late};

/// The windows of one partition that may still take records.
///
/// Rows that leave are keys, `window_start`, `window_end`, then calls.
#[expect(clippy::large_enum_variant, reason = "there is one for a grouping, and it stays put")]
pub enum WindowTable {
    /// Windows of fixed size.
    Panes(PaneTable),
    /// Sessions.
    Sessions(SessionTable),
}

/// Windows of one partition that have closed, on their way to the pipeline that gathers them.
///
/// It is `Send`: ownership crosses cores once for each window, records never do.
pub struct SealedWindows {
    /// No window that ends at or before this, and none that could grow into one that does, will
    /// come from this partition any more.
    pub complete_until: EventTime,
    /// In order of window end.
    pub windows: Vec<SealedWindow>,
}

/// Groups whose windows have closed.
pub struct SealedWindow {
    /// Where the window begins: of every group for fixed windows.
    pub start: EventTime,
    /// Where it ends, exclusive.
    pub end: EventTime,
    /// The groups, in order of first appearance. For sessions, those with these bounds.
    pub table: AggTable,
    /// Records in it.
    pub record_count: u64,
}

impl WindowTable {
    /// No windows; may hold `budget_bytes` of state. `audited_keys` are places in the group key
    /// whose values [`Self::key_fingerprints`] will be asked for.
    ///
    /// # Panics
    /// If the grouping has no window.
    #[must_use]
    pub fn new(spec: AggregateSpec, audited_keys: &[usize], budget_bytes: u64) -> Self {
        match spec.window.expect("a windowed grouping").kind {
            WindowKind::Session { .. } => {
                Self::Sessions(SessionTable::new(spec, audited_keys, budget_bytes))
            }
            _ => Self::Panes(PaneTable::new(spec, audited_keys, budget_bytes)),
        }
    }

    /// Adds a batch, each row judged by the watermark beside it. What the rows cause leaves in
    /// `results`, in order: changes, corrections, and windows that closed between two rows.
    ///
    /// # Errors
    /// As [`AggTable::update`].
    pub fn update(
        &mut self,
        batch: &Batch,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        match self {
            Self::Panes(table) => table.update(batch, late, results),
            Self::Sessions(table) => table.update(batch, late, results),
        }
    }

    /// Closes every window that the watermark has reached the end of, and frees those that are not
    /// needed any more.
    ///
    /// # Errors
    /// A sum that does not fit its type.
    pub fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        match self {
            Self::Panes(table) => table.advance(watermark, results),
            Self::Sessions(table) => table.advance(watermark, results),
        }
    }

    /// As [`Self::advance`], giving the closed windows away instead of their rows.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn seal(&mut self, watermark: EventTime) -> Result<SealedWindows, AggregateError> {
        match self {
            Self::Panes(table) => table.seal(watermark),
            Self::Sessions(table) => table.seal(watermark),
        }
    }

    /// Groups in open windows.
    #[must_use]
    pub fn group_count(&self) -> usize {
        match self {
            Self::Panes(table) => table.group_count(),
            Self::Sessions(table) => table.group_count(),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        match self {
            Self::Panes(table) => table.state_bytes(),
            Self::Sessions(table) => table.state_bytes(),
        }
    }

    /// As [`AggTable::key_fingerprints`], of all groups there have been.
    #[must_use]
    pub fn key_fingerprints(&self) -> Vec<u64> {
        match self {
            Self::Panes(table) => table.key_fingerprints(),
            Self::Sessions(table) => table.key_fingerprints(),
        }
    }
}
