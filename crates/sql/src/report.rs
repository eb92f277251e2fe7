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

    /// Says what to do about the finding at a place in other words.
    pub(crate) fn set_hint(&mut self, span: Span, hint: impl Into<String>) {
        if let Some(error) = self.errors.iter_mut().rfind(|error| error.span == span) {
            error.hint = Some(hint.into());
        }
    }

    /// Puts what is most likely meant before what is said to do about the finding at a place.
    pub(crate) fn hint_first(&mut self, span: Span, meant: &str) {
        let Some(error) = self.errors.iter_mut().rfind(|error| error.span == span) else { return };
        error.hint = Some(match error.hint.take() {
            Some(hint) if hint.contains(meant) => hint,
            // A name that is nearly one was meant more likely.
            Some(hint) if hint.starts_with("did you mean") => format!("{hint} {meant}"),
            // The names that there are say less than what was meant.
            _ => meant.to_owned(),
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
