//! Everything that can go wrong between a script and its results.

use std::error;
use std::fmt;
use std::path::PathBuf;

use tidemill_checkpoint::CheckpointError;
use tidemill_control::ControlError;
use tidemill_format::FormatError;
use tidemill_pipeline::PipelineError;
use tidemill_record::harmless;
use tidemill_rt::RtError;
use tidemill_sink::SinkError;
use tidemill_source::SourceError;
use tidemill_sql::SqlErrors;

/// Why a script was refused or a job failed.
#[derive(Debug)]
pub enum Error {
    /// The SQL is wrong. The text is rendered with line, column and caret.
    Sql {
        /// Every finding, ready to print.
        rendered: String,
        /// The same, as data.
        errors: SqlErrors,
    },
    /// A setting, a registration or an argument is wrong.
    Usage(String),
    /// Something that a script names.
    Named {
        /// What is wrong with it.
        error: Box<Self>,
        /// Where the script names it: script, line and column.
        place: String,
    },
    /// The input cannot be found or looked at.
    Source(SourceError),
    /// The head or footer of a file cannot be understood.
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: FormatError,
    },
    /// The chosen cores or I/O backend cannot be had.
    Runtime(RtError),
    /// A sink cannot be prepared or published.
    Sink(SinkError),
    /// The state directory cannot be used, or what stands in it.
    State(CheckpointError),
    /// The job failed while running. Nothing that it wrote to files is visible.
    Run {
        /// Why.
        error: Box<ControlError>,
        /// The file and line of the record at fault, where there is one.
        place: Option<String>,
    },
}

impl Error {
    /// Whether the script or the arguments are at fault, rather than what happened while running.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Named { error, .. } => error.is_usage(),
            _ => matches!(self, Self::Sql { .. } | Self::Usage(_)),
        }
    }

    /// Whether the input cannot be found or looked at.
    pub(crate) fn is_about_input(&self) -> bool {
        match self {
            Self::Named { error, .. } => error.is_about_input(),
            _ => matches!(self, Self::Source(_)),
        }
    }

    /// The same, with the place where a script names what it is about.
    pub(crate) fn named_at(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Source(_) | Self::Format { .. } => {
                Self::Named { error: Box::new(self), place: place() }
            }
            other => other,
        }
    }

    /// Whether the job ended only because nobody reads its standard output any more (`| head`). That
    /// is no failure of a job that [prints only](crate::Job::only_prints); the files of another are
    /// missing.
    #[must_use]
    pub fn is_output_closed(&self) -> bool {
        let Self::Run { error, .. } = self else { return false };
        let ControlError::Pipeline { error, .. } = &**error else { return false };
        matches!(&**error, PipelineError::Sink(error) if error.is_closed())
    }

    /// Whether the job ended only because it was [asked to](crate::RunningJob::abort) end at once.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Run { error, .. } if matches!(**error, ControlError::Aborted))
    }

    /// The message with all its causes, one after another.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = match self {
            // What is wrong with a script is shown with its lines.
            Self::Sql { .. } | Self::Usage(_) => self.to_string(),
            _ => harmless(&self.to_string(), &[]).into_owned(),
        };
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            // Names and values that others chose stand in it, and make no lines of their own.
            text.push_str(&harmless(&error.to_string(), &[]));
            cause = error.source();
        }
        if let Self::Run { place: Some(place), .. } | Self::Named { place, .. } = self {
            text.push_str("\n  at ");
            text.push_str(&harmless(place, &[]));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql { rendered, .. } => f.write_str(rendered.trim_end()),
            Self::Usage(message) => f.write_str(message),
            Self::Named { error, .. } => write!(f, "{error}"),
            Self::Source(_) => f.write_str("cannot use the input"),
            Self::Format { path, .. } => write!(f, "cannot use {}", path.display()),
            Self::Runtime(_) => f.write_str("cannot start"),
            Self::Sink(_) => f.write_str("cannot use the sink"),
            Self::State(error) => write!(f, "{error}"),
            Self::Run { error, .. } => write!(f, "{error}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Sql { .. } | Self::Usage(_) => None,
            Self::Named { error, .. } => error.source(),
            Self::Source(error) => Some(error),
            Self::Format { error, .. } => Some(error),
            Self::Runtime(error) => Some(error),
            Self::Sink(error) => Some(error),
            Self::State(error) => error::Error::source(error),
            // The control plane's message is printed as this error's own.
            Self::Run { error, .. } => error::Error::source(&**error),
        }
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<RtError> for Error {
    fn from(error: RtError) -> Self {
        Self::Runtime(error)
    }
}

impl From<SinkError> for Error {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}
