//! What the command line takes, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidemill::{CoreSet, RuntimeChoice};

/// Streaming SQL on pinned cores.
#[derive(Parser)]
#[command(
    name = "tidemill",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    /// Without one: a shell at a terminal, else the script that standard input holds.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The script itself, as for `run`.
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    pub(crate) execute: Option<String>,
    #[command(flatten)]
    pub(crate) how: How,
}

const EXAMPLES: &str = "\
Without a command, at a terminal: a shell, in which .help lists what there is.

Examples:
  Make a million trades in two files, and count them by symbol:
    tidemill gen trades --rows 1000000 --partitions 2 --format json --out data
    tidemill run -e \"SELECT symbol, COUNT(*), AVG(price) FROM 'data/*.jsonl' GROUP BY symbol ORDER BY symbol\"

  See why a query runs the way it does, then run a script:
    tidemill explain job.sql
    tidemill run job.sql --cores 0,2,4-7

Exit codes: 0 done, 1 failed while running, 2 wrong SQL or usage, 130 or 143 stopped by SIGINT or SIGTERM
before the end of the input.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a SQL script.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Show how a script would run, and why; run nothing.
    Explain(Explain),
    /// Check a script: errors point at the text; nothing runs and nothing is written.
    Check(Check),
    /// Make data: trades, orders, or measurements in the One Billion Row Challenge's format.
    #[command(after_help = GEN_EXAMPLES)]
    Gen(Gen),
    /// Show what a job has kept in its state directory; touches nothing, and may be asked while the job runs.
    Inspect(Inspect),
    /// Copy what a stopped job has kept to another directory, to go on from elsewhere.
    Checkpoint(CopyOfState),
    /// Look at what this host offers a job, with a verdict and a remedy for each.
    Doctor(Doctor),
    /// Print a shell's completion script.
    #[command(
        after_help = "Example:\n  tidemill completions bash > /etc/bash_completion.d/tidemill"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  tidemill run job.sql
  tidemill run -e \"SELECT COUNT(*) FROM 'trades.csv'\"
  tidemill run -e \"SELECT * FROM 'trades.csv' LIMIT 10\" --format json | jq .symbol
  cat job.sql | tidemill run -";

const GEN_EXAMPLES: &str = "\
Examples:
  tidemill gen trades --rows 10000000 --partitions 2 --format csv --out data/trades
  tidemill gen trades --rows 1000000 --disorder 500 --late 0.01 --bad 0.001 --out data/rough
  tidemill gen measurements --rows 100000000 --keys 413 --format csv --out data/1brc";

/// Which script, and what it starts with.
#[derive(Args)]
pub(crate) struct Source {
    /// The script's file; `-` reads standard input.
    #[arg(
        value_name = "FILE.sql",
        required_unless_present = "execute",
        conflicts_with = "execute"
    )]
    pub(crate) file: Option<PathBuf>,
    /// The script itself.
    #[arg(short = 'e', long = "execute", value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) execute: Option<String>,
}

/// Where and how a job runs.
#[derive(Args)]
pub(crate) struct Placement {
    /// How many CPUs, or which: `4`, or `0,2,4-7`. All allowed ones by default.
    ///
    /// A single number is a count; to name one CPU, write it as a range: `3-3`.
    #[arg(long, value_name = "N|LIST", value_parser = parse_cores)]
    pub(crate) cores: Option<CoreSet>,
    /// Who does the I/O: io_uring where the host allows it (auto), always (glommio), or never (std).
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) runtime: Runtime,
    /// Rows a batch holds at most; results do not depend on it.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) batch_rows: Option<u32>,
    /// Bytes that all tables together may take, such as 512MiB. Default: 60 % of what is free.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub(crate) memory: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Runtime {
    Auto,
    Glommio,
    Std,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultFormat {
    Table,
    /// A line for each value.
    Vertical,
    Csv,
    Json,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) recovery: RecoveryArguments,
}

#[derive(Args)]
pub(crate) struct CopyOfState {
    /// The directory that the script names with SET 'state.dir'.
    #[arg(value_name = "STATE")]
    pub(crate) state: PathBuf,
    /// Where to; empty or not there. The job's output has to be copied as well, with its hidden files and those that are open.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The directory that the script names with SET 'state.dir'.
    #[arg(value_name = "STATE")]
    pub(crate) state: PathBuf,
    /// A JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a job begins that keeps state (SET 'state.dir').
#[derive(Args, Default)]
#[command(next_help_heading = "Jobs with a state.dir")]
pub(crate) struct RecoveryArguments {
    /// Start over: forget what an earlier run has kept.
    #[arg(long)]
    fresh: bool,
    /// End the job for good: go on from where it was as if the input ended there.
    #[arg(long, conflicts_with = "fresh")]
    drain: bool,
    /// Go on from the checkpoint before where the newest of a partition is damaged; that is set aside.
    #[arg(long, conflicts_with = "fresh")]
    allow_fallback: bool,
}

impl RecoveryArguments {
    pub(crate) fn recovery(&self) -> tidemill::Recovery {
        let Self { fresh: is_fresh, drain: drains, allow_fallback: falls_back } = *self;
        tidemill::Recovery { is_fresh, drains, falls_back }
    }
}

/// How a script runs, and what is said of it.
#[derive(Args)]
pub(crate) struct How {
    #[command(flatten)]
    pub(crate) placement: Placement,
    /// How a bare SELECT prints: a table on a terminal and CSV in a pipe unless you say.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ResultFormat>,
    /// Rows that a table shows at most. A table wider than the terminal has a line for each value.
    #[arg(long, value_name = "ROWS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_rows: u64,
    /// Print the plan to standard error before running.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print neither progress nor summary; warnings, and what was left out of results, all the same.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) source: Source,
}

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) source: Source,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Where the data is or will be.
    #[arg(default_value = ".")]
    pub(crate) directory: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Model {
    Trades,
    Orders,
    Measurements,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FileFormat {
    Csv,
    Json,
    Arrow,
    Parquet,
}

#[derive(Args)]
pub(crate) struct Gen {
    /// What to make.
    pub(crate) model: Model,
    /// Records in all partitions together.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) rows: u64,
    /// Files to make; a key stands in one of them only.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) partitions: u32,
    /// How records are laid out.
    #[arg(long, default_value = "json")]
    pub(crate) format: FileFormat,
    /// Directory for the files, `trades-00000.jsonl` and so on. Must not hold such files yet.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The same seed makes the same data on any machine.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Distinct symbols, customers or stations. Default: 200, 10000 or 413.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) keys: Option<u64>,
    /// Exponent of the keys' Zipf distribution; 0 makes all keys equally frequent.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) skew: f64,
    /// How far event times may be out of order, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) disorder: u64,
    /// Fraction of records whose event time lies far behind, from 0 to 1.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    pub(crate) late: f64,
    /// Fraction of records that do not decode, from 0 to 1; csv and json only.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    pub(crate) bad: f64,
    /// So many of the last partitions fall silent halfway.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) idle_partitions: u32,
    /// How many CPUs, or which: `4`, or `0,2,4-7`.
    #[arg(long, value_name = "N|LIST", value_parser = parse_cores)]
    pub(crate) cores: Option<CoreSet>,
}

impl Placement {
    /// Puts what was given over a session's settings.
    pub(crate) fn apply(&self, settings: &mut tidemill::Settings) {
        settings.runtime = match self.runtime {
            Runtime::Auto => RuntimeChoice::Auto,
            Runtime::Glommio => RuntimeChoice::Glommio,
            Runtime::Std => RuntimeChoice::Std,
        };
        if let Some(cores) = &self.cores {
            settings.cores = cores.clone();
        }
        if let Some(rows) = self.batch_rows {
            settings.batch_rows = usize::try_from(rows).expect("at most 65,536");
        }
        if self.memory.is_some() {
            settings.memory_budget_bytes = self.memory;
        }
    }
}

fn parse_cores(text: &str) -> Result<CoreSet, String> {
    text.parse()
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    tidemill::parse_bytes(text)
        .ok_or_else(|| format!("{text} is not a size such as 1048576, 64MiB or 2GiB"))
}
