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
            self.closes_at = Instant::now().checked_add(interval);
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

    /// Whether it is time, once a segment.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        self.closes_at.take_if(|closes_at| *closes_at <= now).is_some()
    }
}
