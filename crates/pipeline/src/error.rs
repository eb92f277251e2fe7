//! Why a pipeline ended before its input did.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tidemill_aggregate::AggregateError;
use tidemill_expr::{ExprError, FunctionError};
use tidemill_format::FormatError;
use tidemill_record::{BadRecord, ImageError, PartitionId};
use tidemill_sink::SinkError;
use tidemill_source::SourceError;

/// Why a pipeline ended before its input did. The caller adds which query and partition.
#[derive(Debug)]
pub enum PipelineError {
    /// Reading failed.
    Source(SourceError),
    /// Input as a whole (not one record of it) does not decode, or results do not encode.
    Format(FormatError),
    /// An expression cannot be compiled.
    Expr(ExprError),
    /// A function of the embedding program is wrong.
    Function(Arc<FunctionError>),
    /// A table passed its budget or a sum its type.
    Aggregate(AggregateError),
    /// Writing failed.
    Sink(SinkError),
    /// What a checkpoint holds cannot be made again.
    Resume(ImageError),
    /// A row group or message does not fit the memory of the query: it is read as a whole.
    InputTooLarge {
        /// Its bytes.
        bytes: u64,
        /// Bytes that it may have.
        bytes_max: u64,
    },
    /// A record is bad, and `bad.records` is `fail`.
    BadRecord {
        /// The source; empty for a gather.
        source: String,
        /// Its partition.
        partition: PartitionId,
        /// The record.
        record: Box<BadRecord>,
    },
}

impl PipelineError {
    /// Whether this pipeline ended only because another one had failed: that other failure is the
    /// one to report.
    #[must_use]
    pub fn is_consequence(&self) -> bool {
        matches!(self, Self::Sink(SinkError::Aborted))
    }

    /// If memory was refused within a turn: how many bytes too many were to be held.
    #[must_use]
    pub fn missing_bytes(&self) -> Option<u64> {
        match self {
            Self::Aggregate(
                AggregateError::BudgetExceeded { state_bytes, budget_bytes, .. }
                | AggregateError::RowBudgetExceeded { state_bytes, budget_bytes, .. },
            ) => Some(state_bytes.saturating_sub(*budget_bytes)),
            Self::InputTooLarge { bytes, bytes_max } => Some(bytes.saturating_sub(*bytes_max)),
            _ => None,
        }
    }
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(_) => f.write_str("cannot read"),
            Self::Format(_) => f.write_str("cannot decode or encode"),
            Self::Expr(_) => f.write_str("cannot prepare an expression"),
            Self::Function(_) => f.write_str("cannot compute"),
            Self::Aggregate(_) => f.write_str("cannot keep the groups"),
            Self::Sink(_) => f.write_str("cannot write"),
            Self::Resume(_) => f.write_str("cannot go on from the checkpoint"),
            Self::InputTooLarge { bytes, .. } => {
                write!(f, "a row group or message of {bytes} bytes is read as a whole")
            }
            Self::BadRecord { source, partition, record } => {
                if source.is_empty() {
                    f.write_str("a result row of the gather is bad")?;
                } else {
                    let offset = record.offset;
                    write!(f, "bad record in {source}, partition {partition}, offset {offset}")?;
                }
                if let Some(field) = &record.field {
                    write!(f, ", field {field}")?;
                }
                write!(f, ": {}", record.reason)?;
                if let Some(sample) = record.sample() {
                    write!(f, "; the record: {sample}")?;
                }
                f.write_str(
                    "; set 'bad.records' to 'skip' or 'dead_letter' to go on past such records",
                )
            }
        }
    }
}

impl Error for PipelineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Format(error) => Some(error),
            Self::Expr(error) => Some(error),
            Self::Function(error) => Some(&**error),
            Self::Aggregate(error) => Some(error),
            Self::Sink(error) => Some(error),
            Self::Resume(error) => Some(error),
            Self::InputTooLarge { .. } | Self::BadRecord { .. } => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),+ $(,)?) => {
        $(impl From<$error> for PipelineError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

from!(
    Source(SourceError),
    Format(FormatError),
    Expr(ExprError),
    Aggregate(AggregateError),
    Sink(SinkError),
);

/// Why a step cannot go on.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Its table.
    Table(AggregateError),
    /// A function that it calls.
    Function(Arc<FunctionError>),
}

impl StepError {
    /// Whether nobody knows which of the other rows would have been wanted: whether a limit behind it would have been
    /// full before a row that is bad.
    pub(crate) fn is_before_all(&self) -> bool {
        match self {
            Self::Table(error) => error.is_of_memory(),
            Self::Function(_) => true,
        }
    }
}

impl From<AggregateError> for StepError {
    fn from(error: AggregateError) -> Self {
        Self::Table(error)
    }
}

impl From<Arc<FunctionError>> for StepError {
    fn from(error: Arc<FunctionError>) -> Self {
        Self::Function(error)
    }
}

impl From<StepError> for PipelineError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Table(error) => Self::Aggregate(error),
            StepError::Function(error) => Self::Function(error),
        }
    }
}
