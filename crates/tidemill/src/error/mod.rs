//! The one error of the crate: what an embedding program can ask of it.

mod asked;
mod cause;
mod kind;

use std::error;
use std::fmt;
use std::path::{Path, PathBuf};

use tidemill_checkpoint::CheckpointError;
use tidemill_control::ControlError;
use tidemill_format::FormatError;
use tidemill_rt::RtError;
use tidemill_sink::SinkError;
use tidemill_source::SourceError;
use tidemill_sql::SqlErrors;

pub(crate) use cause::Cause;
pub use kind::ErrorKind;

/// Why a script was refused or a job failed.
///
/// Its text says what, where and why: the path, the partition and the offset where these are known. What the operating
/// system, a library or the embedding program itself said is not repeated in it: that is its
/// [source](error::Error::source), of its own type. [`Self::report`] has both.
///
/// ```
/// use tidemill::{ErrorKind, Session};
///
/// let error = Session::new().prepare("SELECT * FROM 'orders.csv'").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.path(), Some("orders.csv".as_ref()));
/// assert!(error.to_string().contains("orders.csv does not exist"));
/// ```
pub struct Error {
    // A result is as small as a pointer where nothing is wrong.
    cause: Box<Cause>,
}

/// The file, and the line in it, of what has failed a job.
#[derive(Debug)]
pub(crate) struct Place {
    /// For people.
    pub(crate) text: String,
    pub(crate) path: Option<PathBuf>,
    /// From 1.
    pub(crate) line: Option<u64>,
}

impl Place {
    pub(crate) fn of_file(path: &Path) -> Self {
        Self { text: path.display().to_string(), path: Some(path.to_owned()), line: None }
    }
}

impl Error {
    /// A setting, a registration or an argument is wrong: how, and what to do, lower case, without a final stop.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Cause::Usage(message.into()).into()
    }

    pub(crate) fn sql(rendered: String, errors: SqlErrors) -> Self {
        Cause::Sql { rendered, errors }.into()
    }

    pub(crate) fn format(path: PathBuf, error: FormatError) -> Self {
        Cause::Format { path, error }.into()
    }

    pub(crate) fn run(error: ControlError, place: Option<Place>) -> Self {
        Cause::Run { error, place }.into()
    }

    pub(crate) fn into_cause(self) -> Cause {
        *self.cause
    }

    /// Whether the input cannot be found or looked at.
    pub(crate) fn is_about_input(&self) -> bool {
        match &*self.cause {
            Cause::Named { error, .. } => error.is_about_input(),
            cause => matches!(cause, Cause::Source(_)),
        }
    }

    /// The same, with the place where a script names what it is about.
    pub(crate) fn named_at(self, place: impl FnOnce() -> String) -> Self {
        match *self.cause {
            Cause::Source(_) | Cause::Format { .. } => {
                Cause::Named { error: self, place: place() }.into()
            }
            _ => self,
        }
    }

    /// The message with all its causes, one after another, and below it where it happened. What is not ours in it, such
    /// as names of files and values of records, makes no lines of its own.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.cause.text();
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&tidemill_record::harmless(&error.to_string(), &[]));
            cause = error.source();
        }
        if let Some(place) = self.cause.place() {
            text.push_str("\n  at ");
            text.push_str(&tidemill_record::harmless(place, &[]));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause.text())?;
        match self.cause.place() {
            Some(place) => write!(f, " ({})", tidemill_record::harmless(place, &[])),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind()).field("cause", &self.cause).finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.chain().find(|error| !cause::is_own(*error))
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self { cause: Box::new(cause) }
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Cause::Source(error).into()
    }
}

impl From<RtError> for Error {
    fn from(error: RtError) -> Self {
        Cause::Runtime(error).into()
    }
}

impl From<SinkError> for Error {
    fn from(error: SinkError) -> Self {
        Cause::Sink(error).into()
    }
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Self {
        Cause::State(error).into()
    }
}
