//! From the moment a record is due to the moment its result is there: an open loop.
//!
//! `cargo run --release -p tidemill-bench-instruments --bin latency`
//!
//! A thread on one CPU appends trades to a file at a rate, by a schedule that is fixed beforehand; a job
//! on another CPU follows the file, and a registered sink looks at the clock as it is given the results. The
//! highest rate is half of what the job does when all records are there from the start. Where the sender
//! itself is late, which it says, the wait of its records counts as well. Beside the job stands what the
//! machine does by itself: the same schedule with a loop that only reads the clock.

#![allow(clippy::unwrap_used, reason = "benches")]
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod jitter;
mod run;
mod schedule;
mod sender;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use hdrhistogram::Histogram;
use tidemill::RuntimeChoice;

use crate::run::{Setup, maximum, open_loop};
use crate::sender::Layout;

/// The first column of each says which record the row is about.
const QUERIES: [(&str, &str); 2] = [
    ("stateless", "SELECT trade_id, symbol, price FROM trades WHERE quantity > 0"),
    (
        "changes",
        "SELECT MAX(trade_id) AS trade_id, symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, \
         MIN(price) AS min_price, MAX(price) AS max_price, SUM(quantity) AS total_quantity \
         FROM trades GROUP BY symbol EMIT CHANGES",
    ),
];

/// Measures latency from each record's due time to its result.
#[derive(Parser)]
struct Arguments {
    /// Seconds that each rate is kept for.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Records a second; half of the maximum is added.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    rates: Vec<u64>,
    /// Records over which the maximum is measured.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// How the file is laid out.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["csv", "json"])]
    formats: Vec<Layout>,
    /// The CPU of the job.
    #[arg(long, default_value_t = 0)]
    job_cpu: usize,
    /// The CPU of the sender; another one than the job's.
    #[arg(long, default_value_t = 1)]
    sender_cpu: usize,
    /// Reads with blocking calls instead of the ring.
    #[arg(long)]
    std: bool,
    /// Where the followed file is; a directory in memory keeps the disk out of it.
    #[arg(long)]
    scratch: Option<PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    tidemill::keep_freed_memory();
    let scratch = match &arguments.scratch {
        Some(directory) => tempfile::tempdir_in(directory).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let time = Duration::from_secs(arguments.seconds);
    println!(
        "µs from due to written   records/s       p50       p90       p99     p99.9       max"
    );
    show("clock: gaps", 0, &jitter::gaps(arguments.job_cpu, time));
    for rate in &arguments.rates {
        let empty = jitter::empty(arguments.job_cpu, *rate, rate * arguments.seconds);
        show("clock: empty loop", *rate, &empty);
    }
    for layout in &arguments.formats {
        for (name, query) in QUERIES {
            let setup = Setup {
                name,
                query,
                layout: *layout,
                runtime: if arguments.std { RuntimeChoice::Std } else { RuntimeChoice::Auto },
                job_cpu: arguments.job_cpu,
                sender_cpu: arguments.sender_cpu,
            };
            measure(&arguments, &setup, &scratch.path().join("followed"));
        }
    }
}

fn measure(arguments: &Arguments, setup: &Setup<'_>, path: &std::path::Path) {
    let maximum = maximum(setup, path, arguments.rows);
    let label = format!("{:?} {}", setup.layout, setup.name).to_lowercase();
    println!("{label}: at most {maximum} records/s");
    for rate in arguments.rates.iter().copied().chain([maximum / 2]) {
        let time = Duration::from_secs(arguments.seconds);
        let outcome = open_loop(setup, path, rate, time);
        show(&label, rate, &outcome.latencies);
        println!(
            "    {} batches; the sender was late by at most {:.0} µs",
            outcome.batch_count,
            micros(outcome.sender_late_ns_max),
        );
    }
}

fn show(label: &str, rate: u64, latencies: &Histogram<u64>) {
    let at = |quantile| micros(latencies.value_at_quantile(quantile));
    println!(
        "{label:<22} {rate:>11} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        micros(latencies.max()),
    );
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// Nanoseconds up to a minute, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
}

/// Keeps the calling thread on one CPU.
fn pin(cpu: usize) {
    // SAFETY: a set of CPUs is plain bits, for which all zeros is the empty set; the call reads it only.
    let refused = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    assert_eq!(refused, 0, "CPU {cpu} is not there for this process");
}
