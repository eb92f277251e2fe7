//! The same scenarios under three ways to coordinate the same operators, and as kernels by hand.
//!
//! `cargo run --release -p tidemill-bench-scenarios -- --help`. The shapes:
//!
//! - `v1`: a record at a time through bounded queues, one coordinator behind a mutex.
//! - `v2`: batches cut by the hash of the key to partitions behind locks, on the reader's thread;
//!   `v2-threads`: the same with a thread and a queue for each partition.
//! - `v3`: the product, one pipeline a file.
//! - `kernel`: a plain program for the scenario, one thread a file.
//!
//! Decoder, operators and encoder are the product's in all but the kernel; results go to CSV files. Before
//! a time counts, each shape's answer is compared with the product's over the same files. Runs are
//! interleaved, since the host's speed drifts. Times are from opening the files to the last byte written,
//! without a flush to the device; only the product's also include binding its SQL, starting its cores and
//! the rename.

#![allow(clippy::unwrap_used, reason = "benches")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports")]
#![allow(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^53")]

mod answers;
mod breakdown;
mod by_key;
mod by_record;
mod data;
mod input;
mod kernel;
mod operators;
mod output;
mod product;
mod query;
mod queue;
mod routing;
mod shape;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use query::{Scenario, Text};
use shape::Shape;
use table::Cell;

/// Records of `--published`.
const PUBLISHED_ROWS: u64 = 5_000;

/// Measures the scenarios under every shape, and compares their answers first.
#[derive(Debug, Parser)]
struct Arguments {
    /// Records of the input
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Records of v1's input and of the breakdown, at most `--rows`
    #[arg(long, default_value_t = 1_000_000)]
    v1_rows: u64,
    /// Times that each shape runs
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Scenarios
    #[arg(long, num_args = 1.., value_enum, default_values = ["s0", "s1", "s2", "s3a", "s3b"])]
    only: Vec<Scenario>,
    /// Shapes
    #[arg(long, num_args = 1.., value_enum, default_values = ["v1", "v2", "v2-threads", "v3", "kernel"])]
    shapes: Vec<Shape>,
    /// Formats of the input; results are CSV
    #[arg(long, num_args = 1.., value_enum, default_values = ["csv"])]
    format: Vec<Text>,
    /// Directory of the input, which is generated where it is missing, and of the results
    #[arg(long, default_value = "target/scenarios")]
    data: PathBuf,
    /// Cores of v3 and partitions of v2; those of the host unless given
    #[arg(long)]
    cores: Option<usize>,
    /// Writes all times to a file
    #[arg(long)]
    json: Option<PathBuf>,
    /// 5,000 records, all of which s0 keeps, and 100 keys in s3
    #[arg(long)]
    published: bool,
    /// Also says where the time of v1 and v2 goes
    #[arg(long)]
    breakdown: bool,
}

fn main() -> ExitCode {
    // As the command does: no shape is to be charged for page faults.
    tidemill::keep_freed_memory();
    let mut arguments = Arguments::parse();
    if arguments.published {
        arguments.rows = PUBLISHED_ROWS;
    }
    arguments.v1_rows = arguments.v1_rows.min(arguments.rows);
    let host = std::thread::available_parallelism().unwrap().get();
    let cores = arguments.cores.unwrap_or(host);
    let (mut cells, mut breakdowns) = (Vec::new(), Vec::new());
    for &text in &arguments.format {
        for &scenario in &arguments.only {
            let measured = match measure(&arguments, scenario, text, cores) {
                Ok(measured) => measured,
                Err(difference) => {
                    eprintln!("{} over {}: {difference}", scenario.name(), text.name());
                    return ExitCode::FAILURE;
                }
            };
            table::print(&measured);
            cells.extend(measured);
            if arguments.breakdown {
                let task = task(&arguments, scenario, text, cores, arguments.v1_rows);
                let pieces = breakdown::measure(&task, arguments.runs, &cells);
                table::print_breakdown(&pieces);
                breakdowns.extend(pieces);
            }
        }
    }
    println!("v3's times include binding SQL, starting its cores and rename; the others' do not.");
    if let Some(path) = &arguments.json {
        let report = table::json(arguments.rows, arguments.runs, cores, &cells, &breakdowns);
        std::fs::write(path, report).unwrap();
    }
    ExitCode::SUCCESS
}

/// Compares the answers of all shapes with the product's, then measures them in turns.
fn measure(
    arguments: &Arguments,
    scenario: Scenario,
    text: Text,
    cores: usize,
) -> Result<Vec<Cell>, String> {
    let tasks: Vec<_> = arguments
        .shapes
        .iter()
        .map(|&shape| {
            let rows = if shape == Shape::V1 { arguments.v1_rows } else { arguments.rows };
            (shape, task(arguments, scenario, text, cores, rows))
        })
        .collect();
    let mut expected: Option<(u64, answers::Answer)> = None;
    for (shape, task) in &tasks {
        if expected.as_ref().is_none_or(|(rows, _)| *rows != task.rows) {
            task.run(Shape::V3);
            expected = Some((task.rows, task.answer(Shape::V3)));
        }
        let (_, expected) = expected.as_ref().unwrap();
        assert!(expected.row_count() > 0, "an empty answer proves nothing");
        if *shape != Shape::V3 {
            task.run(*shape);
            if let Some(difference) = expected.difference(&task.answer(*shape)) {
                return Err(difference);
            }
        }
    }
    let cell = |(shape, task): &(Shape, shape::Task)| Cell {
        scenario,
        text,
        shape: *shape,
        rows: task.rows,
        seconds: Vec::new(),
    };
    let mut cells: Vec<_> = tasks.iter().map(cell).collect();
    for _ in 0..arguments.runs {
        for (cell, (shape, task)) in cells.iter_mut().zip(&tasks) {
            cell.seconds.push(task.run(*shape));
        }
    }
    Ok(cells)
}

fn task(
    arguments: &Arguments,
    scenario: Scenario,
    text: Text,
    cores: usize,
    rows: u64,
) -> shape::Task {
    shape::Task::new(&arguments.data, scenario, text, rows, cores, arguments.published)
}
