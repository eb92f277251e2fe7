//! Why a job ended before its input did.

use std::error::Error;
use std::fmt;

use tidemill_checkpoint::CheckpointError;
use tidemill_pipeline::{Held, PipelineError};
use tidemill_record::{PartitionId, Position, harmless};
use tidemill_rt::RtError;

use crate::SharedKeys;

/// Why a job ended before its input did. Nothing that it wrote to files is visible but segments of input without
/// end that were published before.
#[derive(Debug)]
pub enum ControlError {
    /// A core could not be started, or ended by itself.
    Core(RtError),
    /// A pipeline failed.
    Pipeline {
        /// The sink of its query.
        query: String,
        /// Its source; empty for a gather.
        source: String,
        /// The last record it had taken in.
        position: Position,
        /// Why.
        error: Box<PipelineError>,
    },
    /// A pipeline would hold more memory than there is for the queries that run together.
    Memory {
        /// The sink of its query.
        query: String,
        /// Its source; empty for a gather.
        source: String,
        /// The last record it had taken in.
        position: Position,
        /// Bytes that all pipelines may hold together.
        budget_bytes: u64,
        /// Bytes that this one would hold.
        wanted_bytes: u64,
        /// Bytes that the others hold, and may come to hold in turns that go on.
        elsewhere_bytes: u64,
        /// What holds most of it.
        most: Held,
    },
    /// A pipeline panicked: a bug in Tidemill or in a registered function.
    Panicked {
        /// The sink of its query.
        query: String,
        /// Its source; empty for a gather.
        source: String,
        /// The last record it had taken in.
        position: Position,
        /// What it said.
        message: String,
    },
    /// A checkpoint could not be made, or cannot be gone on from.
    Checkpoint(Box<CheckpointError>),
    /// It was asked to end at once.
    Aborted,
    /// Files that were whole could not be made visible while the job ran.
    Publish(Box<PipelineError>),
    /// Keys stand in several partitions, although their source declares that none do: groups that were taken
    /// for whole are not.
    Keys {
        /// The sink of the query.
        query: String,
        /// The source.
        source: String,
        /// The columns that it declares.
        columns: String,
        /// Each pair of partitions that share keys, in order; at least one.
        pairs: Vec<SharedKeys>,
    },
    /// A byte range of a file does not end where the next begins: a quoted field holds the newline
    /// that the cut was made at.
    Split {
        /// The source.
        source: String,
        /// Where a range said its last record ends.
        ends_at: u64,
        /// Where the next said its first record begins.
        next_begins_at: u64,
    },
    /// Event times of a piece of a file lie behind the watermark of those before, or far ahead of it, so that only
    /// who reads the file from front to back knows which records are late.
    SplitTimes {
        /// The source.
        source: String,
        /// The piece.
        partition: PartitionId,
    },
}

impl ControlError {
    /// Whether the queries may succeed where each file is read from front to back, as one partition. Nothing of them
    /// has been printed then.
    #[must_use]
    pub fn is_by_splits(&self) -> bool {
        matches!(self, Self::Split { .. } | Self::SplitTimes { .. })
    }

    pub(crate) fn checkpoint(error: CheckpointError) -> Self {
        Self::Checkpoint(Box::new(error))
    }

    /// Whether it is a record of the input.
    #[must_use]
    pub fn is_bad_record(&self) -> bool {
        matches!(self, Self::Pipeline { error, .. } if matches!(**error, PipelineError::BadRecord { .. }))
    }

    /// Whether a pipeline that reads a source, and merges nothing, would have held too much.
    #[must_use]
    pub fn is_memory_of_scan(&self) -> bool {
        matches!(self, Self::Memory { source, .. } if !source.is_empty())
    }
}

impl ControlError {
    /// Whether it happened only because another pipeline had failed.
    pub(crate) fn is_consequence(&self) -> bool {
        matches!(self, Self::Pipeline { error, .. } if error.is_consequence())
    }
}

impl ControlError {
    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Memory { budget_bytes, wanted_bytes, elsewhere_bytes, most, .. } = self else {
            return Ok(());
        };
        write!(f, ": it needs {wanted_bytes} bytes here")?;
        if *elsewhere_bytes > 0 {
            write!(f, " beside {elsewhere_bytes} of other pipelines")?;
        }
        write!(f, ", and the budget is {budget_bytes}; most of it is {}", most.what)?;
        write!(f, ", {} bytes", most.bytes)?;
        if most.groups > 0 {
            write!(f, " for {} groups or rows", most.groups)?;
        }
        f.write_str(
            "; set a larger memory.budget (--memory), or keep less: fewer groups, shorter windows, a \
             LIMIT behind ORDER BY",
        )
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(_) => f.write_str("cannot run on the chosen cores"),
            // A bad record has an address of its own.
            Self::Pipeline { query, error, .. }
                if matches!(**error, PipelineError::BadRecord { .. }) =>
            {
                write!(f, "query {query} failed")
            }
            Self::Pipeline { query, source, position, .. } => {
                write!(f, "query {query} failed")?;
                write_place(f, source, *position)
            }
            Self::Memory { query, source, position, .. } => {
                write!(f, "query {query} ran out of its memory budget")?;
                write_place(f, source, *position)?;
                self.write_memory(f)
            }
            Self::Panicked { query, source, position, message } => {
                write!(f, "query {query} panicked")?;
                write_place(f, source, *position)?;
                write!(f, ": {message}; this is a bug in Tidemill or in a registered function")
            }
            Self::Checkpoint(error) => write!(f, "{error}"),
            Self::Aborted => f.write_str("the job was ended before it had come to an end"),
            Self::Publish(_) => f.write_str("a segment cannot be published"),
            Self::Keys { query, source, columns, pairs } => {
                f.write_str(&shared_text(query, source, columns, &pairs[0]))?;
                if let more @ 1.. = pairs.len() - 1 {
                    write!(f, "; {more} more pair(s) of partitions share some")?;
                }
                f.write_str(
                    "; correct the declaration or the input, or set 'partition.audit' = 'warn' for the source to \
                     go on all the same",
                )
            }
            Self::Split { source, ends_at, next_begins_at } => write!(
                f,
                "{source} cannot be read as several splits: a record ends at byte {ends_at} where \
                 the next split begins at byte {next_begins_at}, so a quoted field holds a line \
                 break; set 'splits' = '1' for this source"
            ),
            Self::SplitTimes { source, partition } => write!(
                f,
                "{source} cannot be read as several splits: event times of {partition} are behind the \
                 watermark of those before, or far ahead; set 'splits' = '1' for this source"
            ),
        }
    }
}

/// That two partitions share keys, and what that does to a query.
pub(crate) fn shared_text(query: &str, source: &str, columns: &str, pair: &SharedKeys) -> String {
    let SharedKeys { owner, other, count, key } = pair;
    let values = if *count == 1 { "value" } else { "values" };
    // A text of the input makes no lines of its own.
    let key = key.as_deref().map(|key| harmless(key, &[]));
    let example = match (key, count) {
        (None, _) => String::new(),
        (Some(key), 1) => format!(", {key},"),
        (Some(key), _) => format!(", such as {key},"),
    };
    let stand = if *count == 1 { "stands" } else { "stand" };
    format!(
        "{source} is declared PARTITIONED BY ({columns}), but {count} {values} of {columns}{example} {stand} in \
         partition {owner} and in partition {other}, so that groups of query {query} are not whole"
    )
}

fn write_place(f: &mut fmt::Formatter<'_>, source: &str, position: Position) -> fmt::Result {
    if source.is_empty() {
        return f.write_str(" in its gather");
    }
    write!(f, " at {source}, {position}")
}

impl Error for ControlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Core(error) => Some(error),
            Self::Checkpoint(error) => error.source(),
            Self::Pipeline { error, .. } | Self::Publish(error) => Some(&**error),
            Self::Memory { .. }
            | Self::Panicked { .. }
            | Self::Aborted
            | Self::Keys { .. }
            | Self::Split { .. }
            | Self::SplitTimes { .. } => None,
        }
    }
}
