//! The values that each group has had, each once: what `DISTINCT` and `MODE` remember.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter;
use smallvec::SmallVec;
use tidemill_record::DataType;

use crate::AggregateError;
use crate::argument::Arguments;
use crate::intern::Interner;
use crate::keys::KeyColumn;

/// Values that are handed on at a time in a merge.
pub(crate) const MERGE_ROWS: usize = 8192;

/// Pairs of a group and a value (of one or more columns) that it has had, numbered in order of first
/// appearance.
pub(crate) struct SeenValues {
    /// The group, then the columns of values.
    pairs: Interner,
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
        let types = std::iter::once(&DataType::BigInt).chain(values.iter().copied());
        Some(Self { pairs: Interner::new(types)?, by_group: None })
    }

    /// How many pairs there are.
    pub(crate) fn pair_count(&self) -> usize {
        self.pairs.group_count()
    }

    /// The first column of values, one value for each pair.
    pub(crate) fn values(&self) -> &KeyColumn {
        &self.pairs.columns()[1]
    }

    /// Finds or makes the pair of each row that is `counted` (`None` counts all), in their order.
    pub(crate) fn intern(
        &mut self,
        groups: &[u32],
        arguments: &[&ArrayRef],
        counted: Option<&BooleanBuffer>,
        pairs: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        let groups: Int64Array = groups.iter().map(|&group| i64::from(group)).collect();
        let groups: ArrayRef = Arc::new(groups);
        let mut columns: SmallVec<[ArrayRef; 3]> = std::iter::once(groups)
            .chain(arguments.iter().map(|&array| Arc::clone(array)))
            .collect();
        if let Some(counted) = counted {
            let chosen = BooleanArray::new(counted.clone(), None);
            for column in &mut columns {
                *column = filter(column, &chosen).expect("one choice a row");
            }
        }
        let row_count = columns[0].len();
        let columns: SmallVec<[&ArrayRef; 3]> = columns.iter().collect();
        self.pairs.intern(&columns, row_count, pairs)?;
        self.list_new_pairs();
        Ok(())
    }

    /// The values of these pairs, column by column.
    pub(crate) fn gather(&self, pairs: &[u32]) -> SmallVec<[ArrayRef; 2]> {
        self.pairs.columns()[1..].iter().map(|column| column.gather(pairs)).collect()
    }

    /// The groups of these pairs.
    fn groups_of(&self, pairs: &[u32]) -> Vec<u32> {
        let groups = self.pairs.columns()[0].gather(pairs);
        let groups = groups.as_primitive::<Int64Type>().values().iter();
        groups.map(|&group| u32::try_from(group).expect("a group index")).collect()
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
            by_group.add(&self.groups_of(pairs));
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
            for (&pair, group) in some.iter().zip(self.groups_of(some)) {
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
