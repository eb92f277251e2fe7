//! Looking for a text in texts.

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

/// A text that is looked for, with what makes that fast.
pub(crate) enum Needle<'n> {
    /// One byte of ASCII.
    Byte(u8),
    /// Any other text, and the empty one, which is found everywhere.
    Text(Box<Finder<'n>>),
}

impl<'n> Needle<'n> {
    /// O(length).
    pub(crate) fn new(text: &'n str) -> Self {
        match text.as_bytes() {
            // Only a byte of ASCII is a character, beside which a text can be cut.
            [byte] => Self::Byte(*byte),
            bytes => Self::Text(Box::new(Finder::new(bytes))),
        }
    }

    /// The same with a copy of the text.
    pub(crate) fn into_owned(self) -> Needle<'static> {
        match self {
            Self::Byte(byte) => Needle::Byte(byte),
            Self::Text(finder) => Needle::Text(Box::new(finder.into_owned())),
        }
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Text(finder) => finder.needle().len(),
        }
    }

    /// Whether it is the empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it stands first in a text. That is between two characters.
    #[inline]
    pub(crate) fn find(&self, text: &str) -> Option<usize> {
        match self {
            Self::Byte(byte) => memchr(*byte, text.as_bytes()),
            Self::Text(finder) => finder.find(text.as_bytes()),
        }
    }

    /// Where it stands for the `n`th time, from 1, without overlaps. `None` of the empty text.
    pub(crate) fn find_nth(&self, text: &str, n: usize) -> Option<usize> {
        if self.is_empty() || n == 0 {
            return None;
        }
        let mut from = 0;
        for _ in 1..n {
            from += self.find(&text[from..])? + self.len();
        }
        Some(from + self.find(&text[from..])?)
    }

    /// The same from the end, without overlaps.
    pub(crate) fn find_nth_from_end(&self, text: &str, n: usize) -> Option<usize> {
        if self.is_empty() || n == 0 {
            return None;
        }
        match self {
            Self::Byte(byte) => {
                let mut until = text.len();
                for _ in 1..n {
                    until = memrchr(*byte, &text.as_bytes()[..until])?;
                }
                memrchr(*byte, &text.as_bytes()[..until])
            }
            Self::Text(finder) => {
                let needle = std::str::from_utf8(finder.needle()).expect("it was a text");
                text.rmatch_indices(needle).nth(n - 1).map(|(at, _)| at)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_a_slow_search_finds() {
        let texts = ["", "a", "aa", "aaaaa", "a/b//c/", "/", "xyxyx", "äöä/ä", "日本語日本", "no"];
        for text in texts {
            for needle in ["", "a", "/", "aa", "xyx", "ä", "日本", "nowhere"] {
                let found = Needle::new(needle);
                assert_eq!(found.find(text), text.find(needle), "'{needle}' in '{text}'");
                if needle.is_empty() {
                    assert_eq!(found.find_nth(text, 1), None);
                    continue;
                }
                for n in 1..6 {
                    let forwards = text.match_indices(needle).nth(n - 1).map(|(at, _)| at);
                    assert_eq!(found.find_nth(text, n), forwards, "{n}: '{needle}' in '{text}'");
                    let backwards = text.rmatch_indices(needle).nth(n - 1).map(|(at, _)| at);
                    let from_end = found.find_nth_from_end(text, n);
                    assert_eq!(from_end, backwards, "{n}: '{needle}' in '{text}'");
                }
            }
        }
    }
}
