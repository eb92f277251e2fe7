//! `DISTINCT`: lets through the first of each value of a group, for any other aggregate.

use std::any::Any;

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use tidemill_plan::AggregateFunction;
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::seen_values::{MERGE_ROWS, SeenValues, borrowed};
use super::united::{Set, groups_of_new};
use super::value_pairs::Values;
use crate::AggregateError;
use crate::argument::{Groups, Rows};
use crate::parts::DoAll;
use crate::state::{KeptValues, Later, Results, State, downcast};

/// Wraps the state of a call; `None` for arguments of type `ARRAY`.
pub(crate) fn state(
    inner: Box<dyn State>,
    arguments: &[&DataType],
    function: &AggregateFunction,
) -> Option<Box<dyn State>> {
    let values = SeenValues::new(arguments)?;
    let (skips_nulls, is_count) = (!function.takes_nulls(), *function == AggregateFunction::Count);
    Some(Box::new(Distinct { inner, skips_nulls, is_count, values, indices: Vec::new() }))
}

struct Distinct {
    inner: Box<dyn State>,
    skips_nulls: bool,
    /// The inner state counts rows, and does not look at values.
    is_count: bool,
    values: SeenValues,
    /// Reused from batch to batch.
    indices: Vec<u32>,
}

impl Distinct {
    /// The rows whose value their group has not had before.
    fn fresh(&mut self, rows: &Rows<'_>) -> Result<BooleanBuffer, AggregateError> {
        let counted = rows.counted(self.skips_nulls);
        let mut known = self.values.pair_count();
        let indices = &mut self.indices;
        self.values.intern(&rows.groups, rows.arguments, counted.as_ref(), indices)?;
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
        Ok(fresh.finish())
    }
}

impl Distinct {
    /// Gives the inner state the values of the pairs that are new; there were `known` of them before these, each in the
    /// group beside it, and none is NULL if those do not count.
    fn let_through(
        &mut self,
        known: usize,
        groups: &[u32],
        pairs: &[u32],
    ) -> Result<(), AggregateError> {
        let (mut new, mut groups_of_new) = (Vec::new(), Vec::new());
        for (&pair, &group) in pairs.iter().zip(groups) {
            if pair as usize == known + new.len() {
                new.push(pair);
                groups_of_new.push(group);
            }
        }
        // Whoever only counts them has no use for their values.
        let values = if self.is_count { Values::new() } else { self.values.gather(&new) };
        self.inner.update(&Rows {
            groups: Groups::new(&groups_of_new),
            arguments: &borrowed(&values),
            selected: None,
        })
    }
}

impl State for Distinct {
    fn grow(&mut self, group_count: usize) {
        self.inner.grow(group_count);
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.values.clear();
    }

    fn list_by_group(&mut self) {
        self.values.list_by_group();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update(&Rows { groups: rows.groups, arguments: rows.arguments, selected })
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update_running(&Rows {
            groups: rows.groups,
            arguments: rows.arguments,
            selected,
        })
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        let (pairs, groups) = later.values.pairs_for(there, here);
        let (mut numbers, mut indices) = (Vec::new(), std::mem::take(&mut self.indices));
        for (pairs, groups) in pairs.chunks(MERGE_ROWS).zip(groups.chunks(MERGE_ROWS)) {
            let known = self.values.pair_count();
            self.values.intern_of(&later.values, pairs, groups, &mut numbers, &mut indices)?;
            self.let_through(known, groups, &indices)?;
        }
        self.indices = indices;
        Ok(())
    }

    fn kept_values(&self) -> KeptValues {
        match self.is_count {
            true => KeptValues::Counted(self.values.pair_count()),
            false => KeptValues::Looked,
        }
    }

    fn unite(
        &mut self,
        later: &[Later<'_>],
        part_count: usize,
        do_all: &DoAll,
    ) -> Result<(), AggregateError> {
        assert!(self.is_count, "only counts are united");
        let mut sets = vec![Set { pairs: self.values.pairs(), here: None }];
        sets.extend(later.iter().map(|later| {
            let Self { values, .. } = downcast(later.state);
            Set { pairs: values.pairs(), here: Some(later.here) }
        }));
        let new = groups_of_new(&sets, part_count, do_all)?;
        // The set lacks what the others have, and nobody asks for it any more.
        self.values.clear();
        new.iter().try_for_each(|groups| {
            self.inner.update(&Rows { groups: Groups::new(groups), arguments: &[], selected: None })
        })
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let pairs = self.values.take_pairs(from);
        let mut indices = std::mem::take(&mut self.indices);
        for pairs in pairs.chunks(MERGE_ROWS) {
            let (known, groups) = (self.values.pair_count(), vec![into; pairs.len()]);
            self.values.intern_own(pairs, &groups, &mut indices)?;
            self.let_through(known, &groups, &indices)?;
        }
        self.indices = indices;
        Ok(())
    }

    fn prepare_running(&mut self, groups: &[u32]) {
        self.inner.prepare_running(groups);
    }

    fn finish(&self, groups: &[u32]) -> Results {
        self.inner.finish(groups)
    }

    fn heap_bytes(&self) -> usize {
        let (pairs, lists) = self.values.heap_bytes();
        self.inner.heap_bytes() + pairs + lists
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes() + self.values.heap_bytes().0
    }

    fn group_bytes(&self) -> usize {
        self.inner.group_bytes()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let mut seen = Image::new();
        self.values.export(groups, &mut seen);
        let mut image = Image::new();
        image.put_image("seen", seen);
        image.put_image("inner", self.inner.export(groups));
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let mut seen = image.take_image("seen")?;
        let values = self.values.import(&mut seen, group_count).and_then(|_| seen.end());
        values.map_err(|error| error.within("seen"))?;
        let inner = image.take_image("inner")?;
        self.inner.import(inner, group_count).map_err(|error| error.within("inner"))?;
        image.end()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
