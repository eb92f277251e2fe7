//! Colours for what is being typed.

use reedline::{Color, Highlighter, StyledText};

use super::text::{Kind, pieces};
use super::words::KEYWORDS;

/// Colours keywords, texts and comments.
pub(crate) struct Colors;

impl Highlighter for Colors {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for piece in pieces(line) {
            let text = &line[piece.start..piece.end];
            let is_keyword = || KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(text));
            let style = match piece.kind {
                Kind::Word if is_keyword() => Color::Blue.bold(),
                Kind::Text => Color::Green.normal(),
                Kind::Comment => Color::DarkGray.normal(),
                _ => Default::default(),
            };
            styled.push((style, text.to_owned()));
        }
        styled
    }
}

/// Shows what is typed as it is.
pub(crate) struct NoColors;

impl Highlighter for NoColors {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        styled.push((Default::default(), line.to_owned()));
        styled
    }
}
