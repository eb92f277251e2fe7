//! The block of records whose changes `EMIT CHANGES EVERY n ROWS` coalesces, across windows.

use std::collections::HashSet;

use tidemill_plan::Emit;

use crate::windows::bounds::Bounds;

/// The groups of windows that changed among the records of one block, in order of first change.
pub(crate) struct PendingChanges {
    /// Records in a block; 0 where changes are not coalesced.
    block_rows: u64,
    /// Records of the block so far, in `0..block_rows`.
    row_count: u64,
    changed: Vec<(Bounds, u32)>,
    known: HashSet<(Bounds, u32)>,
    windows: HashSet<Bounds>,
    /// Changes of the rows that are being added, pane by pane: row, window, group.
    noted: Vec<(u32, Bounds, u32)>,
}

impl PendingChanges {
    pub(crate) fn new(emit: Emit) -> Self {
        let block_rows = match emit {
            Emit::ChangesEvery(n) => n.max(1),
            Emit::Final | Emit::Changes => 0,
        };
        Self {
            block_rows,
            row_count: 0,
            changed: Vec::new(),
            known: HashSet::new(),
            windows: HashSet::new(),
            noted: Vec::new(),
        }
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.changed.capacity() * size_of::<(Bounds, u32)>()
            + self.known.capacity() * (size_of::<(Bounds, u32)>() + 1)
            + self.windows.capacity() * (size_of::<Bounds>() + 1)
            + self.noted.capacity() * size_of::<(u32, Bounds, u32)>()
    }

    /// Whether records are counted at all.
    pub(crate) fn is_counting(&self) -> bool {
        self.block_rows > 0
    }

    /// Counts a record, late or not; whether it ends the block.
    pub(crate) fn count_row(&mut self) -> bool {
        if !self.is_counting() {
            return false;
        }
        self.row_count += 1;
        if self.row_count < self.block_rows {
            return false;
        }
        self.row_count = 0;
        true
    }

    /// Notes the groups that some rows changed in one window.
    pub(crate) fn note(&mut self, window: Bounds, rows: &[u32], groups: &[u32]) {
        self.noted.extend(rows.iter().zip(groups).map(|(&row, &group)| (row, window, group)));
    }

    /// Puts what was noted into the order of rows, and of window end for each.
    pub(crate) fn sort_noted(&mut self) {
        self.noted.sort_unstable();
        for (_, window, group) in self.noted.drain(..) {
            if self.known.insert((window, group)) {
                self.changed.push((window, group));
                self.windows.insert(window);
            }
        }
    }

    /// Whether a window has changes that have not left.
    pub(crate) fn needs(&self, window: Bounds) -> bool {
        self.windows.contains(&window)
    }

    /// All changes of the block.
    pub(crate) fn take(&mut self) -> Vec<(Bounds, u32)> {
        self.known.clear();
        self.windows.clear();
        std::mem::take(&mut self.changed)
    }
}
