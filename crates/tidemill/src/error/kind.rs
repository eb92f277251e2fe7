//! Kinds of failure.

use tidemill_aggregate::AggregateError;
use tidemill_control::ControlError;
use tidemill_pipeline::PipelineError;
use tidemill_sink::SinkError;
use tidemill_source::SourceError;

use super::Cause;

/// What kind of failure an [`Error`](crate::Error) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The SQL is wrong.
    Sql,
    /// A setting, a registration or an argument is wrong.
    Usage,
    /// Input is not there.
    NotFound,
    /// Input cannot be read, is damaged, or is not what it is declared to be.
    Input,
    /// A record is bad, and `bad.records` is `fail`.
    BadRecord,
    /// A total does not fit its type.
    Overflow,
    /// More would have to be held than the memory budget allows.
    Memory,
    /// Results cannot be written or published.
    Output,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// The state directory cannot be used, or what stands in it.
    State,
    /// Cores or the I/O backend cannot be had.
    Runtime,
    /// A source of the embedding program failed: its error is the [source](std::error::Error::source).
    RegisteredSource,
    /// A sink of the embedding program failed: its error is the source.
    RegisteredSink,
    /// A function of the embedding program is wrong.
    Function,
    /// The engine, or what it called, panicked.
    Panicked,
    /// It was asked to end at once.
    Aborted,
}

impl Cause {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Sql { .. } => ErrorKind::Sql,
            Self::Usage(_) => ErrorKind::Usage,
            Self::Named { error, .. } => error.kind(),
            Self::Source(error) => of_source(error),
            Self::Format { .. } => ErrorKind::Input,
            Self::Runtime(_) => ErrorKind::Runtime,
            Self::Sink(error) => of_sink(error),
            Self::State(_) => ErrorKind::State,
            Self::Run { error, .. } => match error {
                ControlError::Core(_) => ErrorKind::Runtime,
                ControlError::Pipeline { error, .. } | ControlError::Publish(error) => {
                    of_pipeline(error)
                }
                ControlError::Memory { .. } => ErrorKind::Memory,
                ControlError::Panicked { .. } => ErrorKind::Panicked,
                ControlError::Checkpoint(_) => ErrorKind::State,
                ControlError::Aborted => ErrorKind::Aborted,
                ControlError::Keys { .. }
                | ControlError::Split { .. }
                | ControlError::SplitTimes { .. } => ErrorKind::Input,
            },
        }
    }
}

fn of_pipeline(error: &PipelineError) -> ErrorKind {
    match error {
        PipelineError::Source(error) => of_source(error),
        PipelineError::Format(_) => ErrorKind::Input,
        PipelineError::Expr(_) => ErrorKind::Sql,
        PipelineError::Function(_) => ErrorKind::Function,
        PipelineError::Aggregate(AggregateError::SumOverflow { .. }) => ErrorKind::Overflow,
        PipelineError::Aggregate(AggregateError::Unsupported { .. }) => ErrorKind::Sql,
        PipelineError::Aggregate(AggregateError::Function(_)) => ErrorKind::Function,
        PipelineError::Aggregate(_) | PipelineError::InputTooLarge { .. } => ErrorKind::Memory,
        PipelineError::Sink(error) => of_sink(error),
        PipelineError::Resume(_) => ErrorKind::State,
        PipelineError::BadRecord { .. } => ErrorKind::BadRecord,
    }
}

fn of_source(error: &SourceError) -> ErrorKind {
    match error {
        SourceError::NotFound { .. }
        | SourceError::DanglingLink { .. }
        | SourceError::NoFiles { .. } => ErrorKind::NotFound,
        SourceError::Registered { .. } | SourceError::Host { .. } => ErrorKind::RegisteredSource,
        SourceError::Image { .. } | SourceError::NotResumable { .. } => ErrorKind::State,
        _ => ErrorKind::Input,
    }
}

fn of_sink(error: &SinkError) -> ErrorKind {
    match error {
        SinkError::Closed => ErrorKind::OutputClosed,
        SinkError::Registered { .. } => ErrorKind::RegisteredSink,
        _ => ErrorKind::Output,
    }
}
