//! Collects findings, so that a script shows all of them at once.

use tidemill_plan::Span;

use crate::error::{SqlError, SqlErrors};

/// Findings kept; a script with more has something wrong that these already show.
const FINDINGS_MAX: usize = 100;

/// A finding was reported; whoever sees this has nothing more to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

/// What binding something gives.
pub(crate) type Bind<T> = Result<T, Reported>;

/// The findings so far.
#[derive(Default)]
pub(crate) struct Report {
    errors: Vec<SqlError>,
    /// Where the current statement starts: the place of what does not know its own.
    pub(crate) fallback: Span,
}

impl Report {
    /// Adds a finding, unless the same one is there.
    pub(crate) fn add(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Reported {
        let span = if span == Span::default() { self.fallback } else { span };
        let error = SqlError { message: message.into(), span, hint };
        if self.errors.len() < FINDINGS_MAX && !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Reported
    }

    /// Whether more findings would not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= FINDINGS_MAX
    }

    /// The result of a script: `value`, unless something was found.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, SqlErrors> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        self.errors.sort_by_key(|error| error.span.start);
        Err(SqlErrors(self.errors))
    }
}
