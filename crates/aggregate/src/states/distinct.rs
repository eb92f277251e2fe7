//! `DISTINCT`: lets through the first of each value of a group, for any other aggregate.

use std::any::Any;

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use tidemill_record::DataType;

use super::seen_values::{MERGE_ROWS, SeenValues, borrowed};
use crate::AggregateError;
use crate::argument::{Groups, Rows};
use crate::state::{Results, State, downcast};

/// Wraps the state of a call; `None` for arguments of type `ARRAY`.
pub(crate) fn state(
    inner: Box<dyn State>,
    arguments: &[&DataType],
    skips_nulls: bool,
) -> Option<Box<dyn State>> {
    let values = SeenValues::new(arguments)?;
    Some(Box::new(Distinct { inner, skips_nulls, values, indices: Vec::new() }))
}

struct Distinct {
    inner: Box<dyn State>,
    skips_nulls: bool,
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
        for (pairs, groups) in pairs.chunks(MERGE_ROWS).zip(groups.chunks(MERGE_ROWS)) {
            let values = later.values.gather(pairs);
            self.update(&Rows {
                groups: Groups::new(groups),
                arguments: &borrowed(&values),
                selected: None,
            })?;
        }
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let pairs = self.values.take_pairs(from);
        for pairs in pairs.chunks(MERGE_ROWS) {
            let values = self.values.gather(pairs);
            let groups = vec![into; pairs.len()];
            self.update(&Rows {
                groups: Groups::new(&groups),
                arguments: &borrowed(&values),
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
        let (pairs, lists) = self.values.heap_bytes();
        self.inner.heap_bytes() + pairs + lists
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes() + self.values.heap_bytes().0
    }

    fn group_bytes(&self) -> usize {
        self.inner.group_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
