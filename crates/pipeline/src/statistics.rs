//! What one pipeline counted.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

use tidemill_format::Lost;
use tidemill_record::Position;

use crate::Latencies;

pub(crate) mod image;

/// Counts of one pipeline since it was opened; plain numbers that its owner adds up.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Records read from the source, bad ones included.
    pub records_in: u64,
    /// Bytes of input consumed, after decompression; 0 where the source has no bytes.
    pub bytes_in: u64,
    /// Rows written to the sink.
    pub rows_out: u64,
    /// Bytes written to the sink; 0 where the sink takes columns.
    pub bytes_out: u64,
    /// Records (or result rows) that were bad.
    pub bad_records: u64,
    /// Records that came too late, by source and by what they were late for.
    pub late: BTreeMap<(String, &'static str), LateCounts>,
    /// Records so far beyond the watermark (`watermark.max_ahead`) that others had to confirm them, by
    /// source, and where the first one of the first partition is.
    pub far_ahead: BTreeMap<String, (u64, Position)>,
    /// What decoding left out, by source, with how many records lost it and where the first one of the first
    /// partition is.
    pub left_out: BTreeMap<(String, Lost), (u64, Position)>,
    /// Groups in the tables when the input ended; partial tables count once merged.
    pub group_count: u64,
    /// Bytes the tables held when the input ended; partial tables count once merged.
    pub state_bytes: u64,
    /// Sum, modulo 2^64, of a hash of each row that went to a discard sink.
    pub checksum: Option<u64>,
    /// Time from a batch's first byte wanted to its last change written, in nanoseconds.
    pub batch_latency_ns: Latencies,
    /// Time spent in turns.
    pub busy: Duration,
}

/// How far input has come, for whoever watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of input consumed; 0 where the source has no bytes.
    pub bytes_in: u64,
    /// Records read, bad ones included.
    pub records_in: u64,
    /// Rows written to sinks.
    pub rows_out: u64,
    /// Records, or result rows, that were bad.
    pub bad_records: u64,
    /// Records that came too late for some or all of their windows.
    pub late_records: u64,
}

impl Add for Seen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in + other.bytes_in,
            records_in: self.records_in + other.records_in,
            rows_out: self.rows_out + other.rows_out,
            bad_records: self.bad_records + other.bad_records,
            late_records: self.late_records + other.late_records,
        }
    }
}

/// Records that came too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateCounts {
    /// For every window they lie in, so that they are in no result.
    pub lost: u64,
    /// For some of their windows only.
    pub partly: u64,
}

impl Statistics {
    /// Records that came too late for some or all of their windows.
    #[must_use]
    pub fn late_count(&self) -> u64 {
        self.late.values().map(|counts| counts.lost + counts.partly).sum()
    }

    /// Of what is over, for whoever watches.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            bytes_in: self.bytes_in,
            records_in: self.records_in,
            rows_out: self.rows_out,
            bad_records: self.bad_records,
            late_records: self.late_count(),
        }
    }

    /// Adds another pipeline's counts to these.
    pub fn add(&mut self, other: &Self) {
        self.records_in += other.records_in;
        self.bytes_in += other.bytes_in;
        self.rows_out += other.rows_out;
        self.bytes_out += other.bytes_out;
        self.bad_records += other.bad_records;
        for (what, counts) in &other.late {
            let sum = self.late.entry(what.clone()).or_default();
            sum.lost += counts.lost;
            sum.partly += counts.partly;
        }
        for (source, &(count, first)) in &other.far_ahead {
            let sum = self.far_ahead.entry(source.clone()).or_insert((0, first));
            *sum = (sum.0 + count, sum.1.min(first));
        }
        for (what, &(count, first)) in &other.left_out {
            let sum = self.left_out.entry(what.clone()).or_insert((0, first));
            *sum = (sum.0 + count, sum.1.min(first));
        }
        self.group_count += other.group_count;
        self.state_bytes += other.state_bytes;
        self.busy += other.busy;
        self.checksum = match (self.checksum, other.checksum) {
            (Some(one), Some(another)) => Some(one.wrapping_add(another)),
            (one, another) => one.or(another),
        };
        self.batch_latency_ns.add(&other.batch_latency_ns);
    }
}
