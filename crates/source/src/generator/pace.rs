//! When the rows of a partition are due, for a source with a rate.

use std::time::Duration;

/// The rate of a whole source, and one partition's part in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Rows a second over all partitions, at least 1.
    rate: u64,
    partition: u64,
    partition_count: u64,
}

impl Pace {
    pub(super) fn new(rate: u64, partition: u32, partition_count: u32) -> Self {
        Self { rate, partition: partition.into(), partition_count: partition_count.into() }
    }

    /// Rows of this partition that are due so long after the start, those given included.
    ///
    /// The rows of the source go to the partitions by turns, so that their counts never differ by more
    /// than one. Time moves by whole milliseconds: rows that are due within one come together.
    pub(super) fn due_rows(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_millis().saturating_mul(u128::from(self.rate)) / 1000;
        let (count, after) = (self.partition_count, self.partition_count - 1 - self.partition);
        u64::try_from(due.saturating_add(u128::from(after)) / u128::from(count)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_turns() {
        let due = |rate, ms| -> Vec<u64> {
            (0..3).map(|n| Pace::new(rate, n, 3).due_rows(Duration::from_millis(ms))).collect()
        };
        assert_eq!(due(10, 0), [0, 0, 0]);
        assert_eq!(due(10, 99), [0, 0, 0]);
        assert_eq!(due(10, 100), [1, 0, 0]);
        assert_eq!(due(10, 200), [1, 1, 0]);
        assert_eq!(due(10, 1000), [4, 3, 3]);
        // Fewer a second than there are partitions: none is left out.
        assert_eq!(due(1, 5000), [2, 2, 1]);
        // 2,500,000 a second for 3,600 s and a millisecond.
        assert_eq!(due(2_500_000, 3_600_001), [3_000_000_834, 3_000_000_833, 3_000_000_833]);
    }

    #[test]
    fn time_moves_by_milliseconds() {
        let pace = Pace::new(1_000_000, 0, 1);
        assert_eq!(pace.due_rows(Duration::from_nanos(1_999_999)), 1000);
        assert_eq!(pace.due_rows(Duration::from_nanos(2_000_000)), 2000);
        assert_eq!(Pace::new(u64::MAX, 0, 1).due_rows(Duration::MAX), u64::MAX);
    }
}
