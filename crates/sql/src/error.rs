//! What is wrong with a script, and how it is shown.

use std::error::Error;
use std::fmt::{self, Write};

use tidemill_plan::Span;
use tidemill_record::harmless;

use crate::scan::BYTE_ORDER_MARK;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What is wrong: lower case, without a final stop.
    pub message: String,
    /// The text at fault.
    pub span: Span,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Every finding of a script, in the order of the text; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlErrors(pub Vec<SqlError>);

impl fmt::Display for SqlErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self.0.iter().map(|error| error.message.as_str()).collect();
        f.write_str(&messages.join("; "))
    }
}

impl Error for SqlErrors {}

/// Characters of a long source line that are shown around the finding.
const LINE_CHARS_MAX: usize = 160;

impl SqlErrors {
    /// Shows every finding with its place: `origin:line:column`, the source line, a caret under
    /// the text at fault, and the hint. Lines and columns count from 1, columns in characters.
    #[must_use]
    pub fn render(&self, text: &str, origin: &str) -> String {
        let mut out = String::new();
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            render_one(&mut out, error, text, origin);
        }
        out
    }
}

/// Where a range of a script begins, as findings show it: `origin:line:column`.
#[must_use]
pub fn place(text: &str, origin: &str, span: Span) -> String {
    let (line_number, _, before) = line_of(text, span);
    format!("{origin}:{line_number}:{}", before + 1)
}

/// The number of the line that a range begins in, from 1, the byte it begins at, and the characters before the
/// range.
fn line_of(text: &str, span: Span) -> (usize, usize, usize) {
    let start = floor_boundary(text, span.start);
    let head = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let start = start.max(head);
    let line_start = text[..start].rfind('\n').map_or(head, |at| at + 1);
    let line_number = text[..start].bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line_number, line_start, text[line_start..start].chars().count())
}

fn render_one(out: &mut String, error: &SqlError, text: &str, origin: &str) {
    let (line_number, line_start, before) = line_of(text, error.span);
    let start = floor_boundary(text, error.span.start).max(line_start);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let end = floor_boundary(text, error.span.end).clamp(start, line_end);
    let width = text[start..end].chars().count().max(1);

    let _ =
        writeln!(out, "{origin}:{line_number}:{}: {}", before + 1, harmless(&error.message, &[]));
    let number = line_number.to_string();
    let margin = " ".repeat(number.len());
    let skipped = before.saturating_sub(LINE_CHARS_MAX / 2);
    let shown: String = line.chars().skip(skipped).take(LINE_CHARS_MAX).collect();
    let lead: String =
        shown.chars().take(before - skipped).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let room = shown.chars().count().saturating_sub(before - skipped).max(1);
    let carets = "^".repeat(width.min(room));
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{number} | {shown}");
    let _ = writeln!(out, "{margin} | {lead}{carets}");
    if let Some(hint) = &error.hint {
        let _ = writeln!(out, "{margin} = {}", harmless(hint, &[]));
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, start: usize, end: usize, expected: &str) {
        let error = SqlError {
            message: "bad".to_owned(),
            span: Span { start, end },
            hint: Some("do better".to_owned()),
        };
        assert_eq!(SqlErrors(vec![error]).render(text, "job.sql"), expected);
    }

    #[test]
    fn caret_counts_characters_and_lines() {
        check(
            "a\r\nöö bcd\r\n",
            8,
            11,
            "job.sql:2:4: bad\n  |\n2 | öö bcd\n  |    ^^^\n  = do better\n",
        );
    }

    #[test]
    fn span_past_the_end_points_at_the_end() {
        check("ab", 9, 12, "job.sql:1:3: bad\n  |\n1 | ab\n  |   ^\n  = do better\n");
    }

    #[test]
    fn long_line_is_clipped_around_the_caret() {
        let text = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let error =
            SqlError { message: "bad".to_owned(), span: Span { start: 500, end: 501 }, hint: None };
        let shown = SqlErrors(vec![error]).render(&text, "f");
        let expected = format!(
            "f:1:501: bad\n  |\n1 | {}x{}\n  | {}^\n",
            "a".repeat(80),
            "b".repeat(79),
            " ".repeat(80)
        );
        assert_eq!(shown, expected);
    }
}
