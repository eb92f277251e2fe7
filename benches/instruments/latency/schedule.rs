//! When records are due, fixed before the first one is sent.

use std::time::{Duration, Instant};

/// Record i is due at the start plus i / rate, whatever became of the records before it. Latency counts from
/// there: where the sender or the job falls behind, the wait of every record that was due meanwhile is seen
/// (Gil Tene's "coordinated omission").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    /// Records a second, at least 1.
    pub(crate) rate: u64,
    /// Records in all, at least 1.
    pub(crate) record_count: u64,
}

impl Schedule {
    /// Nanoseconds from the start until a record is due.
    pub(crate) fn due_ns(&self, record: u64) -> u64 {
        let nanos = u128::from(record) * 1_000_000_000 / u128::from(self.rate);
        u64::try_from(nanos).expect("no schedule lasts for 584 years")
    }

    /// How many records are due so long after the start.
    pub(crate) fn due_count(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.record_count)
    }

    /// Nanoseconds since the start; 0 before it.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        let nanos = Instant::now().saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanos).expect("no schedule lasts for 584 years")
    }
}
