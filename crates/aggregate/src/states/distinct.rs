//! `DISTINCT`: lets through the first of each value of a group, for any other aggregate.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::filter::filter;
use tidemill_plan::AggregateFunction;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{Columns, DataType};

use super::met::Met;
use super::seen_values::{MERGE_ROWS, SeenValues, borrowed};
use super::united::{Set, groups_of_new};
use super::value_pairs::Values;
use crate::AggregateError;
use crate::argument::{Groups, Rows};
use crate::parts::DoAll;
use crate::scattered::{Looks, Scatter, ScatteredRows};
use crate::state::{KeptValues, Later, Results, State, downcast};

/// Wraps the state of a call; `None` for arguments of type `ARRAY`.
pub(crate) fn state(
    inner: Box<dyn State>,
    arguments: &[&DataType],
    function: &AggregateFunction,
) -> Option<Box<dyn State>> {
    let values = SeenValues::new(arguments)?;
    let (skips_nulls, is_count) = (!function.takes_nulls(), *function == AggregateFunction::Count);
    // What is counted must not be NULL.
    let met = if skips_nulls { Met::new(arguments) } else { None };
    let (indices, waiting) = (Vec::new(), None);
    Some(Box::new(Distinct {
        inner,
        skips_nulls,
        is_count,
        values,
        met,
        group_count: 0,
        indices,
        waiting,
    }))
}

struct Distinct {
    inner: Box<dyn State>,
    skips_nulls: bool,
    /// The inner state counts rows, and does not look at values.
    is_count: bool,
    values: SeenValues,
    /// Tells of most rows that they are not new, before they are looked up.
    met: Option<Met>,
    group_count: usize,
    /// Reused from batch to batch.
    indices: Vec<u32>,
    /// Whether rows may wait, and those that do.
    waiting: Option<Box<Waiting>>,
}

/// Rows whose values have not been looked up, because most are new to their group.
struct Waiting {
    looks: Looks,
    /// Once there are any: the group of each, and its values.
    rows: Option<ScatteredRows>,
    /// Reused from batch to batch.
    hashes: Vec<u64>,
}

impl Distinct {
    /// The rows whose value their group has not had before.
    fn fresh(&mut self, rows: &Rows<'_>) -> Result<BooleanBuffer, AggregateError> {
        let mut known = self.values.pair_count();
        let mut counted = rows.counted(self.skips_nulls);
        if let Some(met) = &mut self.met {
            counted = met.narrowed(rows.groups, rows.arguments[0], counted, known);
        }
        let indices = &mut self.indices;
        self.values.intern(&rows.groups, rows.arguments, counted.as_ref(), indices)?;
        // New pairs are numbered in order, so a pair is new exactly where its number is next.
        let mut is_fresh = |index: u32| {
            let is_next = index as usize == known;
            known += usize::from(is_next);
            is_next
        };
        let row_count = rows.groups.len();
        let mut fresh = BooleanBufferBuilder::new(row_count);
        match counted {
            None => self.indices.iter().for_each(|&index| fresh.append(is_fresh(index))),
            Some(counted) => {
                fresh.append_n(row_count, false);
                for (row, &index) in counted.set_indices().zip(&self.indices) {
                    fresh.set_bit(row, is_fresh(index));
                }
            }
        }
        Ok(fresh.finish())
    }
}

impl Distinct {
    /// The rows that wait.
    fn scattered(&self) -> Option<&ScatteredRows> {
        self.waiting.as_ref()?.rows.as_ref()
    }

    fn met_bytes(&self) -> usize {
        self.met.as_ref().map_or(0, Met::heap_bytes)
    }

    /// Lets rows wait, too.
    fn let_wait(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let counted = rows.counted(self.skips_nulls);
        let Some(Waiting { looks, rows: Some(waiting), hashes }) = self.waiting.as_deref_mut()
        else {
            unreachable!("some wait already")
        };
        let groups: ArrayRef = Arc::new(UInt32Array::from(rows.groups.to_vec()));
        let all = std::iter::once(&groups).chain(rows.arguments.iter().copied());
        let columns: Columns = match counted {
            None => all.cloned().collect(),
            Some(counted) => {
                let chosen = BooleanArray::new(counted, None);
                all.map(|column| filter(column, &chosen).expect("one choice a row")).collect()
            }
        };
        let row_count = columns[0].len();
        self.values.pairs().hash_values(&borrowed(&columns[1..]), row_count, hashes);
        waiting.push(&columns, hashes);
        match looks.are_to_settle(waiting) {
            true => self.settle(),
            false => Ok(()),
        }
    }

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
        self.group_count = self.group_count.max(group_count);
        self.inner.grow(group_count);
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.values.clear();
        self.met.iter_mut().for_each(Met::clear);
        (self.group_count, self.waiting) = (0, None);
    }

    fn list_by_group(&mut self) {
        self.values.list_by_group();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        if let Some(waiting) = &mut self.waiting {
            waiting.looks.count(rows.groups.len());
            if waiting.rows.is_some() {
                return self.let_wait(rows);
            }
        }
        let selected = Some(self.fresh(rows)?);
        self.inner.update(&Rows { groups: rows.groups, arguments: rows.arguments, selected })?;
        let pair_count = self.values.pair_count();
        if let Some(waiting) = &mut self.waiting
            && waiting.looks.are_many(pair_count)
            && pair_count >= self.group_count.saturating_mul(waiting.looks.scatter.group_values)
            && self.values.pairs().is_hashed()
        {
            waiting.rows = Some(ScatteredRows::new(waiting.looks.scatter));
        }
        Ok(())
    }

    fn scatter(&mut self, scatter: Scatter) {
        if self.is_count {
            let looks = Looks::new(scatter);
            self.waiting = Some(Box::new(Waiting { looks, rows: None, hashes: Vec::new() }));
        }
    }

    fn has_scattered(&self) -> bool {
        self.scattered().is_some()
    }

    fn arrange(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.hashes = Vec::new();
            waiting.rows.iter_mut().for_each(ScatteredRows::finish);
        }
    }

    fn settle(&mut self) -> Result<(), AggregateError> {
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        let Some(rows) = waiting.rows.take() else { return Ok(()) };
        waiting.looks.settled();
        let mut indices = std::mem::take(&mut self.indices);
        for columns in rows.in_order() {
            let known = self.values.pair_count();
            let groups = columns[0].as_primitive::<UInt32Type>().values();
            self.values.intern(groups, &borrowed(&columns[1..]), None, &mut indices)?;
            self.let_through(known, groups, &indices)?;
        }
        self.indices = indices;
        Ok(())
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
            true => {
                let waiting = self.scattered().map_or(0, ScatteredRows::row_count);
                KeptValues::Counted(self.values.pair_count() + waiting)
            }
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
        let mut sets = vec![Set { pairs: self.values.pairs(), rows: self.scattered(), here: None }];
        sets.extend(later.iter().map(|later| {
            let state: &Self = downcast(later.state);
            Set { pairs: state.values.pairs(), rows: state.scattered(), here: Some(later.here) }
        }));
        let new = groups_of_new(&sets, part_count, do_all)?;
        // The set lacks what the others have, and nobody asks for it any more.
        self.values.clear();
        self.met = None;
        self.waiting = None;
        new.iter().try_for_each(|groups| {
            self.inner.update(&Rows { groups: Groups::new(groups), arguments: &[], selected: None })
        })
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        // Groups that join come and go, and the pairs of one that is gone are not its own.
        self.met = None;
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
        let waiting = self.scattered().map_or(0, ScatteredRows::heap_bytes);
        self.inner.heap_bytes() + pairs + lists + waiting + self.met_bytes()
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes() + self.values.heap_bytes().0 + self.met_bytes()
    }

    fn group_bytes(&self) -> usize {
        self.inner.group_bytes()
    }

    fn export(&self, groups: &[u32]) -> Image {
        debug_assert!(!self.has_scattered(), "where there are images, no row waits");
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
