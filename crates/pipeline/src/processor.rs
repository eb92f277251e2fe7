//! The plan's stages, applied to one batch after another.

use std::collections::VecDeque;

use tidemill_aggregate::{
    AggTable, EventTimes, FarAhead, GroupOrder, Late, Limit, OverTable, Sealed, SortTable,
    TableBatches, TopNTable, WindowTable,
};
use tidemill_expr::{Context, Filter, Project};
use tidemill_plan::fragment::Merge;
use tidemill_plan::{Emit, Stage};
use tidemill_record::{BadRecord, Batch, EventTime, Offset};

use crate::PipelineError;

/// Applies the stages of one pipeline. Knows tables and expressions, no I/O.
pub(crate) struct Processor {
    steps: Vec<Step>,
    /// What everything ends in, where a gather follows.
    seal: Option<Seal>,
    seals_by_event_time: bool,
    /// How far the input has come in event time.
    watermark: EventTime,
    /// Records that came too late, in this turn.
    late: Vec<Late>,
    /// What one step makes of what the step before has made; empty between two.
    results: Vec<Batch>,
    /// The step that is being emptied at the end of input, and what is left of it.
    draining: Option<(usize, TableBatches)>,
    /// Rows that left the last step while draining.
    owed: VecDeque<Batch>,
    /// Steps before this one have been emptied.
    drained_count: usize,
    batch_rows: usize,
    audits: Vec<KeyAudit>,
    group_count: u64,
    state_bytes: u64,
}

/// Fingerprints of the declared partition columns that a local stage saw in one partition.
#[derive(Clone, Debug)]
pub struct KeyAudit {
    /// Place of the stage among the pipeline's stages.
    pub stage: usize,
    /// 64-bit hashes of the columns' values, each once.
    pub fingerprints: Vec<u64>,
}

/// What a gather is given.
enum Seal {
    /// One table, when the input ends.
    Table(Box<Sealed>),
    /// Windows, as they close.
    Windows(WindowTable),
}

#[expect(clippy::large_enum_variant, reason = "a pipeline has a few of them")]
enum Step {
    EventTime(EventTimes),
    Filter(Filter),
    Project(Project),
    Aggregate {
        table: AggTable,
        emit: Emit,
        audited_keys: Vec<usize>,
    },
    Windows(WindowTable),
    Over(OverTable),
    TopN(TopNTable),
    Sort(SortTable),
    Limit(Limit),
    /// A table that has been emptied.
    Drained,
}

impl Step {
    fn new(
        stage: &Stage,
        context: &Context,
        budget_bytes: u64,
        batch_rows: usize,
    ) -> Result<Self, PipelineError> {
        Ok(match stage {
            Stage::EventTime(spec) => Self::EventTime(EventTimes::new(spec.clone())),
            Stage::Filter(predicate) => Self::Filter(Filter::new(predicate, context)?),
            Stage::Project(columns) => Self::Project(Project::new(columns, context)?),
            Stage::Aggregate { spec, audited_keys } if spec.window.is_some() => {
                Self::Windows(WindowTable::new(spec.clone(), audited_keys, budget_bytes))
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
    fn update(
        &mut self,
        batch: Batch,
        bad: &mut Vec<BadRecord>,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), PipelineError> {
        match self {
            Self::EventTime(times) => results.push(times.apply(batch, bad)),
            Self::Filter(filter) => results.push(filter.apply(batch, bad)),
            Self::Project(project) => results.push(project.apply(batch, bad)),
            Self::Aggregate { table, emit: Emit::Final, .. } => table.update(&batch)?,
            Self::Aggregate { table, .. } => results.extend(table.update_changes(&batch)?),
            Self::Windows(table) => table.update(&batch, late, results)?,
            Self::Over(table) => table.update(&batch, late, results)?,
            Self::TopN(table) => table.update(&batch)?,
            Self::Sort(table) => table.update(&batch)?,
            Self::Limit(limit) => results.extend(limit.apply(batch)),
            Self::Drained => unreachable!("a drained table is behind every later batch"),
        }
        Ok(())
    }

    /// Lets event time pass; what waited for it goes to `results`.
    fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), PipelineError> {
        match self {
            Self::Windows(table) => table.advance(watermark, results)?,
            Self::Over(table) => table.advance(watermark, results)?,
            Self::TopN(table) => table.advance(watermark, results)?,
            _ => {}
        }
        Ok(())
    }
}

impl Processor {
    pub(crate) fn new(
        stages: &[Stage],
        seal: Option<&Merge>,
        context: &Context,
        budget_bytes: u64,
        batch_rows: usize,
    ) -> Result<Self, PipelineError> {
        let steps = stages.iter().map(|stage| Step::new(stage, context, budget_bytes, batch_rows));
        let seals_by_event_time = seal.is_some_and(Merge::is_by_event_time);
        let seal = seal.map(|merge| match merge {
            Merge::Windows(spec) => Seal::Windows(WindowTable::sealing(spec.clone(), budget_bytes)),
            merge => Seal::Table(Box::new(Sealed::new(merge, budget_bytes))),
        });
        Ok(Self {
            steps: steps.collect::<Result<_, _>>()?,
            seal,
            seals_by_event_time,
            watermark: EventTime::MIN,
            late: Vec::new(),
            results: Vec::new(),
            draining: None,
            owed: VecDeque::new(),
            drained_count: 0,
            batch_rows,
            audits: Vec::new(),
            group_count: 0,
            state_bytes: 0,
        })
    }

    /// Applies every stage to batches, in place: what is there afterwards has left the last stage.
    ///
    /// # Cost
    /// O(rows), plus the rows of windows that close.
    pub(crate) fn apply(
        &mut self,
        batches: &mut Vec<Batch>,
        bad: &mut Vec<BadRecord>,
    ) -> Result<(), PipelineError> {
        self.apply_from(0, batches, bad)
    }

    fn apply_from(
        &mut self,
        first: usize,
        batches: &mut Vec<Batch>,
        bad: &mut Vec<BadRecord>,
    ) -> Result<(), PipelineError> {
        let results = &mut self.results;
        for step in &mut self.steps[first..] {
            for batch in batches.drain(..) {
                step.update(batch, bad, &mut self.late, results)?;
            }
            if let Step::EventTime(times) = step {
                self.watermark = self.watermark.max(times.watermark());
            }
            step.advance(self.watermark, results)?;
            results.retain(|batch| batch.row_count() > 0);
            std::mem::swap(batches, results);
        }
        match &mut self.seal {
            None => {}
            Some(Seal::Table(table)) => {
                batches.drain(..).try_for_each(|batch| table.update(&batch))?;
            }
            Some(Seal::Windows(table)) => {
                for batch in batches.drain(..) {
                    table.update(&batch, &mut self.late, results)?;
                }
                table.advance(self.watermark, results)?;
                std::mem::swap(batches, results);
            }
        }
        Ok(())
    }

    /// Lets event time pass without a batch; what leaves the last stage goes to `batches`, which are none.
    pub(crate) fn pass_time(
        &mut self,
        watermark: EventTime,
        batches: &mut Vec<Batch>,
        bad: &mut Vec<BadRecord>,
    ) -> Result<(), PipelineError> {
        if let Some(Step::EventTime(times)) = self.steps.first_mut() {
            times.raise(watermark);
        }
        self.watermark = self.watermark.max(watermark);
        self.apply_from(0, batches, bad)
    }

    /// How far event time has come.
    pub(crate) fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Whether windows have closed since they were last taken.
    pub(crate) fn has_closed(&self) -> bool {
        match &self.seal {
            Some(Seal::Windows(table)) => table.has_sealed(),
            Some(Seal::Table(table)) => self.seals_by_event_time && table.has_until(self.watermark),
            None => false,
        }
    }

    /// The windows that have closed since this was last asked, and until when there will be no other;
    /// `None` where nothing is sealed by event time.
    pub(crate) fn take_closed(&mut self) -> Result<Option<(Sealed, EventTime)>, PipelineError> {
        let watermark = self.watermark;
        Ok(match &mut self.seal {
            Some(Seal::Windows(table)) => Some(table.take_sealed(watermark)),
            Some(Seal::Table(table)) if self.seals_by_event_time => {
                Some((table.take_until(watermark)?, watermark))
            }
            Some(Seal::Table(_)) | None => None,
        })
    }

    /// Whether no further input can change the result, because a limit is full.
    pub(crate) fn is_satisfied(&self) -> bool {
        let is_full = |step: &Step| matches!(step, Step::Limit(limit) if limit.is_satisfied());
        // A limit behind a grouping or an order says nothing of the input before it.
        let until_table = self.steps.iter().take_while(|step| {
            matches!(step, Step::EventTime(_) | Step::Filter(_) | Step::Project(_) | Step::Limit(_))
        });
        let mut step_count = 0;
        for step in until_table {
            if is_full(step) {
                return true;
            }
            step_count += 1;
        }
        step_count == self.steps.len()
            && matches!(&self.seal, Some(Seal::Table(table)) if table.is_full())
    }

    /// After the last input: the next batch that the tables still owe, each table's rows passing
    /// through the stages behind it. `None` once all are empty.
    pub(crate) fn drain(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, PipelineError> {
        loop {
            if let Some(batch) = self.owed.pop_front() {
                return Ok(Some(batch));
            }
            let (place, batch) = match &mut self.draining {
                Some((place, batches)) => match batches.next() {
                    Some(batch) => (*place, batch?),
                    None => {
                        self.draining = None;
                        continue;
                    }
                },
                None if self.drained_count == self.steps.len() => return Ok(None),
                None => {
                    self.empty_next_step()?;
                    continue;
                }
            };
            let mut batches = vec![batch];
            self.apply_from(place + 1, &mut batches, bad)?;
            self.owed = batches.into();
        }
    }

    fn empty_next_step(&mut self) -> Result<(), PipelineError> {
        let place = self.drained_count;
        self.drained_count += 1;
        let step = &mut self.steps[place];
        if matches!(step, Step::EventTime(_) | Step::Filter(_) | Step::Project(_) | Step::Limit(_))
        {
            return Ok(());
        }
        let mut results = Vec::new();
        let batches: TableBatches = match std::mem::replace(step, Step::Drained) {
            Step::Aggregate { mut table, emit, audited_keys } => {
                self.group_count += count(table.group_count());
                self.state_bytes += table.state_bytes();
                if !audited_keys.is_empty() {
                    let fingerprints = table.key_fingerprints(&audited_keys);
                    self.audits.push(KeyAudit { stage: place, fingerprints });
                }
                if emit == Emit::Final {
                    Box::new(table.into_batches(GroupOrder::FirstAppearance, self.batch_rows)?)
                } else {
                    Box::new(table.flush_changes()?.into_iter().map(Ok))
                }
            }
            Step::Windows(mut table) => {
                self.group_count += count(table.group_count());
                self.state_bytes += table.state_bytes();
                table.advance(EventTime::MAX, &mut results)?;
                self.audit(place, table.key_fingerprints());
                Box::new(results.into_iter().map(Ok))
            }
            Step::Over(mut table) => {
                self.group_count += count(table.key_count());
                self.state_bytes += table.state_bytes();
                table.advance(EventTime::MAX, &mut results)?;
                self.audit(place, table.key_fingerprints());
                Box::new(results.into_iter().map(Ok))
            }
            Step::TopN(table) => {
                self.state_bytes += table.state_bytes();
                table.into_batches(GroupOrder::FirstAppearance, self.batch_rows)?
            }
            Step::Sort(table) => {
                self.state_bytes += table.state_bytes();
                Box::new(table.into_batches(self.batch_rows)?.map(Ok))
            }
            Step::EventTime(_)
            | Step::Filter(_)
            | Step::Project(_)
            | Step::Limit(_)
            | Step::Drained => unreachable!("only tables are emptied, and each once"),
        };
        self.draining = Some((place, batches));
        Ok(())
    }

    fn audit(&mut self, stage: usize, fingerprints: Vec<u64>) {
        if !fingerprints.is_empty() {
            self.audits.push(KeyAudit { stage, fingerprints });
        }
    }

    /// How many event times were too far ahead of the watermark, and where the first is; `None` where
    /// none was.
    pub(crate) fn far_ahead(&self) -> Option<(u64, Offset)> {
        let Some(Step::EventTime(times)) = self.steps.first() else { return None };
        let (count, first) = times.far_ahead();
        first.map(|first| (count, first.offset))
    }

    /// Where event times began to be too far ahead, once for each time that they did.
    pub(crate) fn take_far_ahead(&mut self) -> Option<FarAhead> {
        let Some(Step::EventTime(times)) = self.steps.first_mut() else { return None };
        times.take_far_ahead()
    }

    /// Records that came too late since this was last asked.
    pub(crate) fn take_late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }

    /// Feeds merged tables to the stages: what a gather starts from.
    pub(crate) fn start_with(&mut self, merged: Sealed) -> Result<GatheredBatches, PipelineError> {
        self.group_count += count(merged.group_count());
        self.state_bytes += merged.state_bytes();
        Ok(GatheredBatches(merged.into_batches(self.batch_rows)?))
    }

    /// The partial table, once drained.
    pub(crate) fn take_sealed(&mut self) -> Result<Option<Sealed>, PipelineError> {
        match self.seal.take() {
            Some(Seal::Table(table)) => Ok(Some(*table)),
            Some(Seal::Windows(table)) => Ok(Some(table.into_sealed()?)),
            None => Ok(None),
        }
    }

    pub(crate) fn take_audits(&mut self) -> Vec<KeyAudit> {
        std::mem::take(&mut self.audits)
    }

    pub(crate) fn group_count(&self) -> u64 {
        self.group_count
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}

/// The rows of merged tables, batch by batch.
pub(crate) struct GatheredBatches(TableBatches);

impl GatheredBatches {
    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, PipelineError> {
        Ok(self.0.next().transpose()?)
    }
}

/// Merges sealed tables in the order given, which is the order of partitions. Each was held to a
/// part of the budget; what they become together is held to all of it.
pub(crate) fn merge_sealed(
    tables: Vec<Sealed>,
    merge: &Merge,
    budget_bytes: u64,
) -> Result<Sealed, PipelineError> {
    let mut tables = tables.into_iter();
    let mut merged = match tables.next() {
        Some(first) => first.with_budget(budget_bytes),
        None => Sealed::new(merge, budget_bytes),
    };
    for table in tables {
        merged.merge(table)?;
    }
    Ok(merged)
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}
