//! Collects findings, so that a script shows all of them at once.

use tidemill_plan::Span;

use crate::error::{SqlError, SqlErrors};
use crate::spelling::is_invisible;

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
        let message = visible(message.into());
        let error = SqlError { message, span, hint };
        if self.errors.len() < FINDINGS_MAX && !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Reported
    }

    /// Adds to what is said to do about the finding at a place, unless a name is suggested.
    pub(crate) fn hint(&mut self, span: Span, more: &str) {
        let Some(error) = self.errors.iter_mut().rfind(|error| error.span == span) else { return };
        error.hint = Some(match error.hint.take() {
            Some(hint) if hint.contains(more) || hint.starts_with("did you mean") => hint,
            Some(hint) => format!("{hint}; {more}"),
            None => more.to_owned(),
        });
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

/// A message whose names and texts show what they hold: an invisible character is named.
fn visible(message: String) -> String {
    if !message.contains(is_invisible) {
        return message;
    }
    let mut shown = String::with_capacity(message.len() + 8);
    for c in message.chars() {
        if is_invisible(c) {
            shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}
