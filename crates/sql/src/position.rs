//! Lines and columns, as the tokenizer counts them, to byte offsets.

use sqlparser::tokenizer::{Location, Span as TokenSpan};
use tidemill_plan::Span;

/// Where the lines and characters of a text start.
pub(crate) struct Positions {
    /// Character index of each line's first character.
    line_starts: Vec<usize>,
    /// Byte offset of each character, and the text's length last; empty for ASCII text.
    char_bytes: Vec<usize>,
    byte_count: usize,
}

impl Positions {
    /// Measures `text`. O(bytes).
    pub(crate) fn new(text: &str) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(index, _)| index + 1),
        );
        let mut char_bytes = Vec::new();
        if !text.is_ascii() {
            char_bytes.extend(text.char_indices().map(|(at, _)| at));
            char_bytes.push(text.len());
        }
        Self { line_starts, char_bytes, byte_count: text.len() }
    }

    /// The byte offset of a location; `None` for the tokenizer's "nowhere".
    pub(crate) fn byte(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.saturating_sub(1);
        let index = self.line_starts.get(line)? + column;
        let byte = if self.char_bytes.is_empty() {
            index
        } else {
            self.char_bytes.get(index).copied().unwrap_or(self.byte_count)
        };
        Some(byte.min(self.byte_count))
    }

    /// The byte range of a token or tree; `None` where the tree does not know its place.
    pub(crate) fn span(&self, span: TokenSpan) -> Option<Span> {
        let start = self.byte(span.start)?;
        let end = self.byte(span.end)?.max(start);
        Some(Span { start, end })
    }
}

/// The least range that holds both; an empty one counts as none.
pub(crate) fn union(a: Span, b: Span) -> Span {
    if a == Span::default() {
        b
    } else if b == Span::default() {
        a
    } else {
        Span { start: a.start.min(b.start), end: a.end.max(b.end) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn bytes_of_wide_characters() {
        let positions = Positions::new("aö\nüx");
        assert_eq!(positions.byte(Location::new(1, 2)), Some(1));
        assert_eq!(positions.byte(Location::new(2, 2)), Some(6));
        assert_eq!(positions.byte(Location::new(2, 9)), Some(7));
        assert_eq!(positions.byte(Location::new(0, 0)), None);
    }
}
