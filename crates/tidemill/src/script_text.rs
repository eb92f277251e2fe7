//! A script as it is bound: behind the declarations of earlier ones that it refers to. Errors point into the
//! script alone, or into the declaration at fault.

use std::ops::Range;

use tidemill_plan::Span;
use tidemill_sql::{SqlError, SqlErrors, place};

use crate::Error;

/// A script, and what stands before it.
#[derive(Clone, Debug)]
pub(crate) struct ScriptText {
    whole: String,
    /// Declarations of earlier scripts, in order, and their names.
    before: Vec<(Range<usize>, String)>,
    /// Where the script itself begins.
    start: usize,
    origin: String,
}

impl ScriptText {
    /// Nothing yet; errors of the script give `origin` for its name.
    pub(crate) fn new(origin: &str) -> Self {
        Self { whole: String::new(), before: Vec::new(), start: 0, origin: origin.to_owned() }
    }

    /// Adds an earlier declaration.
    pub(crate) fn push(&mut self, name: &str, text: &str) {
        let start = self.whole.len();
        self.whole.push_str(text);
        self.before.push((start..self.whole.len(), name.to_owned()));
        self.whole.push_str(";\n");
    }

    /// Adds the script itself.
    pub(crate) fn finish(&mut self, sql: &str) {
        self.start = self.whole.len();
        self.whole.push_str(sql);
    }

    /// What is parsed and bound.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// Whether the script stands alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.before.is_empty()
    }

    /// Where something stands, as errors show it.
    pub(crate) fn place(&self, span: Span) -> String {
        let (range, origin) = self.piece(span);
        let moved = |at: usize| at.clamp(range.start, range.end) - range.start;
        let span = Span { start: moved(span.start), end: moved(span.end) };
        place(&self.whole[range], &origin, span)
    }

    /// Errors with their places, and what is to be said below them.
    pub(crate) fn error(&self, errors: SqlErrors, notes: &[String]) -> Error {
        let mut rendered = String::new();
        let mut placed = Vec::with_capacity(errors.0.len());
        for error in errors.0 {
            let (range, origin) = self.piece(error.span);
            let moved = |at: usize| at.clamp(range.start, range.end) - range.start;
            let span = Span { start: moved(error.span.start), end: moved(error.span.end) };
            let error = SqlErrors(vec![SqlError { span, ..error }]);
            if !rendered.is_empty() {
                rendered.push('\n');
            }
            rendered.push_str(&error.render(&self.whole[range], &origin));
            placed.extend(error.0);
        }
        for note in notes {
            rendered = format!("{}\nnote: {note}", rendered.trim_end());
        }
        Error::sql(rendered, SqlErrors(placed))
    }

    /// The piece that a place is in, and what it is called.
    fn piece(&self, span: Span) -> (Range<usize>, String) {
        let before = self.before.iter().find(|(range, _)| span.start <= range.end);
        match before.filter(|_| span.start < self.start) {
            Some((range, name)) => (range.clone(), format!("{name}, declared earlier")),
            None => (self.start..self.whole.len(), self.origin.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: usize, expected: &str) {
        let mut text = ScriptText::new("sql");
        text.push("t", "CREATE t");
        text.push("u", "CREATE\nu");
        text.finish("SELECT\nx");
        let span = Span { start, end: start + 1 };
        let error = SqlError { message: "bad".to_owned(), span, hint: None };
        let rendered = text.error(SqlErrors(vec![error]), &[]).to_string();
        assert_eq!(rendered.lines().next(), Some(expected));
    }

    #[test]
    fn errors_point_into_their_own_piece() {
        let whole = "CREATE t;\nCREATE\nu;\nSELECT\nx";
        check(0, "t, declared earlier:1:1: bad");
        check(whole.find("\nu").map_or(0, |at| at + 1), "u, declared earlier:2:1: bad");
        check(whole.find("SELECT").unwrap_or(0), "sql:1:1: bad");
        check(whole.len() - 1, "sql:2:1: bad");
        check(whole.len() + 9, "sql:2:2: bad");
    }
}
