//! The values that each group has had, each once: what `DISTINCT` and `MODE` remember.

use std::cmp::Ordering;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter;
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::value_pairs::{Pairs, Values};
use crate::AggregateError;
use crate::argument::Arguments;
use crate::state::{put_counts, take_counts};

/// Values that are handed on at a time in a merge.
pub(crate) const MERGE_ROWS: usize = 8192;

/// Pairs of a group and a value (of one or more columns) that it has had, numbered in order of first
/// appearance.
pub(crate) struct SeenValues {
    pairs: Pairs,
    /// Made when groups first join, or are to.
    by_group: Option<PairsByGroup>,
}

/// The pairs of each group, as lists through `next`.
#[derive(Default)]
struct PairsByGroup {
    /// The newest pair of each group, or [`NONE`].
    newest: Vec<u32>,
    /// For each pair, the one before it of the same group, or [`NONE`].
    next: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl PairsByGroup {
    fn add(&mut self, groups: &[u32]) {
        for &group in groups {
            let group = group as usize;
            if group >= self.newest.len() {
                self.newest.resize(group + 1, NONE);
            }
            let pair = u32::try_from(self.next.len()).expect("pairs are numbered in 32 bits");
            self.next.push(std::mem::replace(&mut self.newest[group], pair));
        }
    }

    /// The pairs of a group, in order of arrival.
    fn pairs_of(&self, group: u32) -> Vec<u32> {
        let mut pairs = Vec::new();
        let mut pair = self.newest.get(group as usize).copied().unwrap_or(NONE);
        while pair != NONE {
            pairs.push(pair);
            pair = self.next[pair as usize];
        }
        pairs.reverse();
        pairs
    }

    fn heap_bytes(&self) -> usize {
        (self.newest.capacity() + self.next.capacity()) * size_of::<u32>()
    }
}

impl SeenValues {
    /// None yet; `None` for values of type `ARRAY`.
    pub(crate) fn new(values: &[&DataType]) -> Option<Self> {
        Some(Self { pairs: Pairs::new(values)?, by_group: None })
    }

    /// How many pairs there are.
    pub(crate) fn pair_count(&self) -> usize {
        self.pairs.len()
    }

    /// The order of the values of two pairs, which are of one column.
    pub(crate) fn compare(&self, left: u32, right: u32) -> Ordering {
        self.pairs.compare(left, right)
    }

    /// Finds or makes the pair of each row that is `counted` (`None` counts all), in their order.
    pub(crate) fn intern(
        &mut self,
        groups: &[u32],
        arguments: &[&ArrayRef],
        counted: Option<&BooleanBuffer>,
        pairs: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        match counted {
            None => self.pairs.intern(groups, arguments, pairs)?,
            Some(counted) => {
                let chosen = BooleanArray::new(counted.clone(), None);
                let columns: Values = arguments
                    .iter()
                    .map(|column| filter(column, &chosen).expect("one choice a row"))
                    .collect();
                let groups: Vec<u32> = counted.set_indices().map(|row| groups[row]).collect();
                self.pairs.intern(&groups, &borrowed(&columns), pairs)?;
            }
        }
        self.list_new_pairs();
        Ok(())
    }

    /// Finds or makes pairs of the values of another table's pairs and the groups beside them; replaces `pairs`.
    /// `numbers` is empty at first, and goes along with `later`.
    pub(crate) fn intern_of(
        &mut self,
        later: &Self,
        there: &[u32],
        groups: &[u32],
        numbers: &mut Vec<u32>,
        pairs: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        self.pairs.intern_of(&later.pairs, there, groups, numbers, pairs)?;
        self.list_new_pairs();
        Ok(())
    }

    /// The same with the values of own pairs.
    pub(crate) fn intern_own(
        &mut self,
        there: &[u32],
        groups: &[u32],
        pairs: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        self.pairs.intern_own(there, groups, pairs)?;
        self.list_new_pairs();
        Ok(())
    }

    /// The pairs as they are kept.
    pub(super) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The values of these pairs, column by column.
    pub(crate) fn gather(&self, pairs: &[u32]) -> Values {
        self.pairs.gather(pairs)
    }

    /// Groups are going to join, and few of many to be merged elsewhere.
    pub(crate) fn list_by_group(&mut self) {
        self.by_group.get_or_insert_default();
        self.list_new_pairs();
    }

    /// Adds the pairs that are new to the lists, if there are lists.
    fn list_new_pairs(&mut self) {
        let Some(mut by_group) = self.by_group.take() else { return };
        let listed = u32::try_from(by_group.next.len()).expect("pairs are numbered in 32 bits");
        let new: Vec<u32> = (listed..).take(self.pair_count() - by_group.next.len()).collect();
        for pairs in new.chunks(MERGE_ROWS) {
            by_group.add(&self.pairs.groups_of(pairs));
        }
        self.by_group = Some(by_group);
    }

    /// All pairs of a group, in order of arrival; it has none afterwards.
    pub(crate) fn take_pairs(&mut self, group: u32) -> Vec<u32> {
        self.list_by_group();
        let Some(by_group) = &mut self.by_group else { return Vec::new() };
        let pairs = by_group.pairs_of(group);
        if let Some(newest) = by_group.newest.get_mut(group as usize) {
            *newest = NONE;
        }
        pairs
    }

    /// The pairs of some groups, those of each in order of arrival, and beside each pair the group that
    /// takes the place of its own. O(pairs of these groups) where pairs are listed, else O(all pairs).
    pub(crate) fn pairs_for(&self, there: &[u32], here: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut pairs, mut groups) = (Vec::new(), Vec::new());
        if let Some(by_group) = &self.by_group {
            debug_assert_eq!(by_group.next.len(), self.pair_count(), "all are listed");
            for (&from, &into) in there.iter().zip(here) {
                pairs.extend(by_group.pairs_of(from));
                groups.resize(pairs.len(), into);
            }
            return (pairs, groups);
        }
        let group_count = there.iter().max().map_or(0, |&group| group as usize + 1);
        let mut targets = vec![None; group_count];
        for (&from, &into) in there.iter().zip(here) {
            targets[from as usize] = Some(into);
        }
        let all: Vec<u32> = (0..).take(self.pair_count()).collect();
        for some in all.chunks(MERGE_ROWS) {
            for (&pair, group) in some.iter().zip(self.pairs.groups_of(some)) {
                if let Some(into) = targets.get(group as usize).copied().flatten() {
                    pairs.push(pair);
                    groups.push(into);
                }
            }
        }
        (pairs, groups)
    }

    /// Forgets all; their memory goes, since they may be far more than the groups.
    pub(crate) fn clear(&mut self) {
        self.pairs = self.pairs.emptied();
        self.by_group = self.by_group.take().map(|_| PairsByGroup::default());
    }

    /// Puts the values of some groups, those of each in order of arrival; gives their pairs in that order.
    ///
    /// # Cost
    /// O(pairs of these groups) where pairs are listed, else O(all pairs).
    pub(crate) fn export(&self, groups: &[u32], image: &mut Image) -> Vec<u32> {
        let here: Vec<u32> = (0..).take(groups.len()).collect();
        let (pairs, places) = self.pairs_for(groups, &here);
        let mut starts = vec![0; groups.len() + 1];
        places.iter().for_each(|&place| starts[place as usize + 1] += 1);
        put_counts(image, starts[1..].iter().copied());
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut by_group = vec![0; pairs.len()];
        for (pair, place) in pairs.into_iter().zip(places) {
            let at = &mut starts[place as usize];
            by_group[*at] = pair;
            *at += 1;
        }
        self.pairs.export(&by_group, image);
        by_group
    }

    /// Takes what was put of so many groups; gives the group of each pair. Pairs are numbered in that order.
    ///
    /// # Errors
    /// [`ImageError`]
    pub(crate) fn import(
        &mut self,
        image: &mut Image,
        group_count: usize,
    ) -> Result<Vec<u32>, ImageError> {
        let (counts, pair_count) = take_counts(image, group_count)?;
        let values = self.pairs.take_values(image, pair_count)?;
        let mut groups = Vec::with_capacity(pair_count);
        for (group, count) in (0..).zip(counts) {
            groups.resize(groups.len() + count, group);
        }
        let mut indices = Vec::new();
        for (start, groups) in (0..).step_by(MERGE_ROWS).zip(groups.chunks(MERGE_ROWS)) {
            let values: Values = values.iter().map(|v| v.slice(start, groups.len())).collect();
            let interned = self.intern(groups, &borrowed(&values), None, &mut indices);
            interned.map_err(|error| ImageError::new("", error.to_string()))?;
        }
        match self.pair_count() == pair_count {
            true => Ok(groups),
            false => Err(ImageError::new("", "holds a value of a group twice")),
        }
    }

    /// Bytes of the pairs, and of the lists.
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        let lists = self.by_group.as_ref().map_or(0, |by_group| by_group.heap_bytes());
        (self.pairs.heap_bytes(), lists)
    }
}

/// Columns as what a state is given.
pub(crate) fn borrowed(columns: &[ArrayRef]) -> Arguments<'_> {
    columns.iter().collect()
}
