//! Closed windows of one partition, and of several to be merged.

use std::collections::VecDeque;
use std::sync::Arc;

use tidemill_plan::AggregateSpec;
use tidemill_record::EventTime;

use crate::table::GroupRun;
use crate::windows::bounds::Bounds;
use crate::windows::merged::MergedWindows;
use crate::windows::packed::{Packed, WINDOW_GROUPS_MAX};
use crate::{AggTable, AggregateError, TableBatches};

mod image;

/// Closed windows, on their way to the pipeline that gathers them. Rows leave in order of window end and
/// start, then of each group's first record, those of earlier partitions first.
///
/// The windows of partitions stay apart, in order of partition, and are merged as they leave: so many small
/// tables are not put into one another, and memory goes window by window.
pub struct SealedWindows {
    /// The grouping without its window.
    spec: Arc<AggregateSpec>,
    budget_bytes: u64,
    /// A window that is in several runs has come to the earlier one first.
    runs: Vec<Run>,
    state_bytes: u64,
    group_count: usize,
}

/// Windows in order.
#[derive(Default)]
pub(super) struct Run(VecDeque<Part>);

/// One window or several that follow each other.
pub(super) enum Part {
    /// One with many groups.
    Table(Bounds, Box<AggTable>),
    /// Some with few each.
    Packed(Packed),
}

impl Part {
    fn first(&self) -> Option<Bounds> {
        match self {
            Self::Table(window, _) => Some(*window),
            Self::Packed(packed) => packed.first(),
        }
    }

    fn last(&self) -> Option<Bounds> {
        match self {
            Self::Table(window, _) => Some(*window),
            Self::Packed(packed) => packed.last(),
        }
    }

    fn group_count(&self) -> usize {
        match self {
            Self::Table(_, table) => table.group_count(),
            Self::Packed(packed) => packed.group_count(),
        }
    }

    fn state_bytes(&self) -> u64 {
        match self {
            Self::Table(_, table) => table.state_bytes() + table.fixed_bytes(),
            Self::Packed(packed) => packed.state_bytes(),
        }
    }
}

impl Run {
    /// The first window.
    pub(super) fn first(&self) -> Option<Bounds> {
        self.0.front().and_then(Part::first)
    }

    fn last(&self) -> Option<Bounds> {
        self.0.back().and_then(Part::last)
    }

    /// What the first window is in.
    pub(super) fn front(&self) -> Option<&Part> {
        self.0.front()
    }

    /// Takes out the table of the first window, if it has one of its own; the bytes that it held.
    pub(super) fn take_table(&mut self) -> Option<(AggTable, u64)> {
        let part = self.0.pop_front_if(|part| matches!(part, Part::Table(..)))?;
        let bytes = part.state_bytes();
        match part {
            Part::Table(_, table) => Some((*table, bytes)),
            Part::Packed(_) => unreachable!("a table was asked for"),
        }
    }

    /// Takes out the first window, which is packed; the bytes that are free now.
    pub(super) fn pop_packed(&mut self) -> u64 {
        let Some(Part::Packed(packed)) = self.0.front_mut() else { return 0 };
        packed.pop();
        let is_empty = packed.first().is_none();
        let gone = if is_empty { self.0.pop_front() } else { None };
        gone.map_or(0, |part| part.state_bytes())
    }
}

impl SealedWindows {
    /// None yet; they may hold `budget_bytes` together.
    #[must_use]
    pub fn new(spec: &AggregateSpec, budget_bytes: u64) -> Self {
        let spec = Arc::new(AggregateSpec { window: None, ..spec.clone() });
        Self { spec, budget_bytes, runs: Vec::new(), state_bytes: 0, group_count: 0 }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Adds a window, behind those that are there, with its groups in this order; its table, where these have been
    /// copied.
    pub(crate) fn add(
        &mut self,
        window: Bounds,
        mut table: AggTable,
        order: Vec<u32>,
    ) -> Result<Option<AggTable>, AggregateError> {
        if self.runs.last().is_none_or(|run| run.last().is_some_and(|last| last > window)) {
            self.runs.push(Run::default());
        }
        let run = self.runs.last_mut().expect("there is one by now");
        self.group_count += table.group_count();
        let rest = if table.group_count() > WINDOW_GROUPS_MAX {
            table = table.in_order(order)?;
            table.free_scratch();
            let part = Part::Table(window, Box::new(table));
            self.state_bytes += part.state_bytes();
            run.0.push_back(part);
            None
        } else {
            let (before, after) = push_packed(&self.spec, run, window, &table, order)?;
            self.state_bytes = self.state_bytes - before + after;
            Some(table)
        };
        self.check_budget()?;
        Ok(rest)
    }

    fn check_budget(&self) -> Result<(), AggregateError> {
        let Self { state_bytes, budget_bytes, group_count, .. } = *self;
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }

    /// Adds the windows of a later partition, or later windows.
    ///
    /// # Errors
    /// As [`AggTable::merge`].
    ///
    /// # Cost
    /// O(parts); those of few groups are copied into one another.
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        self.group_count += later.group_count;
        for run in later.runs {
            let follows = self.runs.last().is_some_and(|before| before.last() < run.first());
            if !follows {
                self.state_bytes += run.0.iter().map(Part::state_bytes).sum::<u64>();
                self.runs.push(run);
                continue;
            }
            let before = self.runs.last_mut().expect("there is one that it follows");
            for part in run.0 {
                let bytes_before = before.0.back().map_or(0, Part::state_bytes);
                let own_bytes = part.state_bytes();
                match (before.0.back_mut(), part) {
                    (Some(Part::Packed(packed)), Part::Packed(mut part))
                        if packed.has_room(part.group_count()) =>
                    {
                        while let (Some(window), Some(groups)) = (part.first(), part.first_groups())
                        {
                            packed.push(window, &groups)?;
                            part.pop();
                        }
                        self.state_bytes = self.state_bytes - bytes_before + packed.state_bytes();
                    }
                    (_, part) => {
                        before.0.push_back(part);
                        self.state_bytes += own_bytes;
                    }
                }
            }
        }
        self.check_budget()
    }

    /// Takes out the windows that end at or before a time.
    ///
    /// # Errors
    /// As [`AggTable::merge`].
    ///
    /// # Cost
    /// O(windows that are taken, and runs); a copy of groups that share columns with others that stay.
    pub fn take_until(&mut self, time: EventTime) -> Result<Self, AggregateError> {
        let mut taken = self.emptied();
        let is_over = |window: Option<Bounds>| window.is_some_and(|window| window.end <= time.0);
        for run in &mut self.runs {
            let mut ended = Run::default();
            while is_over(run.first()) {
                if is_over(run.0.front().and_then(Part::last)) {
                    let part = run.0.pop_front().expect("it has a window that is over");
                    self.state_bytes -= part.state_bytes();
                    self.group_count -= part.group_count();
                    taken.state_bytes += part.state_bytes();
                    taken.group_count += part.group_count();
                    ended.0.push_back(part);
                    continue;
                }
                let Some(Part::Packed(packed)) = run.0.front_mut() else { break };
                let mut ended_here = Packed::new(&self.spec);
                let count_before = packed.group_count();
                while let Some(window) = packed.first().filter(|window| window.end <= time.0)
                    && let Some(groups) = packed.first_groups()
                {
                    ended_here.push(window, &groups)?;
                    packed.pop();
                }
                self.group_count -= count_before - packed.group_count();
                taken.group_count += ended_here.group_count();
                taken.state_bytes += ended_here.state_bytes();
                ended.0.push_back(Part::Packed(ended_here));
            }
            if ended.first().is_some() {
                taken.runs.push(ended);
            }
        }
        self.runs.retain(|run| run.first().is_some());
        Ok(taken)
    }

    /// None, of the same grouping.
    pub(crate) fn emptied(&self) -> Self {
        let (spec, budget_bytes) = (Arc::clone(&self.spec), self.budget_bytes);
        Self { spec, budget_bytes, runs: Vec::new(), state_bytes: 0, group_count: 0 }
    }

    /// When the first window ends, if there is one. O(runs).
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.runs.iter().filter_map(Run::first).min().map(|window| window.end)
    }

    /// All rows, the windows of several runs merged.
    ///
    /// # Errors
    /// As [`AggTable::into_batches`].
    pub fn into_batches(self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        let Self { spec, runs, budget_bytes, state_bytes, .. } = self;
        Ok(Box::new(MergedWindows::new(spec, runs, batch_rows, budget_bytes, state_bytes)))
    }

    /// Groups held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.group_count
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}

/// Adds a window of few groups to a run, behind all others; the bytes of the part that it is in, before and after.
fn push_packed(
    spec: &AggregateSpec,
    run: &mut Run,
    window: Bounds,
    table: &AggTable,
    order: Vec<u32>,
) -> Result<(u64, u64), AggregateError> {
    let has_room = matches!(
        run.0.back(),
        Some(Part::Packed(packed)) if packed.has_room(table.group_count())
    );
    let bytes_before = if has_room { run.0.back().map_or(0, Part::state_bytes) } else { 0 };
    if !has_room {
        run.0.push_back(Part::Packed(Packed::new(spec)));
    }
    if let Some(Part::Packed(packed)) = run.0.back_mut() {
        packed.push(window, &GroupRun { groups: order, ..table.as_run() })?;
    }
    Ok((bytes_before, run.0.back().map_or(0, Part::state_bytes)))
}
