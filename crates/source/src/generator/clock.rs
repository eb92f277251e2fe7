//! Event times: evenly spaced, then displaced backwards as the options say.
//!
//! Which rows are late for a watermark with a delay of the disorder is decided here, for every
//! arrangement of the rows. Let `e(r)` be the evenly spaced time of row `r`, which never falls, `D`
//! the disorder, and `W(r)` the watermark as row `r` arrives: the greatest time before it, less `D`.
//! - A row in time lies in `[e(r) - D, e(r)]`. No row lies behind its own `e`, so `W(r) <= e(r) - D`:
//!   it is not late.
//! - The first of every [`ANCHOR_ROWS`] rows is in time. A late row takes that one, `a`, of the rows
//!   before it, and lies a minute or more behind `e(a) - 2D`. As `W(r) >= e(a) - 2D`, it is late, and a
//!   minute more than that: late for every tumbling window of a minute, too.

use super::random::{Stream, scale};

/// 2024-01-01T00:00:00Z, in milliseconds since the Unix epoch.
const START_MS: i64 = 1_704_067_200_000;

/// Records a millisecond of event time, over the whole source.
const RECORDS_PER_MS: u128 = 20;

/// How far behind the watermark late records are displaced at least, in milliseconds: one to ten
/// minutes.
const LATE_MS: (u64, u64) = (60_000, 600_000);

/// The first of so many rows is never late. A power of two.
const ANCHOR_ROWS: u64 = 1024;

/// Event times of one partition's rows, in whole milliseconds, so that no text format loses any.
#[derive(Debug)]
pub(super) struct Clock {
    /// Milliseconds of event time a row, times 2^40.
    step: u128,
    disorder_ms: u64,
    /// A random number below this makes a row late; `None` for none.
    late_below: Option<u64>,
    shuffle: Stream,
    lateness: Stream,
}

impl Clock {
    /// `row_count` rows over the whole source; this partition has `own_count` of them, and stops
    /// halfway if it falls idle.
    pub(super) fn new(
        (row_count, own_count): (u64, u64),
        is_idle: bool,
        disorder_ms: u64,
        late_fraction: f64,
        streams: (Stream, Stream),
    ) -> Self {
        let half = if is_idle { 2 } else { 1 };
        let divisor = u128::from(own_count.max(1)) * RECORDS_PER_MS * half;
        // Rounded up, so that a row that begins a millisecond is not counted to the one before.
        let step = (u128::from(row_count) << 40).div_ceil(divisor);
        // A multiple of 2^-53 of all numbers, which is as fine as a fraction is.
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^53")]
        #[expect(clippy::cast_sign_loss, reason = "a fraction is not negative")]
        let late_part = (late_fraction * 9_007_199_254_740_992.0) as u64;
        let late_below = match late_part {
            0 => None,
            // All but one in 2^64.
            part if part >= 1 << 53 => Some(u64::MAX),
            part => Some(part << 11),
        };
        Self { step, disorder_ms, late_below, shuffle: streams.0, lateness: streams.1 }
    }

    /// Whether a row is late.
    #[inline]
    pub(super) fn is_late(&self, row: u64) -> bool {
        self.late_below
            .is_some_and(|below| !row.is_multiple_of(ANCHOR_ROWS) && self.lateness.at(row) < below)
    }

    /// Whether any row can be late.
    pub(super) fn has_late(&self) -> bool {
        self.late_below.is_some()
    }

    /// Event time of a row, in microseconds since the Unix epoch.
    #[inline]
    pub(super) fn event_time_us(&self, row: u64) -> i64 {
        let (mut elapsed, mut behind) = (self.elapsed_ms(row), 0);
        if self.is_late(row) {
            let (least, most) = LATE_MS;
            elapsed = self.elapsed_ms(row - row % ANCHOR_ROWS);
            behind = 2 * self.disorder_ms + least + scale(self.shuffle.at(row), most - least + 1);
        } else if self.disorder_ms > 0 {
            behind = scale(self.shuffle.at(row), self.disorder_ms + 1);
        }
        (START_MS + elapsed.cast_signed() - behind.cast_signed()) * 1000
    }

    /// Evenly spaced time of a row, in milliseconds since the first.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "row * step / 2^40 is at most 2^64 / 20")]
    fn elapsed_ms(&self, row: u64) -> u64 {
        ((u128::from(row) * self.step) >> 40) as u64
    }
}
