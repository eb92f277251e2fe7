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
use crate::intern::Interner;
use crate::state::{Overflow, Rows, State, downcast};

/// Values that are handed on at a time in a merge.
const MERGE_ROWS: usize = 8192;

/// Wraps the state of a call; `None` for arguments of type `ARRAY`.
pub(crate) fn state(
    inner: Box<dyn State>,
    argument: &DataType,
    skips_nulls: bool,
) -> Option<Box<dyn State>> {
    let values = Interner::new([&DataType::BigInt, argument])?;
    Some(Box::new(Distinct { inner, skips_nulls, values, indices: Vec::new() }))
}

struct Distinct {
    inner: Box<dyn State>,
    skips_nulls: bool,
    /// Pairs of a group and a value it has had, in order of first appearance.
    values: Interner,
    /// Reused from batch to batch.
    indices: Vec<u32>,
}

impl Distinct {
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
        Ok(fresh.finish())
    }
}

impl State for Distinct {
    fn grow(&mut self, group_count: usize) {
        self.inner.grow(group_count);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update(&Rows { groups: rows.groups, argument: rows.argument, selected })
    }

    fn update_running(
        &mut self,
        rows: &Rows<'_>,
    ) -> Result<Result<ArrayRef, Overflow>, AggregateError> {
        let selected = Some(self.fresh(rows)?);
        self.inner.update_running(&Rows { groups: rows.groups, argument: rows.argument, selected })
    }

    fn merge(&mut self, later: &dyn State, groups: &[u32]) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        let pairs: Vec<u32> = (0..).take(later.values.group_count()).collect();
        for pairs in pairs.chunks(MERGE_ROWS) {
            let there = later.values.columns()[0].gather(pairs);
            let there = there.as_primitive::<Int64Type>().values().iter();
            let here: Vec<u32> = there
                .map(|&group| groups[usize::try_from(group).expect("a group index")])
                .collect();
            let values = later.values.columns()[1].gather(pairs);
            self.update(&Rows { groups: &here, argument: Some(&values), selected: None })?;
        }
        Ok(())
    }

    fn finish(&self, groups: &[u32]) -> Result<ArrayRef, Overflow> {
        self.inner.finish(groups)
    }

    fn heap_bytes(&self) -> usize {
        self.inner.heap_bytes() + self.values.heap_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
