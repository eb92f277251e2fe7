//! When the rows of a partition are due, for a source with a rate.

use std::time::Duration;

/// The rate of a whole source, and one partition's part in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Rows a second over all partitions, at least 1.
    rate: u64,
    partition: u64,
    partition_count: u64,
}

impl Pace {
    pub(crate) fn new(rate: u64, partition: u32, partition_count: u32) -> Self {
        Self { rate, partition: partition.into(), partition_count: partition_count.into() }
    }

    /// How long after the start more rows are due than so many: whole milliseconds.
    pub(crate) fn due_after(&self, row_count: u64) -> Duration {
        // The least `ms` of which `due_rows` is more.
        let after = u128::from(self.partition_count - 1 - self.partition);
        let wanted = (u128::from(row_count) + 1) * u128::from(self.partition_count) - after;
        let ms = (wanted * 1000).div_ceil(u128::from(self.rate));
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Rows of this partition that are due so long after the start, those given included.
    ///
    /// The rows of the source go to the partitions by turns, so that their counts never differ by more
    /// than one. Time moves by whole milliseconds: rows that are due within one come together.
    pub(crate) fn due_rows(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_millis().saturating_mul(u128::from(self.rate)) / 1000;
        let (count, after) = (self.partition_count, self.partition_count - 1 - self.partition);
        u64::try_from(due.saturating_add(u128::from(after)) / u128::from(count)).unwrap_or(u64::MAX)
    }
}

/// How long a source had been read when the last of so many rows was due; those that follow are due as if it had been
/// read ever since.
pub(crate) fn elapsed_before(pace: Option<&Pace>, row_count: u64) -> Duration {
    match (pace, row_count.checked_sub(1)) {
        (Some(pace), Some(last)) => pace.due_after(last),
        _ => Duration::ZERO,
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
    fn the_next_rows_are_due_at_the_least_time_that_has_more() {
        for (rate, partition_count) in
            [(1, 1), (1, 3), (7, 2), (999, 5), (100_000, 3), (3_000_000, 64)]
        {
            for partition in [0, partition_count - 1] {
                let pace = Pace::new(rate, partition, partition_count);
                for row_count in [0, 1, 2, 17, 1000] {
                    let after = pace.due_after(row_count);
                    assert!(pace.due_rows(after) > row_count, "{pace:?} {row_count}");
                    let before = after - Duration::from_millis(1);
                    assert!(pace.due_rows(before) <= row_count, "{pace:?} {row_count}");
                }
            }
        }
    }

    #[test]
    fn time_moves_by_milliseconds() {
        let pace = Pace::new(1_000_000, 0, 1);
        assert_eq!(pace.due_rows(Duration::from_nanos(1_999_999)), 1000);
        assert_eq!(pace.due_rows(Duration::from_nanos(2_000_000)), 2000);
        assert_eq!(Pace::new(u64::MAX, 0, 1).due_rows(Duration::MAX), u64::MAX);
    }
}
