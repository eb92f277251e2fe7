//! Fingerprints of declared keys, remembered beyond the tables that held them.

use std::collections::HashSet;

use crate::intern::Interner;

/// Most fingerprints that are kept: the audit of a stream that never ends must not grow with it.
const FINGERPRINTS_MAX: usize = 1 << 20;

/// Fingerprints of some key columns of every group there has been, up to a million.
pub(crate) struct Fingerprints {
    /// Places in the group key; nothing is kept without any.
    keys: Vec<usize>,
    known: HashSet<u64>,
}

impl Fingerprints {
    pub(crate) fn new(keys: &[usize]) -> Self {
        Self { keys: keys.to_vec(), known: HashSet::new() }
    }

    /// Keeps those of groups that go.
    pub(crate) fn add(&mut self, groups: &Interner) {
        if !self.keys.is_empty() && self.known.len() < FINGERPRINTS_MAX {
            self.known.extend(groups.fingerprints(&self.keys));
        }
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        // A hash set has a byte beside each entry.
        self.known.capacity() * (size_of::<u64>() + 1)
    }

    /// All that are kept, and those of groups that are still there; ascending.
    pub(crate) fn with<'a>(&self, tables: impl Iterator<Item = &'a Interner>) -> Vec<u64> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let mut all: Vec<u64> = self.known.iter().copied().collect();
        all.extend(tables.flat_map(|groups| groups.fingerprints(&self.keys)));
        all.sort_unstable();
        all.dedup();
        all
    }
}
