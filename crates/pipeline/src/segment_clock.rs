//! When a file of input without end is to become visible, whatever its length.

use std::time::{Duration, Instant};

use tidemill_sink::OutputDirectory;

/// Counts from the first row of a segment, so that no row waits for longer than the interval, and a segment
/// without rows is not closed.
pub(crate) struct SegmentClock {
    /// `None` where the clock decides nothing.
    interval: Option<Duration>,
    closes_at: Option<Instant>,
}

impl SegmentClock {
    /// Only segments of a live directory are published one by one.
    pub(crate) fn new(directory: Option<&OutputDirectory>, interval: Option<Duration>) -> Self {
        let is_of_segments =
            |directory: &OutputDirectory| directory.is_live() && !directory.is_one_file();
        let interval = interval.filter(|_| directory.is_some_and(is_of_segments));
        Self { interval, closes_at: None }
    }

    /// The current segment has a row.
    pub(crate) fn begin(&mut self) {
        if let (Some(interval), None) = (self.interval, self.closes_at) {
            self.closes_at = tidemill_rt::now().checked_add(interval);
        }
    }

    /// The current segment has been closed.
    pub(crate) fn end(&mut self) {
        self.closes_at = None;
    }

    /// When the current segment is to be closed; `None` as long as it has no row.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        self.closes_at
    }

    /// Milliseconds until the current segment is to be closed; `None` as long as it has no row.
    pub(crate) fn export(&self) -> Option<u64> {
        let left = self.closes_at?.saturating_duration_since(tidemill_rt::now());
        Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    /// Goes on with a segment that is to be closed so much later. Time in which nobody ran does not count, and what is waited
    /// for is never longer than the interval.
    pub(crate) fn import(&mut self, left_ms: Option<u64>) {
        if let (Some(interval), Some(left_ms)) = (self.interval, left_ms) {
            let left = Duration::from_millis(left_ms).min(interval);
            self.closes_at = tidemill_rt::now().checked_add(left);
        }
    }

    /// Whether it is time, once a segment.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        self.closes_at.take_if(|closes_at| *closes_at <= now).is_some()
    }
}
