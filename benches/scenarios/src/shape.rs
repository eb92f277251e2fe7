//! One scenario over one input, and how each shape is run over it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use crate::answers::Answer;
use crate::data;
use crate::query::{Query, Scenario, Text};
use crate::{by_key, by_record, kernel, output, product};

/// What orders are kept above, as in `examples/s0.sql`.
const AMOUNT_OVER: u32 = 100;

/// Who coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// A record at a time through queues.
    V1,
    /// Batches cut to partitions, inline.
    V2,
    /// Batches cut to partitions, each with a thread.
    V2Threads,
    /// The product.
    V3,
    /// A program by hand.
    Kernel,
}

impl Shape {
    /// As it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V2Threads => "v2-threads",
            Self::V3 => "v3",
            Self::Kernel => "kernel",
        }
    }
}

/// One scenario over one input.
pub(crate) struct Task {
    pub(crate) scenario: Scenario,
    pub(crate) text: Text,
    /// Records of the input.
    pub(crate) rows: u64,
    /// Cores of the product, and partitions of v2.
    pub(crate) cores: usize,
    pub(crate) query: Query,
    pub(crate) files: Vec<PathBuf>,
    amount_over: u32,
    data: PathBuf,
}

impl Task {
    /// Makes the input where it is missing.
    pub(crate) fn new(
        data: &Path,
        scenario: Scenario,
        text: Text,
        rows: u64,
        cores: usize,
        is_published: bool,
    ) -> Self {
        // Two symbols by fifty traders are a hundred keys.
        let is_windowed = matches!(scenario, Scenario::S3a | Scenario::S3b);
        let keys = (is_published && is_windowed).then_some(2);
        let amount_over = if is_published { 0 } else { AMOUNT_OVER };
        let input = data::ensure(data, scenario.model(), text, rows, keys);
        let product = directory(data, scenario, Shape::V3);
        let query = Query::new(scenario, text, amount_over, &input, &product);
        let files = data::files(&input);
        Self { scenario, text, rows, cores, query, files, amount_over, data: data.to_owned() }
    }

    /// Runs it once; seconds.
    pub(crate) fn run(&self, shape: Shape) -> f64 {
        let directory = self.directory(shape);
        output::clear(&directory);
        let started = Instant::now();
        match shape {
            Shape::V1 => by_record::run(&self.query, &self.files, &directory),
            Shape::V2 => by_key::run_inline(&self.query, &self.files, &directory, self.cores),
            Shape::V2Threads => {
                by_key::run_threads(&self.query, &self.files, &directory, self.cores)
            }
            Shape::V3 => product::run(&self.query, self.cores),
            Shape::Kernel => {
                kernel::run(self.scenario, self.text, self.amount_over, &self.files, &directory);
            }
        }
        started.elapsed().as_secs_f64()
    }

    /// What a shape's last run wrote.
    pub(crate) fn answer(&self, shape: Shape) -> Answer {
        Answer::read(&self.directory(shape), &self.query.results)
    }

    /// Where a shape's results go.
    pub(crate) fn directory(&self, shape: Shape) -> PathBuf {
        directory(&self.data, self.scenario, shape)
    }
}

fn directory(data: &Path, scenario: Scenario, shape: Shape) -> PathBuf {
    data.join(format!("out-{}-{}", scenario.name(), shape.name()))
}
