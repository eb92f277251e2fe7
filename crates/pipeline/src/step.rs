//! One stage of the plan with what it holds: what it does with a batch, with the passing of time, and with
//! room for its table.

use std::collections::VecDeque;

use tidemill_aggregate::{
    AggTable, AggregateError, EventTimes, Late, Limit, OverTable, SortTable, TopNTable, WindowTable,
};
use tidemill_expr::{Context, Filter, Project};
use tidemill_plan::{Emit, Stage};
use tidemill_record::{BadRecord, Batch, EventTime, Image, ImageError};

use crate::PipelineError;
use crate::error::StepError;
use crate::held::{Held, count};

/// Computes the first rows of the first batch.
fn compute_some(
    project: &mut Project,
    rest: &mut VecDeque<Batch>,
    bad: &mut Vec<BadRecord>,
) -> Result<Option<Batch>, StepError> {
    let Some(batch) = rest.pop_front() else { return Ok(None) };
    let (computed, row_count) = project.apply_to_some(&batch, bad)?;
    let left = batch.row_count() - row_count;
    if left > 0 {
        rest.push_front(batch.slice(row_count, left));
    }
    Ok(Some(computed))
}

/// Adds some rows of the first batch to windows of which a record changes many. Before that, what event time has
/// passed by then leaves, so that windows which have closed do not add up within a batch; where that is much, in
/// several calls.
fn update_some(
    table: &mut WindowTable,
    rest: &mut VecDeque<Batch>,
    late: &mut Vec<Late>,
    results: &mut Vec<Batch>,
) -> Result<(), AggregateError> {
    let Some(batch) = rest.front() else { return Ok(()) };
    if batch.row_count() > 0 && !advance_windows(table, batch.watermark_before(0), results)? {
        return Ok(());
    }
    let Some(batch) = rest.pop_front() else { return Ok(()) };
    let row_count = batch.row_count().min(table.rows_at_once(CHANGES_AT_ONCE));
    if row_count == batch.row_count() {
        return table.update(&batch, late, results);
    }
    rest.push_front(batch.slice(row_count, batch.row_count() - row_count));
    table.update(&batch.slice(0, row_count), late, results)
}

/// The same of all rows, for windows that give nothing before they are asked.
pub(crate) fn update_all(
    table: &mut WindowTable,
    batch: &Batch,
    late: &mut Vec<Late>,
    results: &mut Vec<Batch>,
) -> Result<(), AggregateError> {
    let at_once = table.rows_at_once(CHANGES_AT_ONCE);
    if batch.row_count() <= at_once {
        return table.update(batch, late, results);
    }
    for start in (0..batch.row_count()).step_by(at_once) {
        let rows = batch.slice(start, at_once.min(batch.row_count() - start));
        table.advance(rows.watermark_before(0), results)?;
        table.update(&rows, late, results)?;
    }
    Ok(())
}

/// Lets event time pass in windows; whether that is all, as [`Step::advance`].
fn advance_windows(
    table: &mut WindowTable,
    watermark: EventTime,
    results: &mut Vec<Batch>,
) -> Result<bool, AggregateError> {
    step_by_step(watermark, results, |results| {
        let until = table.next_step(watermark);
        table.advance(until, results)?;
        Ok(until)
    })
}

/// Calls `step`, which lets event time pass to where it says, until that is the watermark or many rows have left.
/// Whether it is the watermark.
fn step_by_step(
    watermark: EventTime,
    results: &mut Vec<Batch>,
    mut step: impl FnMut(&mut Vec<Batch>) -> Result<EventTime, AggregateError>,
) -> Result<bool, AggregateError> {
    let mut row_count = 0;
    loop {
        let before = results.len();
        if step(results)? == watermark {
            return Ok(true);
        }
        row_count += results[before..].iter().map(Batch::row_count).sum::<usize>();
        if row_count >= LEAVING_ROWS || results.len() >= LEAVING_BATCHES {
            return Ok(false);
        }
    }
}

/// Changes that rows given to windows at once cause, about. Each may be of a window of its own, which has a table.
const CHANGES_AT_ONCE: usize = 1 << 13;
/// Rows that leave a step while event time passes, before they are written and it goes on.
const LEAVING_ROWS: usize = 1 << 16;
/// And batches: windows of few rows have one each.
const LEAVING_BATCHES: usize = 256;

#[expect(clippy::large_enum_variant, reason = "a pipeline has a few of them")]
pub(crate) enum Step {
    EventTime(EventTimes),
    Filter(Filter),
    /// With the batches that are left of those that it was given: where texts are made that take much memory,
    /// some rows leave at a time.
    Project(Project, VecDeque<Batch>),
    /// A projection for each row that the only row becomes.
    Transpose(Vec<Project>),
    Aggregate {
        table: AggTable,
        emit: Emit,
        audited_keys: Vec<usize>,
    },
    /// With the batches that are left: where each record changes many windows, the changes of some leave at a time.
    Windows(WindowTable, VecDeque<Batch>),
    Over(OverTable),
    TopN(TopNTable),
    Sort(SortTable),
    Limit(Limit),
    /// A table that has been emptied.
    Drained,
}

impl Step {
    pub(crate) fn new(
        stage: &Stage,
        context: &Context,
        batch_rows: usize,
    ) -> Result<Self, PipelineError> {
        // Set before every turn.
        let budget_bytes = u64::MAX;
        Ok(match stage {
            Stage::EventTime(spec) => Self::EventTime(EventTimes::new(spec.clone())),
            Stage::Filter(predicate) => Self::Filter(Filter::new(predicate, context)?),
            Stage::Compute(columns) | Stage::Project(columns) => {
                Self::Project(Project::new(columns, context)?, VecDeque::new())
            }
            Stage::Transpose(rows) => {
                let rows = rows.iter().map(|columns| Project::new(columns, context));
                Self::Transpose(rows.collect::<Result<_, _>>()?)
            }
            Stage::Aggregate { spec, audited_keys } if spec.window.is_some() => {
                let table = WindowTable::new(spec.clone(), audited_keys, budget_bytes);
                Self::Windows(table, VecDeque::new())
            }
            Stage::Aggregate { spec, audited_keys } => Self::Aggregate {
                table: AggTable::new(spec.clone(), budget_bytes),
                emit: spec.emit,
                audited_keys: audited_keys.clone(),
            },
            Stage::Over { spec, audited_keys } => {
                Self::Over(OverTable::new(spec.clone(), audited_keys, budget_bytes, batch_rows))
            }
            Stage::TopN(spec) => Self::TopN(TopNTable::new(spec.clone(), budget_bytes)),
            Stage::Sort(spec) => Self::Sort(SortTable::new(spec.clone(), budget_bytes)),
            Stage::Limit(spec) => Self::Limit(Limit::new(*spec)),
        })
    }

    /// Takes in a batch; what it causes goes to `results`, in order.
    pub(crate) fn update(
        &mut self,
        batch: Batch,
        bad: &mut Vec<BadRecord>,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), StepError> {
        match self {
            Self::EventTime(times) => results.push(times.apply(batch, bad)),
            Self::Filter(filter) => results.push(filter.apply(batch, bad)?),
            Self::Project(project, rest) => {
                rest.push_back(batch);
                if rest.len() == 1 {
                    results.extend(compute_some(project, rest, bad)?);
                }
            }
            Self::Transpose(rows) => {
                for row in rows {
                    results.push(row.apply(batch.clone(), bad)?);
                }
            }
            Self::Aggregate { table, emit: Emit::Final, .. } => table.update(&batch)?,
            Self::Aggregate { table, .. } => table.update_changes(&batch, results)?,
            Self::Windows(table, rest) => {
                rest.push_back(batch);
                if rest.len() == 1 {
                    update_some(table, rest, late, results)?;
                }
            }
            Self::Over(table) => table.update(&batch, late, results)?,
            Self::TopN(table) => table.update(&batch)?,
            Self::Sort(table) => table.update(&batch)?,
            Self::Limit(limit) => results.extend(limit.apply(batch)),
            Self::Drained => unreachable!("a drained table is behind every later batch"),
        }
        Ok(())
    }

    /// What it holds, to be made again by [`Self::import`]; between turns, when nothing [waits to leave it](Self::has_rest).
    pub(crate) fn export(&mut self) -> Image {
        debug_assert!(!self.has_rest(), "all that it was given has left");
        match self {
            Self::EventTime(times) => times.export(),
            Self::Filter(_) | Self::Project(..) | Self::Transpose(_) => Image::new(),
            Self::Aggregate { table, .. } => table.export(),
            Self::Windows(table, _) => table.export(),
            Self::Over(table) => table.export(),
            Self::TopN(table) => table.export(),
            Self::Sort(table) => table.export(),
            Self::Limit(limit) => limit.export(),
            Self::Drained => unreachable!("a pipeline that is being emptied is not cut"),
        }
    }

    /// Takes over what one of the same stage has exported.
    pub(crate) fn import(&mut self, image: Image) -> Result<(), ImageError> {
        match self {
            Self::EventTime(times) => times.import(image),
            Self::Filter(_) | Self::Project(..) | Self::Transpose(_) => image.end(),
            Self::Aggregate { table, .. } => table.import(image),
            Self::Windows(table, _) => table.import(image),
            Self::Over(table) => table.import(image),
            Self::TopN(table) => table.import(image),
            Self::Sort(table) => table.import(image),
            Self::Limit(limit) => limit.import(image),
            Self::Drained => unreachable!("it has seen nothing yet"),
        }
    }

    /// Whether there are rows that have been given to it and have not left. That is no matter of time.
    pub(crate) fn has_rest(&self) -> bool {
        matches!(self, Self::Project(_, rest) | Self::Windows(_, rest) if !rest.is_empty())
    }

    /// Gives some of those rows.
    pub(crate) fn go_on(
        &mut self,
        bad: &mut Vec<BadRecord>,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), StepError> {
        match self {
            Self::Project(project, rest) => {
                results.extend(compute_some(project, rest, bad)?);
                Ok(())
            }
            Self::Windows(table, rest) => Ok(update_some(table, rest, late, results)?),
            _ => Ok(()),
        }
    }

    /// Lets event time pass; what waited for it goes to `results`. Whether that is all: once there are
    /// many rows, the time stops between two windows, and is asked to go on later.
    pub(crate) fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<bool, AggregateError> {
        match self {
            Self::Windows(table, _) => advance_windows(table, watermark, results),
            Self::Over(table) => step_by_step(watermark, results, |results| {
                let until = table.next_step(watermark);
                table.advance(until, results)?;
                Ok(until)
            }),
            Self::TopN(table) => table.advance(watermark, results).map(|()| true),
            _ => Ok(true),
        }
    }

    /// What it holds; `None` of a step without state.
    pub(crate) fn held(&self) -> Option<Held> {
        let (what, bytes, groups) = match self {
            Self::Aggregate { table, .. } => ("GROUP BY", table.state_bytes(), table.group_count()),
            Self::Windows(table, _) => ("windows", table.state_bytes(), table.group_count()),
            Self::Over(table) => ("OVER", table.state_bytes(), table.key_count()),
            Self::TopN(table) => ("ROW_NUMBER", table.state_bytes(), table.row_count()),
            Self::Sort(table) => ("ORDER BY", table.state_bytes(), table.row_count()),
            Self::EventTime(_)
            | Self::Filter(_)
            | Self::Project(..)
            | Self::Transpose(_)
            | Self::Limit(_)
            | Self::Drained => return None,
        };
        Some(Held { what, bytes, groups: count(groups) })
    }

    /// Whether it holds nothing that would still leave it, or be held against what others hold.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::EventTime(_) | Self::Filter(_) | Self::Transpose(_) | Self::Drained => true,
            Self::Project(_, rest) => rest.is_empty(),
            // What is left of it counts the rows to come.
            Self::Limit(_) => false,
            Self::Aggregate { table, .. } => table.group_count() == 0,
            Self::Windows(table, rest) => {
                rest.is_empty()
                    && table.group_count() == 0
                    && table.seen_keys().fingerprints.is_empty()
            }
            Self::Over(table) => table.state_bytes() == 0,
            Self::TopN(table) => table.row_count() == 0,
            Self::Sort(table) => table.row_count() == 0,
        }
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        match self {
            Self::Aggregate { table, .. } => table.state_bytes(),
            Self::Windows(table, _) => table.state_bytes(),
            Self::Over(table) => table.state_bytes(),
            Self::TopN(table) => table.state_bytes(),
            Self::Sort(table) => table.state_bytes(),
            Self::EventTime(_)
            | Self::Filter(_)
            | Self::Project(..)
            | Self::Transpose(_)
            | Self::Limit(_)
            | Self::Drained => 0,
        }
    }

    /// Lets it hold so many bytes more than it does.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        let budget_bytes = self.state_bytes().saturating_add(room_bytes);
        match self {
            Self::Aggregate { table, .. } => table.set_budget(budget_bytes),
            Self::Windows(table, _) => table.set_budget(budget_bytes),
            Self::Over(table) => table.set_budget(budget_bytes),
            Self::TopN(table) => table.set_budget(budget_bytes),
            Self::Sort(table) => table.set_budget(budget_bytes),
            Self::EventTime(_)
            | Self::Filter(_)
            | Self::Project(..)
            | Self::Transpose(_)
            | Self::Limit(_)
            | Self::Drained => {}
        }
    }
}
