//! What `EXPLAIN ANALYZE` counts of a pipeline, step by step. Nothing of this is there unless it was asked for:
//! the data path then looks at an empty list once a step and batch.

use std::time::{Duration, Instant};

use tidemill_record::Batch;

use crate::held::{Held, count};

/// What one step took in, gave and cost; of several pipelines, the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepMeasure {
    /// Rows that came; of a gather, groups and rows of the tables that it was given.
    pub rows_in: u64,
    /// Rows that left.
    pub rows_out: u64,
    /// Most bytes that it held between two turns.
    pub state_bytes: u64,
    /// Most groups, keys or rows that it held between two turns.
    pub groups: u64,
    /// Time spent in it, measured once a batch.
    pub time: Duration,
}

/// What a pipeline's steps took in, gave and cost; of several pipelines, the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// The input: decoding, or the merging of tables that a gather was given.
    pub input: StepMeasure,
    /// Time spent waiting for bytes.
    pub read_time: Duration,
    /// Row groups of Parquet files that were read.
    pub row_groups: u64,
    /// Tables that a gather was given.
    pub tables: u64,
    /// One for each of the pipeline's stages.
    pub steps: Vec<StepMeasure>,
    /// The table for the gather, where one follows.
    pub seal: StepMeasure,
    /// What writes: its `rows_in` are the rows that were written.
    pub sink: StepMeasure,
    /// Files that became whole.
    pub files: u64,
}

impl StepMeasure {
    fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.state_bytes += other.state_bytes;
        self.groups += other.groups;
        self.time += other.time;
    }
}

impl Measures {
    /// Adds what another pipeline of the same stages has measured.
    pub fn add(&mut self, other: &Self) {
        self.input.add(&other.input);
        self.read_time += other.read_time;
        self.row_groups += other.row_groups;
        self.tables += other.tables;
        self.steps.resize(self.steps.len().max(other.steps.len()), StepMeasure::default());
        for (step, other) in self.steps.iter_mut().zip(&other.steps) {
            step.add(other);
        }
        self.seal.add(&other.seal);
        self.sink.add(&other.sink);
        self.files += other.files;
    }
}

/// Measures the steps of a processor, and the table for the gather behind them.
pub(crate) struct StepMeter(Vec<StepMeasure>);

/// A step that is being measured.
pub(crate) struct Begun {
    at: Instant,
    rows_in: u64,
}

impl StepMeter {
    /// For so many steps; measures nothing unless that `is_wanted`.
    pub(crate) fn new(step_count: usize, is_wanted: bool) -> Self {
        Self(if is_wanted { vec![StepMeasure::default(); step_count + 1] } else { Vec::new() })
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Before a step takes these batches in.
    pub(crate) fn begin(&self, batches: &[Batch]) -> Option<Begun> {
        self.is_on().then(|| Begun { at: tidemill_rt::now(), rows_in: row_count(batches) })
    }

    /// After it has given these.
    pub(crate) fn end(&mut self, place: usize, begun: Option<Begun>, results: &[Batch]) {
        let Some(Begun { at, rows_in }) = begun else { return };
        let measure = &mut self.0[place];
        measure.time += tidemill_rt::elapsed(at);
        measure.rows_in += rows_in;
        measure.rows_out += row_count(results);
    }

    /// The first `step_count` steps have been spared `rejected` rows, which the last of them would have left out, and
    /// `kept` more, which it would have kept.
    pub(crate) fn note_spared(&mut self, step_count: usize, rejected: usize, kept: usize) {
        if !self.is_on() {
            return;
        }
        for (at, measure) in self.0[..step_count].iter_mut().enumerate() {
            let is_last = at + 1 == step_count;
            measure.rows_in += count(rejected + kept);
            measure.rows_out += count(if is_last { kept } else { rejected + kept });
        }
    }

    /// What a step holds between two turns.
    pub(crate) fn note_held(&mut self, place: usize, held: &Held) {
        let measure = &mut self.0[place];
        measure.state_bytes = measure.state_bytes.max(held.bytes);
        measure.groups = measure.groups.max(held.groups);
    }

    /// What was measured of the steps, and of the table for the gather.
    pub(crate) fn measures(&self) -> (Vec<StepMeasure>, StepMeasure) {
        let (seal, steps) = self.0.split_last().expect("only asked for where it is on");
        (steps.to_vec(), *seal)
    }
}

fn row_count(batches: &[Batch]) -> u64 {
    count(batches.iter().map(Batch::row_count).sum())
}
