//! Patterns of paths: `*`, `?`, `[…]` within a name, and `**` for directories of any depth.
//!
//! A name is bytes that need not be UTF-8. It is matched by characters, and each byte that belongs to none
//! counts as one. Like a shell's, these patterns are case-sensitive, and a dot at the start of a name is
//! matched by a dot alone; brackets are the only escape (`[*]`), `[!…]` negates, and `]` may stand first.

/// A character, or a byte that belongs to none.
type Unit = u32;

/// Above every character.
const BYTE_BASE: Unit = 0x11_0000;

/// What one part of a path has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// This name.
    Literal(String),
    /// Any name that matches.
    Pattern(Pattern),
    /// Directories of any depth, or none.
    AnyDepth,
}

/// What a name has to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Char(Unit),
    /// `?`: any.
    One,
    /// `*`: any number of any.
    Many,
    /// `[…]`: one of these ranges, or of none.
    Class { ranges: Vec<(Unit, Unit)>, is_negated: bool },
}

/// Whether a path has a character that makes it a pattern.
pub(crate) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

impl Part {
    /// Reads one part of a path.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "**" {
            return Ok(Self::AnyDepth);
        }
        if text.contains("**") {
            return Err("** stands for directories and must be a part of the path by itself");
        }
        if !is_glob(text) {
            return Ok(Self::Literal(text.to_owned()));
        }
        Ok(Self::Pattern(Pattern::parse(text)?))
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '?' => Token::One,
                '*' => Token::Many,
                '[' => class(&mut rest)?,
                other => Token::Char(other.into()),
            });
        }
        Ok(Self { tokens })
    }

    /// Whether a name matches.
    ///
    /// # Cost
    /// O(name × pattern) at worst.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let has_dot = name.first() == Some(&b'.');
        if has_dot && self.tokens.first() != Some(&Token::Char('.'.into())) {
            return false;
        }
        let name: Vec<Unit> = units(name);
        let (mut at, mut token) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: one character further.
        let mut last_many: Option<(usize, usize)> = None;
        loop {
            match self.tokens.get(token) {
                None if at == name.len() => return true,
                Some(Token::Many) => {
                    token += 1;
                    last_many = Some((at, token));
                    continue;
                }
                Some(wanted) if name.get(at).is_some_and(|unit| wanted.fits(*unit)) => {
                    (at, token) = (at + 1, token + 1);
                    continue;
                }
                _ => {}
            }
            match &mut last_many {
                Some((from, behind)) if *from < name.len() => {
                    *from += 1;
                    (at, token) = (*from, *behind);
                }
                _ => return false,
            }
        }
    }

    /// Whether it begins, or ends, with this text as it stands.
    pub(crate) fn spells(&self, text: &str, at_end: bool) -> bool {
        let text: Vec<Token> = text.chars().map(|char| Token::Char(char.into())).collect();
        if at_end { self.tokens.ends_with(&text) } else { self.tokens.starts_with(&text) }
    }
}

impl Token {
    fn fits(&self, unit: Unit) -> bool {
        match self {
            Self::Char(wanted) => *wanted == unit,
            Self::One => true,
            Self::Many => false,
            Self::Class { ranges, is_negated } => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&&unit)) != *is_negated
            }
        }
    }
}

/// Reads on from behind an opening bracket to behind the closing one.
fn class(rest: &mut std::str::Chars<'_>) -> Result<Token, &'static str> {
    const OPEN: &str = "a bracket is not closed";
    let is_negated = rest.as_str().starts_with('!');
    if is_negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = rest.next().ok_or(OPEN)?;
        if first == ']' && !ranges.is_empty() {
            return Ok(Token::Class { ranges, is_negated });
        }
        let mut behind = rest.clone();
        let last = match (behind.next(), behind.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *rest = behind;
                last
            }
            _ => first,
        };
        ranges.push((first.into(), last.into()));
    }
}

fn units(name: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        units.extend(chunk.valid().chars().map(Unit::from));
        units.extend(chunk.invalid().iter().map(|&byte| BYTE_BASE + Unit::from(byte)));
    }
    units
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn matches(pattern: &str, name: &[u8]) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn names_are_matched_as_a_shell_does() {
        let fitting: [(&str, &[u8]); 17] = [
            ("*", b"a"),
            ("*.csv", b"a.csv"),
            ("*.csv", b".csv.csv.csv"[1..].as_ref()),
            ("a*b*c", b"aXbYbZc"),
            ("a?c", "aéc".as_bytes()),
            ("a?c", b"a\xe9c"),
            ("caf*.txt", b"caf\xe9.txt"),
            ("[abc]x", b"bx"),
            ("[a-c]x", b"bx"),
            ("[!a-c]x", b"dx"),
            ("[!a]x", b"\xe9x"),
            ("[]]x", b"]x"),
            ("[a-]x", b"-x"),
            ("[*]", b"*"),
            ("[[]a]", b"[a]"),
            ("a*\nb", b"a1\nb"),
            (".*", b".a"),
        ];
        for (pattern, name) in fitting {
            assert!(matches(pattern, name), "{pattern} {name:?}");
        }
        let others: [(&str, &[u8]); 11] = [
            ("*", b".hidden"),
            ("?a", b".a"),
            ("[.]a", b".a"),
            ("*.csv", b"a.CSV"),
            ("a?c", b"ac"),
            ("a?c", b"abbc"),
            ("[a-c]x", b"\xe9x"),
            ("[!a]x", b"ax"),
            ("a*b", b"aXbY"),
            ("", b"a"),
            ("[^a]", b"b"),
        ];
        for (pattern, name) in others {
            assert!(!matches(pattern, name), "{pattern} {name:?}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(&pattern, &b"a".repeat(255)));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["[", "a[b", "[]", "[!]", "[!", "a**", "***"] {
            assert!(Part::parse(text).is_err(), "{text}");
        }
        assert_eq!(Part::parse("**"), Ok(Part::AnyDepth));
        assert_eq!(Part::parse("a]b"), Ok(Part::Literal("a]b".to_owned())));
    }

    #[test]
    fn a_pattern_may_spell_an_ending_out() {
        let pattern = Pattern::parse("*.tmp").unwrap();
        assert!(pattern.spells(".tmp", true) && !pattern.spells(".crc", true));
        assert!(Pattern::parse("_*").unwrap().spells("_", false));
    }
}
