//! Group keys to dense indices.
//!
//! Whole numbers that lie close together are places in a list ([`ranges`]), and so are they together with few texts
//! ([`numbers`]). Other keys are hashed, all of a batch first,
//! and looked up by hash ([`slots`], [`probe`]). A single key of text or of fixed size has loops of its own;
//! everything else compares column by column. Before that, rows with a key of one text are looked for among those
//! met lately.

use std::hash::BuildHasher;

use arrow_array::ArrayRef;
use tidemill_record::DataType;

use crate::AggregateError;
use crate::keys::bytes::BytesInput;
use crate::keys::hash::{self, Seed};
use crate::keys::{KeyColumn, KeyInput, KeyInputs, KeyStore};
use crate::recent::Recent;
use numbers::Numbers;
use probe::{Index, next_group, probe};
use ranges::{Places, Ranges};
use slots::Slots;

mod image;
mod numbers;
mod probe;
mod ranges;
mod slots;

/// Texts of so many groups are numbered to find out whether there are few of them; of more it is not asked.
const NUMBERED_GROUPS_MAX: usize = 1 << 16;

/// So many rows whose keys were not met lately are looked up one by one; more, with all others.
const FEW_UNKNOWN: usize = 512;

/// Groups that are hashed at a time.
const HASHED_GROUPS: usize = 4096;

/// Numbers distinct keys from zero in order of first appearance.
pub(crate) struct Interner {
    columns: Vec<KeyColumn>,
    /// Group indices by hash; without any while there are `ranges`.
    slots: Slots,
    /// Group indices by place, while keys lie close enough together.
    ranges: Option<Ranges>,
    /// Of the texts among several columns, while there are `ranges`.
    numbers: Option<Box<Numbers>>,
    /// Of the hash.
    seed: Seed,
    recent: Recent,
    /// Reused from batch to batch.
    hashes: Vec<u64>,
    places: Vec<u32>,
    /// In `0..=u32::MAX`.
    group_count: usize,
    /// Rows that have come, and how many there are to be when it is looked next whether keys lie close together.
    row_count: u64,
    next_look: u64,
    room: Room,
}

/// What a table may hold, and holds beside its index.
#[derive(Clone, Copy)]
struct Room {
    budget_bytes: u64,
    elsewhere_bytes: u64,
}

impl Room {
    /// Whether there is room for an index of so many bytes.
    fn check(self, index_bytes: usize, group_count: usize) -> Result<(), AggregateError> {
        let Self { budget_bytes, elsewhere_bytes } = self;
        let state_bytes = elsewhere_bytes + index_bytes as u64;
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }
}

impl Interner {
    /// No groups yet, except that without columns there is always one. `None` if a type cannot be
    /// a key.
    pub(crate) fn new<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<Self> {
        let columns = types.into_iter().map(KeyColumn::new).collect::<Option<_>>()?;
        Some(Self::of(columns))
    }

    fn of(columns: Vec<KeyColumn>) -> Self {
        // A single text is found among those met lately.
        let are_short =
            |column: &KeyColumn| column.is_whole() || columns.len() > 1 && column.is_bytes();
        let may_be_near = columns.iter().all(are_short);
        Self {
            group_count: usize::from(columns.is_empty()),
            columns,
            slots: Slots::default(),
            ranges: None,
            numbers: None,
            seed: Seed::default(),
            recent: Recent::default(),
            hashes: Vec::new(),
            places: Vec::new(),
            row_count: 0,
            next_look: if may_be_near { 0 } else { u64::MAX },
            room: Room { budget_bytes: u64::MAX, elsewhere_bytes: 0 },
        }
    }

    fn index_bytes(&self) -> usize {
        self.slots.heap_bytes() + self.ranges.as_ref().map_or(0, Ranges::heap_bytes)
    }

    /// Refuses to grow the index where the table, which holds so many bytes beside the interner, would then
    /// hold more than its budget.
    pub(crate) fn set_budget(&mut self, budget_bytes: u64, elsewhere_bytes: u64) {
        let rest = (self.heap_bytes() - self.index_bytes()) as u64;
        self.room = Room { budget_bytes, elsewhere_bytes: elsewhere_bytes + rest };
    }

    /// Forgets all groups, and keeps their memory for others.
    pub(crate) fn clear(&mut self) {
        self.columns.iter_mut().for_each(KeyColumn::clear);
        self.slots.clear();
        self.ranges.iter_mut().for_each(Ranges::clear);
        self.numbers.iter_mut().for_each(|numbers| numbers.clear());
        self.recent.clear();
        self.group_count = usize::from(self.columns.is_empty());
    }

    /// Whether groups are found by hash.
    pub(crate) fn is_hashed(&self) -> bool {
        self.ranges.is_none() && !self.columns.is_empty()
    }

    /// Replaces `hashes` by those of the rows' keys.
    pub(crate) fn hash_rows(
        &self,
        arrays: &[&ArrayRef],
        seed: &impl BuildHasher,
        row_count: usize,
        hashes: &mut Vec<u64>,
    ) {
        let inputs = self.columns.iter().zip(arrays).map(|(column, array)| column.input(array));
        hash_all(&inputs.collect(), seed, row_count, hashes);
    }

    /// Groups that there is room for.
    pub(crate) fn group_room(&self) -> usize {
        self.ranges.as_ref().map_or(self.slots.capacity(), |ranges| ranges.groups.len())
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
        let inputs = self.columns.iter().zip(arrays).map(|(column, array)| column.input(array));
        let inputs: KeyInputs<'_> = inputs.collect();
        self.intern_inputs(&inputs, row_count, group_indices)
    }

    /// The same of keys that are ready to be looked up.
    pub(crate) fn intern_inputs(
        &mut self,
        inputs: &KeyInputs<'_>,
        row_count: usize,
        group_indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        group_indices.clear();
        if self.columns.is_empty() {
            group_indices.resize(row_count, 0);
            return Ok(());
        }
        self.row_count += row_count as u64;
        if self.are_in_ranges(inputs, row_count)? {
            return self.intern_places(inputs, group_indices);
        }
        if let [KeyInput::Bytes(input)] = inputs.as_slice()
            && input.nulls.is_none()
            && let Some(store) = self.columns[0].as_bytes_mut()
            && let Some(unknown_count) = self.recent.look_up(input, store, group_indices)
        {
            if unknown_count <= FEW_UNKNOWN {
                return self.intern_unknown(unknown_count, input, group_indices);
            }
            group_indices.clear();
            self.intern_hashed(inputs, row_count, group_indices)?;
            self.recent.note_last(input.views, group_indices);
            return Ok(());
        }
        self.intern_hashed(inputs, row_count, group_indices)
    }

    /// Finds or makes the group of every row by the hash of its key.
    fn intern_hashed(
        &mut self,
        inputs: &KeyInputs<'_>,
        row_count: usize,
        group_indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        hash_all(inputs, &self.seed, row_count, &mut self.hashes);
        let hashes = &self.hashes;
        let index = &mut Index {
            slots: &mut self.slots,
            room: self.room,
            group_count: &mut self.group_count,
        };
        if let [input] = inputs.as_slice() {
            let column = &mut self.columns[0];
            if let (KeyInput::Bytes(input), Some(store)) = (input, column.as_bytes_mut()) {
                return probe(index, store, input, hashes, group_indices);
            }
            if let (KeyInput::Fixed(input), Some(store)) = (input, column.as_fixed_mut()) {
                return probe(index, store, input, hashes, group_indices);
            }
            if let (KeyInput::Wide(input), Some(store)) = (input, column.as_wide_mut()) {
                return probe(index, store, input, hashes, group_indices);
            }
        }
        probe(index, &mut self.columns, inputs, hashes, group_indices)
    }

    /// Whether `places` are those of the rows' keys in a list of groups.
    #[inline]
    fn are_in_ranges(
        &mut self,
        inputs: &KeyInputs<'_>,
        row_count: usize,
    ) -> Result<bool, AggregateError> {
        if let Some(ranges) = &self.ranges {
            let places = match &mut self.numbers {
                None => ranges.places(inputs, &mut self.places),
                Some(numbers) => {
                    ranges.places(&numbers.inputs(inputs, row_count)?, &mut self.places)
                }
            };
            if let Places::All = places {
                return Ok(true);
            }
        } else if self.row_count < self.next_look {
            return Ok(false);
        }
        self.look_for_ranges(inputs, row_count)
    }

    /// Makes a list of groups that has room for these keys, too; or does without one from now on.
    #[cold]
    fn look_for_ranges(
        &mut self,
        inputs: &KeyInputs<'_>,
        row_count: usize,
    ) -> Result<bool, AggregateError> {
        let is_seldom = self.ranges.is_none();
        self.next_look = self.row_count.saturating_mul(2);
        let mut numbers = self.numbers.take();
        if is_seldom && !self.columns.iter().all(KeyColumn::is_whole) {
            if self.group_count > NUMBERED_GROUPS_MAX {
                self.next_look = u64::MAX;
                return Ok(false);
            }
            numbers = Some(Box::new(Numbers::of(&self.columns)));
        }
        let columns = self.columns.iter();
        let known: KeyInputs<'_> =
            columns.map(|column| column.own_input(0..self.group_count)).collect();
        let known_numbers = match &mut numbers {
            Some(numbers) => Some(numbers.inputs(&known, self.group_count)?),
            None => None,
        };
        let numbers_of_batch = match &mut numbers {
            Some(numbers) => Some(numbers.inputs(inputs, row_count)?),
            None => None,
        };
        let known_places = known_numbers.as_deref().unwrap_or(&known);
        let batch = numbers_of_batch.as_deref().unwrap_or(inputs);
        match Ranges::of(known_places, batch, self.row_count, is_seldom) {
            Some(mut ranges) => {
                self.room.check(self.index_bytes() + ranges.heap_bytes(), self.group_count)?;
                ranges.places(known_places, &mut self.places);
                for (number, &place) in (1..).zip(&self.places) {
                    ranges.groups[place as usize] = number;
                }
                ranges.places(batch, &mut self.places);
                (self.ranges, self.slots) = (Some(ranges), Slots::default());
                self.numbers = numbers;
                Ok(true)
            }
            None if is_seldom => Ok(false),
            None => {
                self.ranges = None;
                let mut hashes = std::mem::take(&mut self.hashes);
                hash_all(&known, &self.seed, self.group_count, &mut hashes);
                let index = &mut Index {
                    slots: &mut self.slots,
                    room: self.room,
                    group_count: &mut self.group_count,
                };
                index.add_known(&hashes)?;
                self.hashes = hashes;
                Ok(false)
            }
        }
    }

    /// Finds or makes the groups of rows whose keys are at `places`.
    fn intern_places(
        &mut self,
        inputs: &KeyInputs<'_>,
        group_indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        let ranges = self.ranges.as_mut().expect("keys are in their list");
        let mut are_known = true;
        group_indices.extend(self.places.iter().map(|&place| {
            let number = ranges.groups[place as usize];
            are_known &= number > 0;
            number.wrapping_sub(1)
        }));
        if are_known {
            return Ok(());
        }
        for (row, (group, &place)) in group_indices.iter_mut().zip(&self.places).enumerate() {
            let number = &mut ranges.groups[place as usize];
            if *number == 0 {
                *number = next_group(&mut self.group_count)? + 1;
                KeyStore::push(&mut self.columns, inputs, row);
            }
            *group = *number - 1;
        }
        Ok(())
    }

    /// Finds or makes the groups of the rows that have none yet, by a single key of text without NULL.
    fn intern_unknown(
        &mut self,
        unknown_count: usize,
        input: &BytesInput<'_>,
        group_indices: &mut [u32],
    ) -> Result<(), AggregateError> {
        let mut index =
            Index { slots: &mut self.slots, room: self.room, group_count: &mut self.group_count };
        let store = self.columns[0].as_bytes_mut().expect("a key of text is stored as such");
        for at in 0..unknown_count {
            let row = self.recent.unknown()[at] as usize;
            let group = index.find_or_insert(store, input, input.hash(&self.seed, row), row)?;
            group_indices[row] = group;
            self.recent.note(input.views[row], group);
        }
        Ok(())
    }

    /// Hash of each group's key, in order.
    pub(crate) fn each_hash(&self, seed: &impl BuildHasher, each: &mut dyn FnMut(u64)) {
        let mut hashes = Vec::with_capacity(HASHED_GROUPS);
        for start in (0..self.group_count).step_by(HASHED_GROUPS) {
            let groups = start..self.group_count.min(start + HASHED_GROUPS);
            let columns = self.columns.iter();
            let keys: KeyInputs<'_> =
                columns.map(|column| column.own_input(groups.clone())).collect();
            hash_all(&keys, seed, groups.len(), &mut hashes);
            hashes.iter().for_each(|&hash| each(hash));
        }
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

    /// Some columns of a group's key as SQL literals, separated by commas.
    pub(crate) fn key_text(&self, group: usize, columns: impl Iterator<Item = usize>) -> String {
        let texts = columns.map(|column| self.columns[column].scalar(group).to_string());
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Bytes held, without the scratch memory of one batch.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.columns.iter().map(KeyColumn::heap_bytes).sum::<usize>()
            + self.index_bytes()
            + self.numbers.as_ref().map_or(0, |numbers| numbers.heap_bytes())
            + self.recent.heap_bytes()
    }

    /// Bytes of the scratch memory of one batch.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>()
            + self.places.capacity() * size_of::<u32>()
            + self.numbers.as_ref().map_or(0, |numbers| numbers.scratch_bytes())
            + self.recent.scratch_bytes()
    }

    /// Frees it.
    pub(crate) fn free_scratch(&mut self) {
        (self.hashes, self.places) = Default::default();
        self.numbers.iter_mut().for_each(|numbers| numbers.free_scratch());
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

    fn compare_rows(
        &self,
        groups: &[u32],
        inputs: &KeyInputs<'_>,
        first: usize,
        are_equal: &mut [bool],
    ) {
        for (column, input) in self.iter().zip(inputs) {
            column.compare_rows(groups, input, first, are_equal);
        }
    }
}

/// Replaces `hashes` by those of the rows' keys.
pub(crate) fn hash_all(
    inputs: &KeyInputs<'_>,
    seed: &impl BuildHasher,
    row_count: usize,
    hashes: &mut Vec<u64>,
) {
    hashes.clear();
    inputs[0].hash_rows(seed, row_count, hashes);
    for input in &inputs[1..] {
        input.combine_rows(seed, hashes);
    }
}

#[cfg(test)]
mod tests;
