//! Groups of text keys met lately: nearly all rows find theirs here, by one comparison.
//!
//! A key of one short text is its Arrow view, 16 bytes, so that equal views are equal keys and need neither
//! a hash of quality nor a look at the table. The view of a longer text says where it stands: within one batch
//! equal views are equal keys, too, and mostly so are those of two batches with the same dictionary, as Parquet and
//! Arrow files have it. So the texts themselves are compared the first time that a view comes in a batch. Absent
//! on purpose: NULLs and keys of several columns, which take the long way; of two columns there were too many
//! for this to pay.

use std::ops::RangeInclusive;

use arrow_data::MAX_INLINE_VIEW_LEN;

use crate::keys::bytes::{BytesColumn, BytesInput};

/// Entries at first, which stay in L1, and once keys push each other out too often, which stay in L2.
const ENTRIES: usize = 1024;
const ENTRIES_MANY: usize = 8192;
/// Keys for which there are many entries: fewer hardly push each other out, and more do so all the same.
const KEYS_OF_MANY: RangeInclusive<usize> = ENTRIES / 16..=ENTRIES_MANY / 2;
/// One row in so many may not be known before that is too often.
const UNKNOWN_SHARE: usize = 32;
/// Rows that a table takes in before this pays.
const ROWS_MIN: u32 = 16 << 10;
/// The same of many entries.
const ROWS_OF_MANY: u32 = 16 << 13;
/// So many batches in succession tell that keys are too many; the first is one of them.
const STRAIN_MAX: u32 = 3;
/// Batches that then go by without a look; twice as many each time that this happens.
const PAUSE_BATCHES: u32 = 32;
const PAUSE_BATCHES_MAX: u32 = 1 << 12;

/// In place of a group that is not known here.
const UNKNOWN: u32 = u32::MAX;

/// A view of this length is never short.
const NO_ENTRY: (u128, u32) = (u128::MAX, UNKNOWN);

/// A direct-mapped cache of keys and their groups.
#[derive(Default)]
pub(crate) struct Recent {
    /// Absent until enough rows have come.
    entries: Option<Box<[(u128, u32)]>>,
    /// For each entry of a longer text the last batch in which it was compared; as many as entries, or none
    /// while all texts are short.
    compared: Vec<u64>,
    /// Batches that were looked up.
    batch: u64,
    /// Rows of the last batch whose keys were not known, and room behind them; reused.
    unknown: Vec<u32>,
    /// Rows that have come, or as many as the number holds.
    row_count: u32,
    /// Batches in succession in which too many keys were not known.
    strain: u32,
    /// Batches that go by without a look, and how many went by the last time.
    pause: u32,
    last_pause: u32,
}

/// Where a key's entry is, of so many, which are a power of two.
#[inline(always)]
fn entry_of(view: u128, entry_count: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = (view as u64) ^ ((view >> 64) as u64).rotate_left(29);
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (entry_count.leading_zeros() + 1)).expect("some bits")
}

#[inline(always)]
fn is_short(view: u128) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let len = view as u32;
    len <= MAX_INLINE_VIEW_LEN
}

impl Recent {
    /// Fills `groups` with one a row, [`UNKNOWN`] where it is not known, and says how many those are, of
    /// which [`Self::unknown`] knows which; `None` if it is not worth a try, and nothing has been filled.
    /// `store` has the groups' keys.
    pub(crate) fn look_up(
        &mut self,
        input: &BytesInput<'_>,
        store: &BytesColumn,
        groups: &mut Vec<u32>,
    ) -> Option<usize> {
        let views = input.views;
        let row_count = views.len();
        let more = u32::try_from(row_count).unwrap_or(u32::MAX);
        self.row_count = self.row_count.saturating_add(more);
        if self.entries.is_none() {
            if self.row_count < ROWS_MIN {
                return None;
            }
            self.entries = Some(vec![NO_ENTRY; ENTRIES].into_boxed_slice());
        }
        let entries = self.entries.as_deref()?;
        let entry_count = entries.len();
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        if self.unknown.len() < row_count {
            self.unknown.resize(row_count, 0);
        }
        self.batch += 1;
        let has_long = input.may_be_long();
        if has_long && self.compared.len() != entry_count {
            self.compared = vec![0; entry_count];
        }
        let mut unknown_count = 0;
        groups.extend((0_u32..).zip(views).map(|(row, &view)| {
            let entry = entry_of(view, entry_count);
            let (known, group) = entries[entry];
            let mut is_unknown = known != view;
            if has_long && !is_unknown && !is_short(view) && self.compared[entry] != self.batch {
                is_unknown = input.long_bytes(view) != store.value(group as usize);
                self.compared[entry] = if is_unknown { 0 } else { self.batch };
            }
            // Written whether it is or not, because a branch may be one that cannot be foreseen.
            self.unknown[unknown_count] = row;
            unknown_count += usize::from(is_unknown);
            if is_unknown { UNKNOWN } else { group }
        }));
        if unknown_count > row_count / UNKNOWN_SHARE
            && entry_count < ENTRIES_MANY
            && self.row_count >= ROWS_OF_MANY
            && KEYS_OF_MANY.contains(&store.len())
            && self.short_unknown_count(views, unknown_count) > row_count / UNKNOWN_SHARE
        {
            self.take_many();
            return Some(unknown_count);
        }
        if unknown_count <= row_count / 4 {
            self.strain = 0;
            return Some(unknown_count);
        }
        self.strain += 1;
        if self.strain == STRAIN_MAX {
            self.last_pause = (2 * self.last_pause).clamp(PAUSE_BATCHES, PAUSE_BATCHES_MAX);
            (self.strain, self.pause) = (0, self.last_pause);
        }
        Some(unknown_count)
    }

    /// How many of the rows that are not known have short texts. The view of a longer one may be another in each row, which
    /// more entries do not change.
    fn short_unknown_count(&self, views: &[u128], unknown_count: usize) -> usize {
        let unknown = self.unknown[..unknown_count].iter();
        unknown.filter(|&&row| is_short(views[row as usize])).count()
    }

    /// Goes on with many entries.
    #[cold]
    fn take_many(&mut self) {
        let mut many = vec![NO_ENTRY; ENTRIES_MANY].into_boxed_slice();
        for &(view, group) in self.entries.iter().flatten().filter(|entry| **entry != NO_ENTRY) {
            many[entry_of(view, ENTRIES_MANY)] = (view, group);
        }
        self.entries = Some(many);
        if !self.compared.is_empty() {
            self.compared = vec![0; ENTRIES_MANY];
        }
    }

    /// The rows of the last batch whose keys were not known; what stands behind them is room.
    pub(crate) fn unknown(&self) -> &[u32] {
        &self.unknown
    }

    /// Remembers the group of a key of the batch that was looked up last.
    #[inline(always)]
    pub(crate) fn note(&mut self, view: u128, group: u32) {
        if let Some(entries) = &mut self.entries {
            let entry = entry_of(view, entries.len());
            entries[entry] = (view, group);
            if !is_short(view) {
                self.compared[entry] = self.batch;
            }
        }
    }

    /// Remembers the groups of the last of these keys, which may push each other out.
    pub(crate) fn note_last(&mut self, views: &[u128], groups: &[u32]) {
        let entry_count = self.entries.as_deref().map_or(0, <[_]>::len);
        let from = views.len().saturating_sub(entry_count);
        for (&view, &group) in views[from..].iter().zip(&groups[from..]) {
            self.note(view, group);
        }
    }

    /// Forgets all keys, but not whether there were too many.
    pub(crate) fn clear(&mut self) {
        if let Some(entries) = &mut self.entries {
            entries.fill(NO_ENTRY);
        }
    }

    /// Bytes held, without the scratch memory of one batch.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.as_deref().map_or(0, size_of_val) + size_of_val(&self.compared[..])
    }

    /// Bytes of the scratch memory of one batch.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.unknown.capacity() * size_of::<u32>()
    }

    /// Frees it, and forgets all keys.
    pub(crate) fn free_scratch(&mut self) {
        (self.unknown, self.compared) = (Vec::new(), Vec::new());
        (self.entries, self.row_count) = (None, 0);
    }
}
