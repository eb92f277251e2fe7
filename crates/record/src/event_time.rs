//! Event time: when a record happened, and how far its partition has come.

/// When a record happened, from the record: microseconds since the Unix epoch, UTC. Negative
/// before 1970.
///
/// A *watermark* is one too: of a partition it says that records of earlier event times are not
/// expected any more. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

impl EventTime {
    /// The watermark of a partition that has not spoken: nothing is late.
    pub const MIN: Self = Self(i64::MIN);
    /// The watermark of a partition that has ended: every window closes.
    pub const MAX: Self = Self(i64::MAX);
}
