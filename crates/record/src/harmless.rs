//! Text that comes from outside, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal would obey a character, or be misled by it: control characters, and those that turn
/// the direction of text around.
#[must_use]
pub fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text with what steers a terminal escaped as in Rust, but for the characters in `kept`.
#[must_use]
pub fn harmless<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_escaped = |character: char| is_steering(character) && !kept.contains(&character);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !is_escaped(character) => shown.push(character),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped_and_the_rest_is_as_it_was() {
        assert!(matches!(harmless("日本 é e\u{301}", &[]), Cow::Borrowed(_)));
        assert_eq!(harmless("a\u{1b}[2J\u{202e}\n\u{9b}", &[]), "a\\u{1b}[2J\\u{202e}\\n\\u{9b}");
        assert_eq!(harmless("a\n\t\r\u{7f}", &['\n', '\t']), "a\n\t\\r\\u{7f}");
    }
}
