//! Event time: when a record happened.

/// When a record happened, from the record: microseconds since the Unix epoch, UTC. Negative
/// before 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);
