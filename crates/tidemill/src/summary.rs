//! What a job did, as numbers.

use std::fmt;
use std::time::Duration;

use tidemill_pipeline::Statistics;
use tidemill_rt::Backend;

use crate::figures::{bytes, grouped, micros, rate};

/// What a job did, from start to published results.
#[derive(Clone, Debug)]
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
    /// What a person should know, such as keys that stand in two partitions; not part of `Display`.
    pub warnings: Vec<String>,
    /// Plans that `EXPLAIN` statements of the script asked for, in script order.
    pub explanations: Vec<String>,
    /// The job was asked to stop before its input ended: results cover what was read.
    pub is_stopped: bool,
}

/// What one core counted.
#[derive(Clone, Debug)]
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
        writeln!(
            f,
            "{} records ({}) in {seconds:.3} s, {} records/s",
            grouped(all.records_in),
            bytes(all.bytes_in),
            rate(all.records_in, self.elapsed),
        )?;
        writeln!(f, "{rows_out} rows out ({})", bytes(all.bytes_out))?;
        if let Some(checksum) = all.checksum {
            writeln!(f, "checksum {checksum:016x}")?;
        }
        if all.group_count > 0 {
            writeln!(f, "{} groups, {state} of state", grouped(all.group_count))?;
        }
        if all.bad_records > 0 {
            writeln!(f, "{} bad records", grouped(all.bad_records))?;
        }
        for ((source, what), counts) in &all.late {
            write!(f, "{} late records ({source}, {what})", grouped(counts.lost))?;
            if counts.partly > 0 {
                write!(f, ", {} late for some windows only", grouped(counts.partly))?;
            }
            writeln!(f)?;
        }
        for (source, (count, first)) in &all.far_ahead {
            writeln!(
                f,
                "{} records more than 'watermark.max_ahead' beyond the watermark ({source}), which \
                 they moved only as far as others confirmed them; the first in {first}",
                grouped(*count),
            )?;
        }
        for core in &self.cores {
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
            Backend::Std => "portable (std)",
        };
        write!(f, "backend: {backend}")?;
        if let Some(reason) = &self.backend_reason {
            write!(f, ", because {reason}")?;
        }
        writeln!(f)?;
        if self.is_stopped {
            writeln!(f, "stopped before the end of the input: results cover what was read")?;
        }
        Ok(())
    }
}
