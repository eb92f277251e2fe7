//! Event time and the watermark that bounds it.

/// When a record happened, from the record: microseconds since the Unix epoch, UTC. Negative
/// before 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// Assumed lower bound on the event times a partition has yet to deliver. Only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watermark(pub EventTime);
