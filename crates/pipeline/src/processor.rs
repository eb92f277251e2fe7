//! The plan's stages, applied to one batch after another.

use tidemill_aggregate::{AggTable, GroupOrder, Limit, Sealed, SortTable, TableBatches};
use tidemill_expr::{Context, Filter, Project};
use tidemill_plan::fragment::Merge;
use tidemill_plan::{Emit, Stage};
use tidemill_record::{BadRecord, Batch};

use crate::PipelineError;

/// Applies the stages of one pipeline. Knows tables and expressions, no I/O.
pub(crate) struct Processor {
    steps: Vec<Step>,
    /// The partial table that everything ends in, where a gather follows.
    seal: Option<Sealed>,
    /// The step that is being emptied at the end of input, and what is left of it.
    draining: Option<(usize, TableBatches)>,
    /// Steps before this one have been emptied.
    drained_count: usize,
    batch_rows: usize,
    audits: Vec<KeyAudit>,
    group_count: u64,
    state_bytes: u64,
}

/// Fingerprints of the declared partition columns that a local grouping saw in one partition.
#[derive(Clone, Debug)]
pub struct KeyAudit {
    /// Place of the grouping among the pipeline's stages.
    pub stage: usize,
    /// 64-bit hashes of the columns' values, each once.
    pub fingerprints: Vec<u64>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there are a few for each pipeline, and they stay put"
)]
enum Step {
    Filter(Filter),
    Project(Project),
    Aggregate {
        table: AggTable,
        emit: Emit,
        audited_keys: Vec<usize>,
    },
    Sort(SortTable),
    Limit(Limit),
    /// A table that has been emptied.
    Drained,
}

impl Processor {
    pub(crate) fn new(
        stages: &[Stage],
        seal: Option<&Merge>,
        context: &Context,
        budget_bytes: u64,
        batch_rows: usize,
    ) -> Result<Self, PipelineError> {
        let steps = stages
            .iter()
            .map(|stage| {
                Ok(match stage {
                    Stage::Filter(predicate) => Step::Filter(Filter::new(predicate, context)?),
                    Stage::Project(columns) => Step::Project(Project::new(columns, context)?),
                    Stage::Aggregate { spec, audited_keys } => Step::Aggregate {
                        table: AggTable::new(spec.clone(), budget_bytes),
                        emit: spec.emit,
                        audited_keys: audited_keys.clone(),
                    },
                    Stage::Sort(spec) => Step::Sort(SortTable::new(spec.clone(), budget_bytes)),
                    Stage::Limit(spec) => Step::Limit(Limit::new(*spec)),
                })
            })
            .collect::<Result<_, PipelineError>>()?;
        Ok(Self {
            steps,
            seal: seal.map(|merge| Sealed::new(merge, budget_bytes)),
            draining: None,
            drained_count: 0,
            batch_rows,
            audits: Vec::new(),
            group_count: 0,
            state_bytes: 0,
        })
    }

    /// Applies every stage to a batch; what leaves the last one, if anything does.
    ///
    /// # Cost
    /// O(rows).
    pub(crate) fn apply(
        &mut self,
        batch: Batch,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, PipelineError> {
        self.apply_from(0, batch, bad)
    }

    fn apply_from(
        &mut self,
        first: usize,
        mut batch: Batch,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, PipelineError> {
        for step in &mut self.steps[first..] {
            if batch.row_count() == 0 {
                return Ok(None);
            }
            let changed = match step {
                Step::Filter(filter) => Some(filter.apply(batch, bad)),
                Step::Project(project) => Some(project.apply(batch, bad)),
                Step::Aggregate { table, emit: Emit::Final, .. } => {
                    table.update(&batch)?;
                    None
                }
                Step::Aggregate { table, .. } => table.update_changes(&batch)?,
                Step::Sort(table) => {
                    table.update(&batch)?;
                    None
                }
                Step::Limit(limit) => limit.apply(batch),
                Step::Drained => unreachable!("a drained table is behind every later batch"),
            };
            match changed {
                Some(changed) => batch = changed,
                None => return Ok(None),
            }
        }
        if batch.row_count() == 0 {
            return Ok(None);
        }
        match &mut self.seal {
            Some(table) => {
                table.update(&batch)?;
                Ok(None)
            }
            None => Ok(Some(batch)),
        }
    }

    /// Whether no further input can change the result, because a limit is full.
    pub(crate) fn is_satisfied(&self) -> bool {
        let is_full = |step: &Step| matches!(step, Step::Limit(limit) if limit.is_satisfied());
        // A limit behind a grouping or an order says nothing of the input before it.
        let until_table = self
            .steps
            .iter()
            .take_while(|step| matches!(step, Step::Filter(_) | Step::Project(_) | Step::Limit(_)));
        let mut step_count = 0;
        for step in until_table {
            if is_full(step) {
                return true;
            }
            step_count += 1;
        }
        step_count == self.steps.len()
            && matches!(&self.seal, Some(Sealed::Limited(table)) if table.is_full())
    }

    /// After the last input: the next batch that the tables still owe, each table's rows passing
    /// through the stages behind it. `None` once all are empty.
    pub(crate) fn drain(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, PipelineError> {
        loop {
            let (place, owed) = match &mut self.draining {
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
            if let Some(batch) = self.apply_from(place + 1, owed, bad)? {
                return Ok(Some(batch));
            }
        }
    }

    fn empty_next_step(&mut self) -> Result<(), PipelineError> {
        let place = self.drained_count;
        self.drained_count += 1;
        let step = &mut self.steps[place];
        if matches!(step, Step::Filter(_) | Step::Project(_) | Step::Limit(_)) {
            return Ok(());
        }
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
            Step::Sort(table) => {
                self.state_bytes += table.state_bytes();
                Box::new(table.into_batches(self.batch_rows)?.map(Ok))
            }
            Step::Filter(_) | Step::Project(_) | Step::Limit(_) | Step::Drained => {
                unreachable!("only tables are emptied, and each once")
            }
        };
        self.draining = Some((place, batches));
        Ok(())
    }

    /// Feeds merged tables to the stages: what a gather starts from.
    pub(crate) fn start_with(&mut self, merged: Sealed) -> Result<GatheredBatches, PipelineError> {
        self.group_count += count(merged.group_count());
        self.state_bytes += merged.state_bytes();
        Ok(GatheredBatches(merged.into_batches(self.batch_rows)?))
    }

    /// The partial table, once drained.
    pub(crate) fn take_sealed(&mut self) -> Option<Sealed> {
        self.seal.take()
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
