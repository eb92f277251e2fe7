//! Group keys to dense indices: hash the columns of a batch, then probe row by row.
//!
//! One pass computes every row's hash, one looks each up. A single key of text or of up to eight
//! bytes has a loop of its own; everything else compares column by column. Before all of this, rows with
//! a key of one short text are looked for among those met lately.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use arrow_array::ArrayRef;
use hashbrown::HashTable;
use tidemill_record::DataType;

use crate::AggregateError;
use crate::keys::bytes::BytesInput;
use crate::keys::hash::{self, Seed};
use crate::keys::{KeyColumn, KeyInput, KeyInputs, KeyStore};
use crate::recent::Recent;

/// Numbers distinct keys from zero in order of first appearance.
pub(crate) struct Interner {
    columns: Vec<KeyColumn>,
    /// Group indices by hash. Hashes are not stored: growing recomputes them, which is cheaper
    /// than eight bytes a group.
    index: HashTable<u32>,
    /// Of the index.
    seed: Seed,
    recent: Recent,
    /// Reused from batch to batch.
    hashes: Vec<u64>,
    /// In `0..=u32::MAX`.
    group_count: usize,
    room: Room,
}

/// What a table may hold, and holds beside its index.
#[derive(Clone, Copy)]
struct Room {
    budget_bytes: u64,
    elsewhere_bytes: u64,
}

/// What takes a group's place while rows are looked up.
struct Index<'a> {
    table: &'a mut HashTable<u32>,
    seed: &'a Seed,
    room: Room,
    group_count: &'a mut usize,
}

impl Interner {
    /// No groups yet, except that without columns there is always one. `None` if a type cannot be
    /// a key.
    pub(crate) fn new<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<Self> {
        let columns = types.into_iter().map(KeyColumn::new).collect::<Option<_>>()?;
        Some(Self::of(columns))
    }

    fn of(columns: Vec<KeyColumn>) -> Self {
        Self {
            group_count: usize::from(columns.is_empty()),
            columns,
            index: HashTable::new(),
            seed: Seed::default(),
            recent: Recent::default(),
            hashes: Vec::new(),
            room: Room { budget_bytes: u64::MAX, elsewhere_bytes: 0 },
        }
    }

    /// Refuses to grow the index where the table, which holds so many bytes beside the interner, would then
    /// hold more than its budget.
    pub(crate) fn set_budget(&mut self, budget_bytes: u64, elsewhere_bytes: u64) {
        let rest = (self.heap_bytes() - self.index.allocation_size()) as u64;
        self.room = Room { budget_bytes, elsewhere_bytes: elsewhere_bytes + rest };
    }

    /// Forgets all groups, and keeps their memory for others.
    pub(crate) fn clear(&mut self) {
        self.columns.iter_mut().for_each(KeyColumn::clear);
        self.index.clear();
        self.recent.clear();
        self.group_count = usize::from(self.columns.is_empty());
    }

    /// One without groups of keys of the same types.
    pub(crate) fn emptied(&self) -> Self {
        Self::of(self.columns.iter().map(KeyColumn::emptied).collect())
    }

    /// Groups that there is room for.
    pub(crate) fn group_room(&self) -> usize {
        self.index.capacity()
    }

    /// Number of groups.
    pub(crate) fn group_count(&self) -> usize {
        self.group_count
    }

    /// The key columns; each holds one value per group.
    pub(crate) fn columns(&self) -> &[KeyColumn] {
        &self.columns
    }

    /// Finds or makes the group of every row; replaces `group_indices` by one index a row.
    ///
    /// `arrays` are the key columns, in order, all of `row_count` rows.
    ///
    /// # Errors
    /// [`AggregateError::TooManyGroups`], and [`AggregateError::BudgetExceeded`] where the index cannot
    /// grow.
    pub(crate) fn intern(
        &mut self,
        arrays: &[&ArrayRef],
        row_count: usize,
        group_indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        group_indices.clear();
        if self.columns.is_empty() {
            group_indices.resize(row_count, 0);
            return Ok(());
        }
        let inputs: KeyInputs<'_> =
            self.columns.iter().zip(arrays).map(|(column, array)| column.input(array)).collect();
        if let [KeyInput::Bytes(input)] = inputs.as_slice()
            && input.nulls.is_none()
            && let Some(unknown_count) = self.recent.look_up(input.views, group_indices)
        {
            return match unknown_count {
                0 => Ok(()),
                _ => self.intern_unknown(unknown_count, input, group_indices),
            };
        }
        self.hashes.clear();
        inputs[0].hash_rows(&self.seed, row_count, &mut self.hashes);
        for input in &inputs[1..] {
            input.combine_rows(&self.seed, &mut self.hashes);
        }
        let hashes = &self.hashes;
        let mut index = Index {
            table: &mut self.index,
            seed: &self.seed,
            room: self.room,
            group_count: &mut self.group_count,
        };
        let index = &mut index;
        if let [input] = inputs.as_slice() {
            let column = &mut self.columns[0];
            if let (KeyInput::Bytes(input), Some(store)) = (input, column.as_bytes_mut()) {
                return probe(index, store, input, hashes, group_indices);
            }
            if let (KeyInput::Fixed(input), Some(store)) = (input, column.as_fixed_mut()) {
                return probe(index, store, input, hashes, group_indices);
            }
        }
        probe(index, &mut self.columns, &inputs, hashes, group_indices)
    }

    /// Finds or makes the groups of the rows that have none yet, by a single key of text without NULL.
    fn intern_unknown(
        &mut self,
        unknown_count: usize,
        input: &BytesInput<'_>,
        group_indices: &mut [u32],
    ) -> Result<(), AggregateError> {
        let mut index = Index {
            table: &mut self.index,
            seed: &self.seed,
            room: self.room,
            group_count: &mut self.group_count,
        };
        let store = self.columns[0].as_bytes_mut().expect("a key of text is stored as such");
        for at in 0..unknown_count {
            let row = self.recent.unknown()[at] as usize;
            let group = find_or_insert(&mut index, store, input, input.hash(&self.seed, row), row)?;
            group_indices[row] = group;
            self.recent.note(input.views[row], group);
        }
        Ok(())
    }

    /// Hash of a group's key, or of some of its columns: the same in every table.
    pub(crate) fn fingerprint(&self, group: usize, columns: &[usize]) -> u64 {
        let hashes =
            columns.iter().map(|&column| self.columns[column].hash_group(&hash::FIXED, group));
        let hashes = hashes.reduce(|before, next| hash::combine(&hash::FIXED, before, next));
        hashes.unwrap_or(hash::NULL)
    }

    /// The same of every group.
    pub(crate) fn fingerprints(&self, columns: &[usize]) -> impl Iterator<Item = u64> {
        (0..self.group_count).map(|group| self.fingerprint(group, columns))
    }

    /// The order of two groups by key, ascending, the first column most significant.
    pub(crate) fn compare(&self, left: usize, right: usize) -> Ordering {
        let mut columns = self.columns.iter().map(|column| column.compare(left, right));
        columns.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Some columns of a group's key as SQL literals, separated by commas.
    pub(crate) fn key_text(&self, group: usize, columns: impl Iterator<Item = usize>) -> String {
        let texts = columns.map(|column| self.columns[column].scalar(group).to_string());
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Bytes held, without the scratch memory of one batch.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.columns.iter().map(KeyColumn::heap_bytes).sum::<usize>()
            + self.index.allocation_size()
            + self.recent.heap_bytes()
    }

    /// Bytes of the scratch memory of one batch.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>() + self.recent.scratch_bytes()
    }

    /// Frees it.
    pub(crate) fn free_scratch(&mut self) {
        self.hashes = Vec::new();
        self.recent.free_scratch();
    }
}

impl KeyStore for Vec<KeyColumn> {
    type Input<'a> = KeyInputs<'a>;

    #[inline]
    fn equals(&self, group: usize, input: &KeyInputs<'_>, row: usize) -> bool {
        self.iter().zip(input).all(|(column, input)| column.equals(group, input, row))
    }

    fn push(&mut self, input: &KeyInputs<'_>, row: usize) {
        for (column, input) in self.iter_mut().zip(input) {
            column.push(input, row);
        }
    }

    #[inline]
    fn hash_group(&self, seed: &impl BuildHasher, group: usize) -> u64 {
        let hashes = self.iter().map(|column| column.hash_group(seed, group));
        let hashes = hashes.reduce(|before, next| hash::combine(seed, before, next));
        hashes.unwrap_or(hash::NULL)
    }
}

fn probe<S: KeyStore>(
    index: &mut Index<'_>,
    store: &mut S,
    input: &S::Input<'_>,
    hashes: &[u64],
    group_indices: &mut Vec<u32>,
) -> Result<(), AggregateError> {
    group_indices.reserve(hashes.len());
    for (row, &hash) in hashes.iter().enumerate() {
        group_indices.push(find_or_insert(index, store, input, hash, row)?);
    }
    Ok(())
}

#[inline(always)]
fn find_or_insert<S: KeyStore>(
    index: &mut Index<'_>,
    store: &mut S,
    input: &S::Input<'_>,
    hash: u64,
    row: usize,
) -> Result<u32, AggregateError> {
    let known = index.table.find(hash, |&group| store.equals(group as usize, input, row));
    if let Some(&group) = known {
        return Ok(group);
    }
    if index.table.len() == index.table.capacity() {
        index.check_growth()?;
    }
    let group = u32::try_from(*index.group_count).ok().filter(|&group| group < u32::MAX);
    let group = group.ok_or(AggregateError::TooManyGroups)?;
    store.push(input, row);
    *index.group_count += 1;
    let Index { table, seed, .. } = index;
    table.insert_unique(hash, group, |&group| store.hash_group(*seed, group as usize));
    Ok(group)
}

impl Index<'_> {
    /// Whether there is room for an index of twice the size beside this one.
    #[cold]
    fn check_growth(&self) -> Result<(), AggregateError> {
        let Room { budget_bytes, elsewhere_bytes } = self.room;
        let growing_bytes = self.table.allocation_size().saturating_mul(3);
        let state_bytes = elsewhere_bytes + growing_bytes as u64;
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        let group_count = *self.group_count;
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }
}

#[cfg(test)]
mod tests;
