//! The block of records whose changes `EMIT CHANGES EVERY n ROWS` coalesces, across sessions.

use std::collections::HashSet;

use tidemill_plan::Emit;
use tidemill_record::{Image, ImageError};

use super::store::SessionStore;

/// The sessions that changed among the records of one block, in order of first change.
pub(super) struct Block {
    /// Records in a block; 0 where changes are not coalesced.
    row_count_max: u64,
    /// Records of the block so far, in `0..row_count_max`.
    row_count: u64,
    changed: Vec<u32>,
    known: HashSet<u32>,
}

impl Block {
    pub(super) fn new(emit: Emit) -> Self {
        let row_count_max = match emit {
            Emit::ChangesEvery(n) => n.max(1),
            Emit::Final | Emit::Changes => 0,
        };
        Self { row_count_max, row_count: 0, changed: Vec::new(), known: HashSet::new() }
    }

    /// Counts a record, late or not; whether it ends the block.
    pub(super) fn count_row(&mut self) -> bool {
        self.row_count += u64::from(self.row_count_max > 0);
        if self.row_count < self.row_count_max || self.row_count_max == 0 {
            return false;
        }
        self.row_count = 0;
        true
    }

    /// Notes the session that a row changed.
    pub(super) fn note(&mut self, session: u32) {
        if self.row_count_max > 0 && self.known.insert(session) {
            self.changed.push(session);
        }
    }

    /// The sessions that have changed, each once: those that have joined others as what they became,
    /// at the place of the first that changed.
    pub(super) fn take(&mut self, store: &mut SessionStore) -> Vec<u32> {
        self.known.clear();
        let mut changed = std::mem::take(&mut self.changed);
        let mut known = HashSet::with_capacity(changed.len());
        changed.iter_mut().for_each(|session| *session = store.resolve(*session));
        changed.retain(|&session| known.insert(session));
        changed
    }

    /// The sessions that [`Self::take`] would give.
    pub(super) fn changed(&self, store: &SessionStore) -> Vec<u32> {
        let mut known = HashSet::with_capacity(self.changed.len());
        let changed = self.changed.iter().map(|&session| store.resolved(session));
        changed.filter(|&session| known.insert(session)).collect()
    }

    /// Where in its block it is, and the sessions that have changed, to be made again by [`Self::import`]. `changed` are
    /// those that [`Self::changed`] gave, as they are numbered then.
    pub(super) fn export(&self, changed: impl Iterator<Item = u32>) -> Image {
        let mut image = Image::new();
        image.put_one("row_count", self.row_count);
        image.put("changed", changed);
        image
    }

    /// Takes over what another has exported, of so many sessions.
    ///
    /// # Errors
    /// [`ImageError`], also where more records are in the block than one has, or a session is not there or is named
    /// twice.
    pub(super) fn import(
        &mut self,
        mut image: Image,
        session_count: usize,
    ) -> Result<(), ImageError> {
        self.row_count = image.take_one("row_count")?;
        if self.row_count >= self.row_count_max.max(1) {
            return Err(ImageError::new("row_count", "is not within a block"));
        }
        let changed: Vec<u32> = image.take("changed")?;
        if self.row_count == 0 && !changed.is_empty() {
            return Err(ImageError::new("changed", "is of a block without records"));
        }
        if changed.iter().any(|&session| session as usize >= session_count) {
            return Err(ImageError::new("changed", "names a session that is not there"));
        }
        self.put_back(changed);
        if self.known.len() != self.changed.len() {
            return Err(ImageError::new("changed", "names a session twice"));
        }
        image.end()
    }

    /// Goes on with these sessions, which [`Self::take`] gave and which are numbered anew.
    pub(super) fn put_back(&mut self, changed: Vec<u32>) {
        self.known = changed.iter().copied().collect();
        self.changed = changed;
    }
}
