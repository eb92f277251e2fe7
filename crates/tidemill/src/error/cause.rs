//! What an [`Error`] is made of: the errors of the crates below, and the texts that they make together.

use std::error;
use std::iter;
use std::path::{Path, PathBuf};

use tidemill_aggregate::AggregateError;
use tidemill_checkpoint::CheckpointError;
use tidemill_control::ControlError;
use tidemill_expr::{ExprError, FunctionError};
use tidemill_format::FormatError;
use tidemill_pipeline::PipelineError;
use tidemill_record::{ImageError, Position, harmless};
use tidemill_rt::RtError;
use tidemill_sink::SinkError;
use tidemill_source::SourceError;
use tidemill_sql::SqlErrors;

use super::{Error, Place};

/// Why a script was refused or a job failed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The SQL is wrong: every finding, rendered with line, column and caret, and as data.
    Sql { rendered: String, errors: SqlErrors },
    /// A setting, a registration or an argument is wrong.
    Usage(String),
    /// Something that a script names, and where it does: script, line and column.
    Named { error: Error, place: String },
    /// The input cannot be found or looked at.
    Source(SourceError),
    /// The head or footer of a file cannot be understood.
    Format { path: PathBuf, error: FormatError },
    /// The chosen cores or I/O backend cannot be had.
    Runtime(RtError),
    /// A sink cannot be prepared or published.
    Sink(SinkError),
    /// The state directory cannot be used, or what stands in it.
    State(CheckpointError),
    /// The job failed while running. Nothing that it wrote to files is visible.
    Run { error: ControlError, place: Option<Place> },
}

impl Cause {
    /// The first of its own, without those below.
    fn head(&self) -> String {
        match self {
            Self::Sql { rendered, .. } => rendered.trim_end().to_owned(),
            Self::Usage(message) => message.clone(),
            Self::Named { error, .. } => error.cause.head(),
            Self::Source(_) => "cannot use the input".to_owned(),
            Self::Format { path, .. } => format!("cannot use {}", path.display()),
            Self::Runtime(_) => "cannot start".to_owned(),
            Self::Sink(_) => "cannot use the sink".to_owned(),
            Self::State(error) => error.to_string(),
            Self::Run { error, .. } => error.to_string(),
        }
    }

    /// The errors below, the nearest first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &(dyn error::Error + 'static)> {
        let first: Option<&(dyn error::Error + 'static)> = match self {
            Self::Sql { .. } | Self::Usage(_) => None,
            Self::Named { error, .. } => {
                return Box::new(error.cause.chain()) as Box<dyn Iterator<Item = _>>;
            }
            Self::Source(error) => Some(error),
            Self::Format { error, .. } => Some(error),
            Self::Runtime(error) => Some(error),
            Self::Sink(error) => Some(error),
            // Their texts are the first of its own.
            Self::State(error) => error::Error::source(error),
            Self::Run { error, .. } => error::Error::source(error),
        };
        Box::new(iter::successors(first, |error| error.source()))
    }

    /// Its text: all that the engine has to say, without where.
    pub(crate) fn text(&self) -> String {
        let mut text = match self {
            // What is wrong with a script is shown with its lines.
            Self::Sql { .. } | Self::Usage(_) => self.head(),
            _ => harmless(&self.head(), &[]).into_owned(),
        };
        for error in self.chain().take_while(|error| is_own(*error)) {
            text.push_str(": ");
            // Names and values that others chose stand in it, and make no lines of their own.
            text.push_str(&harmless(&error.to_string(), &[]));
        }
        text
    }

    /// Where it happened, for people.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Self::Run { place, .. } => place.as_ref().map(|place| place.text.as_str()),
            Self::Named { place, .. } => Some(place),
            _ => None,
        }
    }

    /// The record at fault, or the last one that was taken in.
    pub(crate) fn position(&self) -> Option<Position> {
        let Self::Run { error, .. } = self else { return None };
        match error {
            ControlError::Pipeline { error, position, source, .. } => match &**error {
                PipelineError::BadRecord { partition, record, source } if !source.is_empty() => {
                    Some(Position { partition: *partition, offset: record.offset })
                }
                _ => (!source.is_empty()).then_some(*position),
            },
            ControlError::Memory { source, position, .. }
            | ControlError::Panicked { source, position, .. } => {
                (!source.is_empty()).then_some(*position)
            }
            _ => None,
        }
    }

    /// The file or directory that it is about.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Named { error, .. } => return error.path(),
            Self::Format { path, .. } => return Some(path),
            Self::Run { place: Some(Place { path: Some(path), .. }), .. } => return Some(path),
            _ => {}
        }
        let state = match self {
            Self::State(error) => Some(error.path()),
            Self::Run { error: ControlError::Checkpoint(error), .. } => Some(error.path()),
            _ => None,
        };
        let below = || {
            self.chain().find_map(|error| {
                let source = error.downcast_ref::<SourceError>().and_then(SourceError::path);
                let sink = || error.downcast_ref::<SinkError>().and_then(SinkError::path);
                let file = || error.downcast_ref::<RtError>().and_then(RtError::path);
                source.or_else(sink).or_else(file)
            })
        };
        state.or_else(below)
    }
}

/// Whether it is one of the engine, whose text stands in that of the whole.
pub(crate) fn is_own(error: &(dyn error::Error + 'static)) -> bool {
    error.is::<PipelineError>()
        || error.is::<SourceError>()
        || error.is::<FormatError>()
        || error.is::<SinkError>()
        || error.is::<RtError>()
        || error.is::<AggregateError>()
        || error.is::<ExprError>()
        || error.is::<FunctionError>()
        || error.is::<ImageError>()
        || error.is::<CheckpointError>()
}
