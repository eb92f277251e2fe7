//! The product's operators in the order of a query's stages, and event time over several files.
//!
//! Every shape but the product itself applies [`Operators`]; what differs is who calls it, with how many
//! rows, and behind which lock.

use arrow_buffer::ScalarBuffer;
use tidemill_aggregate::{AggTable, EventTimes, OverTable, WindowTable};
use tidemill_expr::{Context, Filter, Project};
use tidemill_plan::{Emit, EventTimeSpec, Stage};
use tidemill_record::{Batch, EventTime};

/// Rows a batch holds at most, as in the product.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The stages behind event time, with their state.
pub(crate) struct Operators {
    steps: Vec<Step>,
}

#[expect(clippy::large_enum_variant, reason = "a shape has a few of them")]
enum Step {
    Filter(Filter),
    Project(Project),
    Aggregate(AggTable),
    Windows(WindowTable),
    Over(OverTable),
}

impl Operators {
    /// Nothing seen.
    pub(crate) fn new(stages: &[Stage]) -> Self {
        let context = Context { job_start: EventTime(0) };
        let step = |stage: &Stage| match stage {
            Stage::Filter(predicate) => Step::Filter(Filter::new(predicate, &context).unwrap()),
            Stage::Project(columns) => Step::Project(Project::new(columns, &context).unwrap()),
            Stage::Aggregate { spec, .. } if spec.window.is_some() => {
                Step::Windows(WindowTable::new(spec.clone(), &[], u64::MAX))
            }
            Stage::Aggregate { spec, .. } => {
                assert_eq!(spec.emit, Emit::Final, "no scenario asks for other changes");
                Step::Aggregate(AggTable::new(spec.clone(), u64::MAX))
            }
            Stage::Over { spec, .. } => {
                Step::Over(OverTable::new(spec.clone(), &[], u64::MAX, BATCH_ROWS))
            }
            other => panic!("no scenario has the stage {other:?}"),
        };
        Self { steps: stages.iter().map(step).collect() }
    }

    /// Applies every stage to a batch, then lets event time pass to `watermark` if it is given; what
    /// leaves the last stage, in order.
    pub(crate) fn apply(&mut self, batch: Batch, watermark: Option<EventTime>) -> Vec<Batch> {
        apply(&mut self.steps, vec![batch], watermark)
    }

    /// After the last batch: what the tables still hold.
    pub(crate) fn drain(mut self) -> Vec<Batch> {
        let mut owed = Vec::new();
        while !self.steps.is_empty() {
            let mut results = Vec::new();
            match self.steps.remove(0) {
                Step::Filter(_) | Step::Project(_) => {}
                Step::Aggregate(table) => {
                    let batches = table.into_batches(BATCH_ROWS);
                    results.extend(batches.unwrap().map(|batch| batch.unwrap()));
                }
                Step::Windows(mut table) => table.advance(EventTime::MAX, &mut results).unwrap(),
                Step::Over(mut table) => table.advance(EventTime::MAX, &mut results).unwrap(),
            }
            owed.extend(apply(&mut self.steps, results, Some(EventTime::MAX)));
        }
        owed
    }
}

fn apply(steps: &mut [Step], mut batches: Vec<Batch>, watermark: Option<EventTime>) -> Vec<Batch> {
    let (mut bad, mut late) = (Vec::new(), Vec::new());
    for step in steps {
        let mut results = Vec::with_capacity(1);
        for batch in batches {
            match &mut *step {
                Step::Filter(filter) => results.push(filter.apply(batch, &mut bad).unwrap()),
                Step::Project(project) => results.push(project.apply(batch, &mut bad).unwrap()),
                Step::Aggregate(table) => table.update(&batch).unwrap(),
                Step::Windows(table) => table.update(&batch, &mut late, &mut results).unwrap(),
                Step::Over(table) => table.update(&batch, &mut late, &mut results).unwrap(),
            }
        }
        match (step, watermark) {
            (Step::Windows(table), Some(time)) => table.advance(time, &mut results).unwrap(),
            (Step::Over(table), Some(time)) => table.advance(time, &mut results).unwrap(),
            _ => {}
        }
        results.retain(|batch| batch.row_count() > 0);
        batches = results;
    }
    assert!(bad.is_empty() && late.is_empty(), "generated records are good and in time");
    batches
}

/// The watermark of several files that are read in turns: the least of theirs.
///
/// Tables that rows of all files meet in need it, since one file may be ahead of another by a batch. The
/// product needs it not: its tables see one file.
pub(crate) struct Watermarks {
    /// One a file; `None` where the query does not ask for time.
    files: Option<Vec<EventTimes>>,
}

impl Watermarks {
    /// Nothing read.
    pub(crate) fn new(spec: Option<&EventTimeSpec>, file_count: usize) -> Self {
        Self {
            files: spec
                .map(|spec| (0..file_count).map(|_| EventTimes::new(spec.clone())).collect()),
        }
    }

    /// Notes beside every row the watermark of all files before it.
    pub(crate) fn note(&mut self, file: usize, batch: Batch) -> Batch {
        let Some(files) = &mut self.files else { return batch };
        let batch = files[file].apply(batch, &mut Vec::new());
        let others = files.iter().enumerate().filter(|(other, _)| *other != file);
        let Some(others) = others.map(|(_, times)| times.watermark()).min() else { return batch };
        let Some(own) = batch.watermarks() else { return batch };
        if own.last().is_none_or(|&last| last <= others.0) {
            return batch;
        }
        let least: ScalarBuffer<i64> = own.iter().map(|&own| own.min(others.0)).collect();
        batch.with_watermarks(Some(least))
    }

    /// A file holds nothing more, and waits for no other.
    pub(crate) fn end(&mut self, file: usize) {
        if let Some(files) = &mut self.files {
            files[file].raise(EventTime::MAX);
        }
    }

    /// How far all files have come.
    pub(crate) fn least(&self) -> EventTime {
        let files = self.files.iter().flatten();
        files.map(EventTimes::watermark).min().unwrap_or(EventTime::MIN)
    }
}
