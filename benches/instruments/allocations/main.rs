//! How often a job asks for memory once it has reached its steady state.
//!
//! `cargo run --release -p tidemill-bench-instruments --bin allocations -- [--by-size]`
//!
//! Each scenario runs file to file on one core over N and over 2 N records. What the second run asked for
//! beyond the first, over the batches that it had beyond the first, is what one more batch costs: planning,
//! opening files, first growth of buffers and the threads' start drop out. What is left also holds what
//! grows with the input, such as the tables of open windows.

#![allow(clippy::unwrap_used, reason = "benches")]
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod counting;
mod scenarios;

use std::path::{Path, PathBuf};

use clap::Parser;
use tidemill::generate::{GenerateSpec, generate};
use tidemill::{CoreSet, Format, GeneratorModel, GeneratorSource, RuntimeChoice, Session};

use crate::counting::{Counting, Counts};
use crate::scenarios::{SCENARIOS, Scenario};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts heap allocations per batch and per record in the steady state.
#[derive(Parser)]
struct Arguments {
    /// Records of the shorter run; the longer one has twice as many. Fewer than 2.4 million leave s3a
    /// without a window that closes in one run and not in the other.
    #[arg(long, default_value_t = 2_400_000)]
    rows: u64,
    /// Shows which sizes were asked for.
    #[arg(long)]
    by_size: bool,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Reads with blocking calls instead of the ring.
    #[arg(long)]
    std: bool,
}

/// What one run asked for, and for how much work.
struct Run {
    counts: Counts,
    batches: u64,
    records: u64,
}

fn main() {
    let arguments = Arguments::parse();
    tidemill::keep_freed_memory();
    let scratch = tempfile::tempdir().unwrap();
    println!("steady state, one core, {} and twice as many records", arguments.rows);
    println!(
        "query format  allocations a batch  frees a batch  allocations a record  bytes a record"
    );
    for scenario in &SCENARIOS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        for format in ["csv", "json"] {
            let [shorter, longer] = [1, 2].map(|times| {
                let input = records(scratch.path(), scenario.model, format, arguments.rows * times);
                run(scenario, format, &input, &scratch.path().join("out"), arguments.std)
            });
            show(scenario, format, &shorter, &longer, arguments.by_size);
        }
    }
}

/// The directory of one file of generated records, made where it is not there yet.
fn records(scratch: &Path, model: GeneratorModel, format: &str, rows: u64) -> PathBuf {
    let directory = scratch.join(format!("{model:?}-{format}-{rows}"));
    if !directory.exists() {
        let layout = if format == "csv" {
            Format::Csv(Default::default())
        } else {
            Format::Json(Default::default())
        };
        let source = GeneratorSource {
            model,
            rows: Some(rows),
            rate: None,
            partitions: 1,
            seed: 42,
            keys: 200,
            skew: 0.0,
            disorder_ms: 0,
            late_fraction: 0.0,
            idle_partitions: 0,
        };
        let cores = CoreSet::Count(1);
        let spec = GenerateSpec { source, format: layout, directory, bad_fraction: 0.0, cores };
        generate(&spec).unwrap();
        return spec.directory;
    }
    directory
}

fn run(scenario: &Scenario, format: &str, input: &Path, output: &Path, is_std: bool) -> Run {
    let script = scenario.script(format, input, output);
    let before = Counts::now();
    let mut session = Session::new();
    session.settings_mut().cores = CoreSet::Count(1);
    if is_std {
        session.settings_mut().runtime = RuntimeChoice::Std;
    }
    let statistics = session.prepare(&script).unwrap().run().unwrap().statistics;
    Run {
        counts: Counts::now().since(&before),
        batches: statistics.batch_latency_ns.count(),
        records: statistics.records_in,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below 2^53, and shown with few digits"
)]
fn show(scenario: &Scenario, format: &str, shorter: &Run, longer: &Run, by_size: bool) {
    let more = |of: fn(&Run) -> u64| of(longer) as f64 - of(shorter) as f64;
    let (batches, records) = (more(|run| run.batches), more(|run| run.records));
    let allocations = more(|run| run.counts.allocations);
    println!(
        "{:<5} {format:<6} {:>20.2} {:>14.2} {:>21.6} {:>15.2}",
        scenario.name,
        allocations / batches,
        more(|run| run.counts.deallocations) / batches,
        allocations / records,
        more(|run| run.counts.bytes) / records,
    );
    if !by_size {
        return;
    }
    let mut sizes: Vec<(usize, f64)> = longer
        .counts
        .by_size
        .iter()
        .map(|(size, count)| {
            let fewer = shorter.counts.by_size.get(size).copied().unwrap_or(0);
            (*size, (*count as f64 - fewer as f64) / batches)
        })
        .filter(|(_, count)| *count >= 0.01)
        .collect();
    sizes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    for (size, count) in sizes {
        println!("{size:>14} bytes: {count:>8.2} a batch");
    }
}
