//! `DISTINCT`: lets through the first of each value of a group, for any other aggregate.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::filter::filter;
use tidemill_record::DataType;

use crate::AggregateError;
use crate::argument::{Groups, Rows};
use crate::intern::Interner;
use crate::state::{Results, State, downcast};

/// Values that are handed on at a time in a merge.
const MERGE_ROWS: usize = 8192;

/// Wraps the state of a call; `None` for arguments of type `ARRAY`.
pub(crate) fn state(
    inner: Box<dyn State>,
    argument: &DataType,
    skips_nulls: bool,
) -> Option<Box<dyn State>> {
    let values = Interner::new([&DataType::BigInt, argument])?;
    Some(Box::new(Distinct { inner, skips_nulls, values, by_group: None, indices: Vec::new() }))
}

struct Distinct {
    inner: Box<dyn State>,
    skips_nulls: bool,
    /// Pairs of a group and a value it has had, in order of first appearance.
    values: Interner,
    /// Made when groups first join, or are to.
    by_group: Option<PairsByGroup>,
    /// Reused from batch to batch.
    indices: Vec<u32>,
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

impl Distinct {
    /// The groups of these pairs.
    fn groups_of(&self, pairs: &[u32]) -> Vec<u32> {
        let groups = self.values.columns()[0].gather(pairs);
        let groups = groups.as_primitive::<Int64Type>().values().iter();
        groups.map(|&group| u32::try_from(group).expect("a group index")).collect()
    }

    /// Adds the pairs that are new to the lists, if there are lists.
    fn list_new_pairs(&mut self) {
        let Some(mut by_group) = self.by_group.take() else { return };
        let listed = u32::try_from(by_group.next.len()).expect("pairs are numbered in 32 bits");
        let new: Vec<u32> =
            (listed..).take(self.values.group_count() - by_group.next.len()).collect();
        for pairs in new.chunks(MERGE_ROWS) {
            by_group.add(&self.groups_of(pairs));
        }
        self.by_group = Some(by_group);
    }

    /// All pairs of a group, in order of arrival; it has none afterwards.
    fn take_pairs(&mut self, group: u32) -> Vec<u32> {
        self.by_group.get_or_insert_default();
        self.list_new_pairs();
        let Some(by_group) = &mut self.by_group else { return Vec::new() };
        let pairs = by_group.pairs_of(group);
        if let Some(newest) = by_group.newest.get_mut(group as usize) {
            *newest = NONE;
        }
        pairs
    }

    /// The pairs of some groups, those of each in order of arrival, and beside each pair the group that
    /// takes the place of its own. O(pairs of these groups) where pairs are listed, else O(all pairs).
    fn pairs_for(&self, there: &[u32], here: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut pairs, mut groups) = (Vec::new(), Vec::new());
        if let Some(by_group) = &self.by_group {
            debug_assert_eq!(by_group.next.len(), self.values.group_count(), "all are listed");
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
        let all: Vec<u32> = (0..).take(self.values.group_count()).collect();
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

    /// The rows whose value their group has not had before.
    fn fresh(&mut self, rows: &Rows<'_>) -> Result<BooleanBuffer, AggregateError> {
        let argument = rows.argument.expect("only COUNT goes without an argument");
        let groups: Int64Array = rows.groups.iter().map(|&group| i64::from(group)).collect();
        let mut groups: ArrayRef = Arc::new(groups);
        let mut argument = argument.clone();
        let counted = rows.counted(self.skips_nulls);
        if let Some(counted) = &counted {
            let chosen = BooleanArray::new(counted.clone(), None);
            groups = filter(&groups, &chosen).expect("one choice a row");
            argument = filter(&argument, &chosen).expect("one choice a row");
        }
        let mut known = self.values.group_count();
        self.values.intern(&[&groups, &argument], groups.len(), &mut self.indices)?;
        // New pairs are numbered in order, so a pair is new exactly where its number is next.
        let mut is_fresh = self.indices.iter().map(|&index| {
            let is_next = index as usize == known;
            known += usize::from(is_next);
            is_next
        });
        let mut fresh = BooleanBufferBuilder::new(rows.groups.len());
        for row in 0..rows.groups.len() {
            let is_counted = counted.as_ref().is_none_or(|counted| counted.value(row));
            fresh.append(is_counted && is_fresh.next().unwrap_or(false));
        }
        self.list_new_pairs();
        Ok(fresh.finish())
    }
}

impl State for Distinct {
    fn grow(&mut self, group_count: usize) {
        self.inner.grow(group_count);
    }

    fn clear(&mut self) {
        self.inner.clear();
        // These may be far more than the groups; their memory goes.
        self.values = self.values.emptied();
        self.by_group = self.by_group.take().map(|_| PairsByGroup::default());
    }

    fn list_by_group(&mut self) {
        self.by_group.get_or_insert_default();
        self.list_new_pairs();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update(&Rows { groups: rows.groups, argument: rows.argument, selected })
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update_running(&Rows { groups: rows.groups, argument: rows.argument, selected })
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        let (pairs, groups) = later.pairs_for(there, here);
        for (pairs, groups) in pairs.chunks(MERGE_ROWS).zip(groups.chunks(MERGE_ROWS)) {
            let values = later.values.columns()[1].gather(pairs);
            self.update(&Rows {
                groups: Groups::new(groups),
                argument: Some(&values),
                selected: None,
            })?;
        }
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let pairs = self.take_pairs(from);
        for pairs in pairs.chunks(MERGE_ROWS) {
            let values = self.values.columns()[1].gather(pairs);
            let groups = vec![into; pairs.len()];
            self.update(&Rows {
                groups: Groups::new(&groups),
                argument: Some(&values),
                selected: None,
            })?;
        }
        Ok(())
    }

    fn prepare_running(&mut self, groups: &[u32]) {
        self.inner.prepare_running(groups);
    }

    fn finish(&self, groups: &[u32]) -> Results {
        self.inner.finish(groups)
    }

    fn heap_bytes(&self) -> usize {
        let by_group = self.by_group.as_ref().map_or(0, |by_group| by_group.heap_bytes());
        self.inner.heap_bytes() + self.values.heap_bytes() + by_group
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes() + self.values.heap_bytes()
    }

    fn group_bytes(&self) -> usize {
        self.inner.group_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
