//! What a job did, as numbers.

use std::fmt;
use std::time::Duration;

use tidemill_pipeline::Statistics;
use tidemill_rt::Backend;

use crate::End;
use crate::figures::{bytes, grouped, micros, rate};

/// What a job did, from start to published results.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Who did the I/O.
    pub backend: Backend,
    /// Why the portable backend was taken where io_uring was wanted.
    pub backend_reason: Option<String>,
    /// What all pipelines counted.
    pub statistics: Statistics,
    /// What each core counted.
    pub cores: Vec<CoreSummary>,
    /// From the start of the job to the published results.
    pub elapsed: Duration,
    /// What a person should know, such as columns that were left out; not part of `Display`.
    pub warnings: Vec<String>,
    /// Plans that `EXPLAIN` statements of the script asked for, in script order.
    pub explanations: Vec<String>,
    /// How it came to its end.
    pub end: End,
    /// The job was stopped before its input ended; not set where that has no end.
    pub stopped: Option<Stopped>,
    /// Earlier runs of the job are counted, too; times are those of this one.
    pub counts_earlier_runs: bool,
    /// What a job with a state directory has come to beside that.
    pub kept: Option<Kept>,
}

/// What a job with a state directory has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was stopped, and goes on where it was when it is run again.
    ToGoOn,
    /// It had come to its end in an earlier run: nothing was read or written.
    WasOver,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToGoOn => "stopped; run it again to go on from here, or with --drain to end it",
            Self::WasOver => {
                "this job has come to its end before: nothing was read or written; --fresh starts over"
            }
        })
    }
}

/// What became of the results of a job that was stopped before its input ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Sinks of files whose results are not visible.
    pub unpublished: Vec<String>,
    /// Standard output has rows of results that are not whole.
    pub has_printed: bool,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped before the end of the input")?;
        if !self.unpublished.is_empty() {
            write!(f, "; nothing is published of {}", self.unpublished.join(", "))?;
        }
        if self.has_printed {
            f.write_str("; what was printed is only a part of the results")?;
        }
        Ok(())
    }
}

impl Summary {
    /// What was left out of the results, a line for each kind of record; empty where nothing was.
    #[must_use]
    pub fn left_out(&self) -> String {
        let all = &self.statistics;
        let mut lines = Vec::new();
        if all.bad_records > 0 {
            lines.push(format!("{} bad records", grouped(all.bad_records)));
        }
        for ((source, what), counts) in &all.late {
            let lost = grouped(counts.lost);
            let partly = match counts.partly {
                0 => String::new(),
                partly => format!(", {} late for some windows only", grouped(partly)),
            };
            lines.push(format!("{lost} late records ({source}, {what}){partly}"));
        }
        for (source, (count, first)) in &all.far_ahead {
            lines.push(format!(
                "{} records more than 'watermark.max_ahead' beyond the watermark ({source}), which \
                 they moved only as far as others confirmed them; the first in {first}",
                grouped(*count),
            ));
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// What one core counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoreSummary {
    /// The CPU's number.
    pub cpu: usize,
    /// What its pipelines counted.
    pub statistics: Statistics,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.statistics;
        let seconds = self.elapsed.as_secs_f64();
        let (rows_out, state) = (grouped(all.rows_out), bytes(all.state_bytes));
        let (records, size) = (grouped(all.records_in), bytes(all.bytes_in));
        if self.counts_earlier_runs {
            writeln!(
                f,
                "{records} records ({size}), with those of earlier runs; {seconds:.3} s now"
            )?;
        } else {
            let rate = rate(all.records_in, self.elapsed);
            writeln!(f, "{records} records ({size}) in {seconds:.3} s, {rate} records/s")?;
        }
        writeln!(f, "{rows_out} rows out ({})", bytes(all.bytes_out))?;
        if let Some(checksum) = all.checksum {
            writeln!(f, "checksum {checksum:016x}")?;
        }
        if all.group_count > 0 {
            writeln!(f, "{} groups, {state} of state", grouped(all.group_count))?;
        }
        f.write_str(&self.left_out())?;
        for core in self.cores.iter().filter(|_| !self.counts_earlier_runs) {
            let busy = core.statistics.busy;
            writeln!(
                f,
                "core {}: {} records, {} records/s while busy ({:.0} % of the time)",
                core.cpu,
                grouped(core.statistics.records_in),
                rate(core.statistics.records_in, busy),
                100.0 * busy.as_secs_f64() / seconds.max(1e-9),
            )?;
        }
        let latency = &all.batch_latency_ns;
        if latency.count() > 0 {
            writeln!(
                f,
                "batch latency: p50 {}, p99 {}, max {}",
                micros(latency.at_quantile(0.5)),
                micros(latency.at_quantile(0.99)),
                micros(latency.max()),
            )?;
        }
        let backend = match self.backend {
            Backend::Glommio => "io_uring (glommio)",
            Backend::OnDemand => "io_uring (glommio), where a read would wait",
            Backend::Std => "portable (std)",
        };
        write!(f, "backend: {backend}")?;
        if let Some(reason) = &self.backend_reason {
            write!(f, ", because {reason}")?;
        }
        writeln!(f)
    }
}
