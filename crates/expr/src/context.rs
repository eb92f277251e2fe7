//! What an expression may know beside its row.

use tidemill_record::EventTime;

/// What every expression of a job shares; the same for every record, so results do not depend on
/// when a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// What `NOW()` yields: when the job started.
    pub job_start: EventTime,
}
