//! What a program can ask of an [`Error`].

use std::path::Path;

use tidemill_control::ControlError;
use tidemill_sql::SqlError;

use super::{Cause, Error, ErrorKind};

impl Error {
    /// What kind of failure it is, for a program to decide by.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }

    /// What is wrong with the SQL, where that is what it is: each with its place in the script. Their
    /// [spans](SqlError::span) are bytes of the piece of SQL that the text names.
    #[must_use]
    pub fn findings(&self) -> &[SqlError] {
        match &*self.cause {
            Cause::Sql { errors, .. } => &errors.0,
            _ => &[],
        }
    }

    /// The query that failed: the name of its sink. `None` where none had begun.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        match &*self.cause {
            Cause::Run {
                error:
                    ControlError::Pipeline { query, .. }
                    | ControlError::Memory { query, .. }
                    | ControlError::Panicked { query, .. }
                    | ControlError::Keys { query, .. },
                ..
            } => Some(query),
            _ => None,
        }
    }

    /// The partition of the input that was being read, or that has the record at fault.
    #[must_use]
    pub fn partition(&self) -> Option<u32> {
        self.cause.position().map(|position| position.partition.0)
    }

    /// The offset of the record at fault; of what is no record's fault that of the last one that was taken in. The byte
    /// it starts at in a text, else the number of the row.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.cause.position().map(|position| position.offset.0)
    }

    /// The file or directory that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.cause.path()
    }

    /// The line of the file at [`Self::path`] in which the record at fault stands, from 1, where that is a text.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match &*self.cause {
            Cause::Run { place, .. } => place.as_ref()?.line,
            _ => None,
        }
    }

    /// Whether the script or the arguments are at fault, rather than what happened while running.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(*self.cause, Cause::Sql { .. } | Cause::Usage(_))
    }

    /// Whether the job ended only because nobody reads its standard output any more (`| head`). That
    /// is no failure of a job that [prints only](crate::Job::only_prints); the files of another are
    /// missing.
    #[must_use]
    pub fn is_output_closed(&self) -> bool {
        self.kind() == ErrorKind::OutputClosed
    }

    /// Whether the job ended only because it was [asked to](crate::StopFlag::abort) end at once.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.kind() == ErrorKind::Aborted
    }
}
