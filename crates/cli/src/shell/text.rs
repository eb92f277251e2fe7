//! Where the quotes, comments and statements of a text are that is still being written.
//!
//! Absent on purpose: whether it is right, which only the library knows.

/// What a piece of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters, digits and underscores.
    Word,
    /// `'…'`, to the end of the text where it is not closed.
    Text,
    /// `"…"`, the same.
    Name,
    /// `-- …` or `/* … */`.
    Comment,
    /// White space.
    Space,
    /// One character of anything else.
    Sign,
}

/// A piece of a text: bytes `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// A quote or comment that ends where it should, and anything else.
    pub(crate) is_closed: bool,
}

/// Cuts a text into pieces, without gaps.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let (kind, length, is_closed) = first_piece(&text[start..]);
        pieces.push(Piece { kind, start, end: start + length, is_closed });
        start += length;
    }
    pieces
}

fn first_piece(text: &str) -> (Kind, usize, bool) {
    let first = text.chars().next().expect("the text is not empty");
    let while_ = |is_part: fn(char) -> bool| text.find(|c| !is_part(c)).unwrap_or(text.len());
    if first == '\'' || first == '"' {
        let kind = if first == '\'' { Kind::Text } else { Kind::Name };
        // A doubled quote closes and opens again, which makes no difference to where it ends.
        return match text[1..].find(first) {
            Some(at) => (kind, at + 2, true),
            None => (kind, text.len(), false),
        };
    }
    if text.starts_with("--") {
        let end = text.find('\n').unwrap_or(text.len());
        return (Kind::Comment, end, end < text.len());
    }
    if text.starts_with("/*") {
        return match end_of_comment(text) {
            Some(end) => (Kind::Comment, end, true),
            None => (Kind::Comment, text.len(), false),
        };
    }
    if first.is_alphanumeric() || first == '_' {
        return (Kind::Word, while_(|c| c.is_alphanumeric() || c == '_'), true);
    }
    if first.is_whitespace() {
        return (Kind::Space, while_(char::is_whitespace), true);
    }
    (Kind::Sign, first.len_utf8(), true)
}

/// Where a comment that begins the text ends; such comments nest.
fn end_of_comment(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// Whether a text is whole: its last statement ends in `;`, or there is none.
pub(crate) fn is_whole(text: &str) -> bool {
    let pieces = pieces(text);
    let is_open = |piece: &Piece| {
        let is_line = text[piece.start..].starts_with("--");
        !piece.is_closed && !is_line
    };
    if pieces.last().is_some_and(is_open) {
        return false;
    }
    let last = pieces.iter().rfind(|piece| !matches!(piece.kind, Kind::Space | Kind::Comment));
    last.is_none_or(|piece| &text[piece.start..piece.end] == ";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_once_its_last_statement_is_closed() {
        for whole in
            ["", "  \n", "-- only a comment", "SELECT 1;", "SELECT 1; -- done", "a; b ;\n/* x */ "]
        {
            assert!(is_whole(whole), "{whole}");
        }
        for open in [
            "SELECT 1",
            "SELECT ';",
            "SELECT ';'",
            "SELECT \";\"",
            "SELECT 1 -- ;",
            "SELECT 1; /* open",
            "SELECT 1; /* /* */",
            "SELECT 'it''s;",
        ] {
            assert!(!is_whole(open), "{open}");
        }
    }

    #[test]
    fn pieces_leave_no_gap() {
        let text = "SELECT 'é''s', \"n\"\t/* a /* b */ */-- c\nx_1+日本;'open";
        let pieces = pieces(text);
        assert_eq!(pieces[0].start, 0);
        assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
        let last = pieces.last().expect("there are some");
        assert_eq!((last.end, last.kind, last.is_closed), (text.len(), Kind::Text, false));
        let of_kind = |kind| {
            let of = pieces.iter().filter(|piece| piece.kind == kind);
            of.map(|piece| &text[piece.start..piece.end]).collect::<Vec<_>>()
        };
        assert_eq!(of_kind(Kind::Comment), ["/* a /* b */ */", "-- c"]);
        assert_eq!(of_kind(Kind::Word), ["SELECT", "x_1", "日本"]);
    }
}
