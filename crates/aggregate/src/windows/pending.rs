//! The block of records whose changes `EMIT CHANGES EVERY n ROWS` coalesces, across windows.

use std::collections::HashSet;

use tidemill_plan::Emit;
use tidemill_record::{Image, ImageError};

use crate::windows::bounds::{Bounds, put_bounds, take_bounds};

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

    /// What the block holds, to be made again by [`Self::import`].
    pub(crate) fn export(&self) -> Image {
        debug_assert!(self.noted.is_empty(), "what is noted is put in order at once");
        let mut image = Image::new();
        image.put_one("row_count", self.row_count);
        put_bounds(&mut image, self.changed.iter().map(|&(window, _)| window));
        image.put("groups", self.changed.iter().map(|&(_, group)| group));
        image
    }

    /// Takes over what another has exported; `group_count` says how many groups a window has, `None` of one that
    /// is not there.
    ///
    /// # Errors
    /// [`ImageError`], also where more records are in the block than one has, or a group is not there or is named
    /// twice.
    pub(crate) fn import(
        &mut self,
        mut image: Image,
        group_count: impl Fn(Bounds) -> Option<usize>,
    ) -> Result<(), ImageError> {
        self.row_count = image.take_one("row_count")?;
        if self.row_count >= self.block_rows.max(1) {
            return Err(ImageError::new("row_count", "is not within a block"));
        }
        let windows = take_bounds(&mut image)?;
        let groups: Vec<u32> = image.take_exactly("groups", windows.len())?;
        if self.row_count == 0 && !groups.is_empty() {
            return Err(ImageError::new("groups", "have changed in a block without records"));
        }
        for (window, group) in windows.into_iter().zip(groups) {
            if group_count(window).is_none_or(|count| group as usize >= count) {
                return Err(ImageError::new("groups", "names a group that is not there"));
            }
            if !self.known.insert((window, group)) {
                return Err(ImageError::new("groups", "names a group twice"));
            }
            self.changed.push((window, group));
            self.windows.insert(window);
        }
        image.end()
    }

    /// All changes of the block.
    pub(crate) fn take(&mut self) -> Vec<(Bounds, u32)> {
        self.known.clear();
        self.windows.clear();
        std::mem::take(&mut self.changed)
    }
}
