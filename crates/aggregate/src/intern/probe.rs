//! The groups of a batch's rows by the hashes of their keys.
//!
//! Some rows at a time, in passes: the slots of all, then the keys of all, column by column. In a pass no row waits for
//! another, so that what is not in a cache is fetched for many rows at once. The rows that are left, whose key is new
//! or stands further away, are looked up one by one, in order: groups are numbered as they appear.

use super::Room;
use super::slots::{Found, Slots, kept_bits};
use crate::AggregateError;
use crate::keys::KeyStore;

/// Rows of a pass: what is remembered of them stays in L1.
const ROWS: usize = 512;

/// What takes a group's place while rows are looked up.
pub(super) struct Index<'a> {
    pub(super) slots: &'a mut Slots,
    pub(super) room: Room,
    pub(super) group_count: &'a mut usize,
}

/// Finds or makes the group of every row, and appends them.
pub(super) fn probe<S: KeyStore + ?Sized>(
    index: &mut Index<'_>,
    store: &mut S,
    input: &S::Input<'_>,
    hashes: &[u64],
    group_indices: &mut Vec<u32>,
) -> Result<(), AggregateError> {
    let mut are_found = [false; ROWS];
    let mut left = [0_u32; ROWS];
    for (first, hashes) in (0..).step_by(ROWS).zip(hashes.chunks(ROWS)) {
        let start = group_indices.len();
        group_indices.resize(start + hashes.len(), 0);
        let groups = &mut group_indices[start..];
        let are_found = &mut are_found[..hashes.len()];
        index.slots.candidates(hashes, groups, are_found);
        if *index.group_count > 0 {
            store.compare_rows(groups, input, first, are_found);
        }
        let mut left_count = 0;
        for (row, &is_found) in (0_u32..).zip(&*are_found) {
            // Written whether it is or not, because a branch may be one that cannot be foreseen.
            left[left_count] = row;
            left_count += usize::from(!is_found);
        }
        for &row in &left[..left_count] {
            let row = row as usize;
            groups[row] = index.find_or_insert(store, input, hashes[row], first + row)?;
        }
    }
    Ok(())
}

impl Index<'_> {
    /// The group of a row.
    #[inline(always)]
    pub(super) fn find_or_insert<S: KeyStore + ?Sized>(
        &mut self,
        store: &mut S,
        input: &S::Input<'_>,
        hash: u64,
        row: usize,
    ) -> Result<u32, AggregateError> {
        let hash = kept_bits(hash);
        if self.slots.is_full() {
            self.grow()?;
        }
        match self.slots.find(hash, |group| store.equals(group as usize, input, row)) {
            Found::Group(group) => Ok(group),
            Found::Free(place) => {
                let group = next_group(self.group_count)?;
                store.push(input, row);
                self.slots.fill(place, hash, group);
                Ok(group)
            }
        }
    }

    /// Adds groups that are known to be there, in order, to slots that know none of them.
    pub(super) fn add_known(&mut self, hashes: &[u64]) -> Result<(), AggregateError> {
        for (group, &hash) in (0..).zip(hashes) {
            if self.slots.is_full() {
                self.grow()?;
            }
            if let Found::Free(place) = self.slots.find(kept_bits(hash), |_| false) {
                self.slots.fill(place, kept_bits(hash), group);
            }
        }
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), AggregateError> {
        let bytes = self.slots.heap_bytes() + self.slots.growing_bytes();
        self.room.check(bytes, *self.group_count)?;
        self.slots.grow();
        Ok(())
    }
}

/// The number of a group that is new.
#[inline]
pub(super) fn next_group(group_count: &mut usize) -> Result<u32, AggregateError> {
    let group = u32::try_from(*group_count).ok().filter(|&group| group < u32::MAX);
    let group = group.ok_or(AggregateError::TooManyGroups)?;
    *group_count += 1;
    Ok(group)
}
