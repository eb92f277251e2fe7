//! What an embedding program pays: for queries that come and go, for many that wait, for a stop, and for rows in memory.
//!
//! `cargo run --release -p tidemill-bench-instruments --bin embedded -- churn | trickle | stops | rows`
//! (`scripts/measure/embedded` runs all of them, and the same rows through DuckDB and DataFusion.)

#![allow(clippy::unwrap_used, reason = "benches")]
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]
#![allow(clippy::cast_precision_loss, reason = "figures are shown with few digits")]

#[path = "../allocations/counting.rs"]
mod counting;
mod feeds;
mod rows;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Measures what embedding costs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Queries that start and end one after the other on one runtime: what they leave behind.
    Churn {
        #[arg(long, default_value_t = 10_000)]
        queries: u32,
    },
    /// Queries that wait beside each other on one runtime, each with a source of its own: memory, and CPU time while they are
    /// silent and while each gets a record a second.
    Trickle {
        #[arg(long, default_value_t = 1_000)]
        queries: u32,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// From a stop, and from a cancel, to the end, beside a feed that is as fast as it can be on the same core.
    Stops {
        #[arg(long, default_value_t = 200)]
        count: u32,
    },
    /// Groups of trades (s2): JSON lines from memory beside the same bytes from a file, and Arrow batches.
    Rows {
        #[arg(long, default_value_t = 4_000_000)]
        rows: u64,
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// Where the batches are written, for others to read: trades.arrow.
        #[arg(long)]
        directory: Option<PathBuf>,
    },
}

fn main() {
    match Arguments::parse().what {
        What::Churn { queries } => feeds::churn(queries),
        What::Trickle { queries, seconds } => feeds::trickle(queries, seconds),
        What::Stops { count } => feeds::stops(count),
        What::Rows { rows, runs, directory } => rows::measure(rows, runs, directory.as_deref()),
    }
}
