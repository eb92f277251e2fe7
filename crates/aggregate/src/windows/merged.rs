//! The rows of closed windows of several partitions, merged window by window as they leave.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, TimestampMicrosecondArray, UInt64Array};
use tidemill_plan::AggregateSpec;
use tidemill_record::{Batch, Columns, DataType};

use crate::windows::bounds::Bounds;
use crate::windows::rows::with_bounds;
use crate::windows::sealed::{Part, Run};
use crate::{AggTable, AggregateError, TableBatches};

/// Windows of few groups leave together until they have so many.
const TOGETHER_GROUPS: usize = 8192;

/// Takes the next window of every run that has it, in order of window end, and merges them in order of run.
pub(super) struct MergedWindows {
    spec: Arc<AggregateSpec>,
    runs: Vec<Run>,
    /// The first window of every run that has any.
    heads: BinaryHeap<Reverse<(Bounds, usize)>>,
    batch_rows: usize,
    budget_bytes: u64,
    /// What the runs hold.
    held_bytes: u64,
    /// What leaves now.
    leaving: Option<TableBatches>,
    has_failed: bool,
}

/// A window among those that leave together.
#[derive(Clone, Copy)]
struct Leaving {
    bounds: Bounds,
    last_offset: u64,
}

impl MergedWindows {
    pub(super) fn new(
        spec: Arc<AggregateSpec>,
        runs: Vec<Run>,
        batch_rows: usize,
        budget_bytes: u64,
        held_bytes: u64,
    ) -> Self {
        let heads = runs.iter().enumerate();
        let heads = heads.filter_map(|(at, run)| Some(Reverse((run.first()?, at)))).collect();
        let (leaving, has_failed) = (None, false);
        Self { spec, runs, heads, batch_rows, budget_bytes, held_bytes, leaving, has_failed }
    }

    /// The run that has more of this window, the first of them.
    fn pop_head(&mut self, window: Bounds) -> Option<usize> {
        let &Reverse((next, run)) = self.heads.peek()?;
        if next != window {
            return None;
        }
        self.heads.pop();
        Some(run)
    }

    fn push_head(&mut self, run: usize) {
        self.heads.extend(self.runs[run].first().map(|next| Reverse((next, run))));
    }

    /// What the next window takes of one run is added to a table; `first_key` is its number where several windows
    /// are in the table.
    fn add(
        &mut self,
        into: &mut AggTable,
        run: usize,
        first_key: Option<i64>,
    ) -> Result<u64, AggregateError> {
        into.set_budget(self.budget_bytes.saturating_sub(self.held_bytes));
        let last_offset = match self.runs[run].front() {
            Some(Part::Packed(packed)) => {
                let groups = packed.first_groups().expect("a part has a window");
                into.merge_run(&groups, first_key)?;
                let last_offset = groups.last_offset;
                self.held_bytes -= self.runs[run].pop_packed();
                last_offset
            }
            _ => {
                let (table, bytes) = self.runs[run].take_table().expect("the window is there");
                into.merge_run(&table.as_run(), first_key)?;
                self.held_bytes -= bytes;
                table.last_offset
            }
        };
        self.push_head(run);
        Ok(last_offset)
    }

    /// A window of many groups by itself: the first table takes in the others.
    fn one(&mut self, window: Bounds, first: usize) -> Result<TableBatches, AggregateError> {
        let mut table = match self.runs[first].take_table() {
            Some((table, bytes)) => {
                self.held_bytes -= bytes;
                self.push_head(first);
                table
            }
            None => {
                let mut table = AggTable::new(Arc::clone(&self.spec), u64::MAX);
                self.add(&mut table, first, None)?;
                table
            }
        };
        while let Some(run) = self.pop_head(window) {
            self.add(&mut table, run, None)?;
        }
        table.set_budget(self.budget_bytes.saturating_sub(self.held_bytes));
        let key_count = self.spec.keys.len();
        let batches = table.into_batches(self.batch_rows)?;
        Ok(Box::new(batches.map(move |batch| Ok(with_bounds(&batch?, key_count, window)))))
    }

    /// Windows of few groups in one table, by their number.
    fn several(&mut self) -> Result<TableBatches, AggregateError> {
        let mut spec = AggregateSpec::clone(&self.spec);
        spec.keys.insert(0, spec.input_types.len());
        spec.input_types.push(DataType::BigInt);
        let mut table = AggTable::new(spec, u64::MAX);
        let mut windows: Vec<Leaving> = Vec::new();
        while table.group_count() < TOGETHER_GROUPS
            && let Some(&Reverse((window, first))) = self.heads.peek()
            && matches!(self.runs[first].front(), Some(Part::Packed(_)))
        {
            let number = i64::try_from(windows.len()).expect("as many as there are groups at most");
            let mut last_offset = 0;
            while let Some(run) = self.pop_head(window) {
                last_offset = last_offset.max(self.add(&mut table, run, Some(number))?);
            }
            windows.push(Leaving { bounds: window, last_offset });
        }
        table.set_budget(self.budget_bytes.saturating_sub(self.held_bytes));
        let batches = table.into_batches(self.batch_rows)?;
        let key_count = self.spec.keys.len();
        Ok(Box::new(batches.map(move |batch| match batch {
            Ok(batch) => Ok(of_windows(&batch, key_count, &windows)),
            Err(error) => Err(without_number(error)),
        })))
    }

    fn next_windows(&mut self) -> Result<Option<TableBatches>, AggregateError> {
        let Some(&Reverse((window, first))) = self.heads.peek() else { return Ok(None) };
        if matches!(self.runs[first].front(), Some(Part::Table(..))) {
            self.heads.pop();
            return self.one(window, first).map(Some);
        }
        self.several().map(Some)
    }
}

impl Iterator for MergedWindows {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_failed {
            if let Some(batch) = self.leaving.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            match self.next_windows() {
                Ok(Some(leaving)) => self.leaving = Some(leaving),
                Ok(None) => return None,
                Err(error) => {
                    self.has_failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// Rows with the number of a window as first key, as rows with the window's bounds behind the keys.
fn of_windows(batch: &Batch, key_count: usize, windows: &[Leaving]) -> Batch {
    let numbers = batch.column(0).as_primitive::<Int64Type>().values();
    let of = |&number: &i64| windows[usize::try_from(number).expect("a place in a list")];
    let times = |time: fn(Bounds) -> i64| -> ArrayRef {
        let times = numbers.iter().map(|number| time(of(number).bounds));
        Arc::new(TimestampMicrosecondArray::from_iter_values(times))
    };
    let (starts, ends) = (times(|bounds| bounds.start), times(|bounds| bounds.end));
    let offsets = numbers.iter().map(|number| of(number).last_offset);
    let offsets = UInt64Array::from_iter_values(offsets);
    let (keys, calls) = batch.columns()[1..].split_at(key_count);
    let columns: Columns =
        keys.iter().cloned().chain([starts, ends]).chain(calls.iter().cloned()).collect();
    Batch::new(columns, offsets)
}

/// An error that names a key, without the number of the window before it.
fn without_number(mut error: AggregateError) -> AggregateError {
    if let AggregateError::SumOverflow { group_key, .. } = &mut error {
        let rest = group_key.split_once(", ").map_or("", |(_, rest)| rest);
        *group_key = rest.to_owned();
    }
    error
}
