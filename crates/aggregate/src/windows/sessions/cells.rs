//! Finds short sessions by where in time they are.
//!
//! Time is cut into cells of one gap. Records of one cell and key are of one session, so a session that takes
//! records owns its cells, and a record need only look at its own cell and the two beside it. Cells that follow
//! each other lie side by side in memory: of half a million sessions in random order a record costs two misses of the
//! cache, its cells and the session in them, where a search costs one for each of its steps.

use std::ops::RangeInclusive;

use hashbrown::HashTable;

use super::store::NONE;
use crate::keys::hash::{self, Seed};
use crate::windows::bounds::Bounds;

/// Cells of a group.
const GROUP: usize = 8;
const GROUP_BITS: u32 = GROUP.trailing_zeros();

/// Sessions of more cells are too long to be found this way.
const SPAN_MAX: i64 = 8;

/// Sessions by key and cell.
pub(super) struct Cells {
    gap_us: i64,
    groups: HashTable<Group>,
    seed: Seed,
}

/// Cells of a key that follow each other. Some cell has a session.
struct Group {
    key: u32,
    /// The first cell, by the number of cells in a group.
    at: i64,
    /// The session of each, or [`NONE`].
    sessions: [u32; GROUP],
}

impl Group {
    fn hash(&self, seed: &Seed) -> u64 {
        hash_of(seed, self.key, self.at)
    }
}

#[inline]
fn hash_of(seed: &Seed, key: u32, at: i64) -> u64 {
    hash::of_u128(seed, u128::from(key) << 64 | u128::from(at.cast_unsigned()))
}

/// The group of a cell, and its place there.
#[inline]
fn place_of(cell: i64) -> (i64, usize) {
    let place = usize::try_from(cell & (GROUP as i64 - 1)).expect("a few low bits");
    (cell >> GROUP_BITS, place)
}

impl Cells {
    /// Without sessions. They end so long after their last record.
    pub(super) fn new(gap_us: i64) -> Self {
        Self { gap_us: gap_us.max(1), groups: HashTable::new(), seed: Seed::default() }
    }

    /// The cell of an event time.
    #[inline]
    pub(super) fn cell_of(&self, time: i64) -> i64 {
        time.div_euclid(self.gap_us)
    }

    /// The cells of a session; `None` if they are too many.
    pub(super) fn cells_of(&self, session: Bounds) -> Option<RangeInclusive<i64>> {
        // An end that was cut off does not say when the last record was.
        let last = (session.end < i64::MAX).then(|| session.end.saturating_sub(self.gap_us))?;
        let (first, last) = (self.cell_of(session.start), self.cell_of(last));
        (last.saturating_sub(first) < SPAN_MAX).then_some(first..=last)
    }

    /// Makes these the cells of a session.
    pub(super) fn set(&mut self, key: u32, cells: RangeInclusive<i64>, number: u32) {
        for cell in cells {
            let (at, place) = place_of(cell);
            let is_it = |group: &Group| group.key == key && group.at == at;
            let entry = {
                let seed = &self.seed;
                self.groups.entry(hash_of(seed, key, at), is_it, |group| group.hash(seed))
            };
            let group =
                entry.or_insert_with(|| Group { key, at, sessions: [NONE; GROUP] }).into_mut();
            group.sessions[place] = number;
        }
    }

    /// Those of these cells that are a session's are nobody's any more.
    pub(super) fn clear(&mut self, key: u32, cells: RangeInclusive<i64>, number: u32) {
        for cell in cells {
            let (at, place) = place_of(cell);
            let is_it = |group: &Group| group.key == key && group.at == at;
            let Ok(mut found) = self.groups.find_entry(hash_of(&self.seed, key, at), is_it) else {
                continue;
            };
            let sessions = &mut found.get_mut().sessions;
            if sessions[place] == number {
                sessions[place] = NONE;
                if sessions.iter().all(|&session| session == NONE) {
                    found.remove();
                }
            }
        }
    }

    /// The sessions of a cell and of those beside it, [`NONE`] where there is none.
    #[inline]
    pub(super) fn near(&self, key: u32, cell: i64) -> [u32; 3] {
        let (at, place) = place_of(cell);
        let group = self.group(key, at);
        let of =
            |group: Option<&Group>, place: usize| group.map_or(NONE, |group| group.sessions[place]);
        let before = match place.checked_sub(1) {
            Some(place) => of(group, place),
            None => of(self.group(key, at.wrapping_sub(1)), GROUP - 1),
        };
        let behind = match place + 1 {
            GROUP => of(self.group(key, at.wrapping_add(1)), 0),
            place => of(group, place),
        };
        [before, of(group, place), behind]
    }

    #[inline]
    fn group(&self, key: u32, at: i64) -> Option<&Group> {
        self.groups.find(hash_of(&self.seed, key, at), |group| group.key == key && group.at == at)
    }

    /// Bytes that one more session may make it gain at once, beside what it holds.
    pub(super) fn growth_bytes(&self) -> usize {
        // Twice the table, beside the one that is there.
        let is_full = self.groups.len() + 2 > self.groups.capacity();
        if is_full { 2 * self.groups.allocation_size() } else { 0 }
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.groups.allocation_size()
    }
}
