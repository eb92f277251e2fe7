//! `LIKE` and `ILIKE`: `%` is any run of characters, `_` any one, and nothing escapes unless an
//! escape character was declared.
//!
//! A pattern is cut at its `%` into pieces, which are looked for one behind the other: the first place of each is
//! as good as any. Arrow's own `like` is not used: in it `\` always escapes.

use std::sync::Arc;

use arrow_arith::boolean::not;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, Scalar, StringViewArray};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use arrow_string::like::{ends_with, starts_with};
use tidemill_record::recycled::Line;

use crate::function::lower;
use crate::needle::Needle;
use crate::node::{Kernel, Node};
use crate::text_output::tested;
use crate::value::{Failure, Value, text_lane};

const DANGLING_ESCAPE: &str = "LIKE pattern ends with its escape character";

/// How a pattern is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// `NOT LIKE`.
    pub(crate) is_negated: bool,
    /// `ILIKE`: both sides are lowered.
    pub(crate) is_case_insensitive: bool,
    /// Makes the next character of the pattern stand for itself.
    pub(crate) escape: Option<char>,
}

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    /// This character.
    Char(char),
    /// `_`
    One,
    /// `%`
    Run,
}

/// The kernel of text and pattern, both `VARCHAR`.
///
/// # Errors
/// What is wrong with a constant pattern.
pub(crate) fn kernel(pattern: &Node, style: Style) -> Result<Kernel, &'static str> {
    let constant = pattern.as_constant().filter(|array| array.is_valid(0));
    let Some(array) = constant else {
        let is_fallible = style.escape.is_some();
        let kernel = Kernel::partial(move |v, rows| by_column(&v[0], &v[1], rows, style));
        return Ok(kernel.with_fallible(is_fallible));
    };
    let symbols = parse(array.as_string_view().value(0), style).ok_or(DANGLING_ESCAPE)?;
    if let Some((shape, needle)) = shape_of(&symbols).filter(|_| !style.is_case_insensitive) {
        let needle = Scalar::new(StringViewArray::from_iter_values([needle]));
        return Ok(Kernel::total(move |v, _| {
            let holds = shape.test(v[0].array(), &needle)?;
            Ok(Arc::new(if style.is_negated { not(&holds)? } else { holds }))
        }));
    }
    let pattern = Pattern::new(&symbols);
    Ok(Kernel::total(move |v, rows| {
        let texts = text_lane(&v[0]);
        let mut lowered = Line::default();
        tested(&v[..1], rows, |row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            let holds = pattern.matches(in_style(text, style, &mut lowered));
            Ok(Some(holds != style.is_negated))
        })
    }))
}

/// A pattern for each row.
fn by_column(
    text: &Value,
    pattern: &Value,
    rows: usize,
    style: Style,
) -> Result<ArrayRef, Failure> {
    let (texts, patterns) = (text_lane(text), text_lane(pattern));
    let mut lowered = Line::default();
    tested(&[], rows, |row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(None);
        };
        let symbols = parse(pattern, style).ok_or_else(|| Failure::row(DANGLING_ESCAPE))?;
        let holds = Pattern::new(&symbols).matches(in_style(text, style, &mut lowered));
        Ok(Some(holds != style.is_negated))
    })
}

/// A text as it is compared.
fn in_style<'a>(text: &'a str, style: Style, lowered: &'a mut Line) -> &'a str {
    if !style.is_case_insensitive {
        return text;
    }
    lowered.clear();
    lower(text, lowered);
    lowered.as_str()
}

/// `None` if the pattern ends with its escape character.
fn parse(pattern: &str, style: Style) -> Option<Vec<Symbol>> {
    let lowered;
    let pattern = if style.is_case_insensitive {
        lowered = pattern.to_lowercase();
        &lowered
    } else {
        pattern
    };
    let mut symbols = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        symbols.push(match c {
            _ if Some(c) == style.escape => Symbol::Char(chars.next()?),
            '%' => Symbol::Run,
            '_' => Symbol::One,
            _ => Symbol::Char(c),
        });
    }
    Some(symbols)
}

/// Patterns that one comparison decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    Prefix,
    Suffix,
}

impl Shape {
    fn test(self, text: &dyn Datum, needle: &dyn Datum) -> Result<BooleanArray, ArrowError> {
        match self {
            Self::Whole => cmp::eq(text, needle),
            Self::Prefix => starts_with(text, needle),
            Self::Suffix => ends_with(text, needle),
        }
    }
}

fn shape_of(symbols: &[Symbol]) -> Option<(Shape, String)> {
    let (shape, inner) = match symbols {
        [Symbol::Run, inner @ ..] => (Shape::Suffix, inner),
        [inner @ .., Symbol::Run] => (Shape::Prefix, inner),
        inner => (Shape::Whole, inner),
    };
    Some((shape, text_of(inner)?))
}

/// The text that symbols stand for, where that is one.
fn text_of(symbols: &[Symbol]) -> Option<String> {
    let char_of = |symbol: &Symbol| if let Symbol::Char(c) = symbol { Some(*c) } else { None };
    symbols.iter().map(char_of).collect()
}

/// A pattern in pieces.
struct Pattern {
    /// What the text begins with, where the pattern does not begin with `%`.
    first: Option<Piece>,
    middle: Vec<Piece>,
    /// What the text ends with, where there is a `%`, and none at the end.
    last: Option<Piece>,
    /// There is no `%`: the first piece is all.
    is_whole: bool,
}

impl Pattern {
    fn new(symbols: &[Symbol]) -> Self {
        let mut pieces: Vec<&[Symbol]> = symbols.split(|s| *s == Symbol::Run).collect();
        let is_whole = pieces.len() == 1;
        let first = Some(pieces.remove(0)).filter(|piece| is_whole || !piece.is_empty());
        let last = pieces.pop().filter(|piece| !piece.is_empty());
        let middle = pieces.into_iter().filter(|piece| !piece.is_empty());
        Self {
            first: first.map(Piece::new),
            middle: middle.map(Piece::new).collect(),
            last: last.map(Piece::new),
            is_whole,
        }
    }

    /// Whether all of a text matches. O(text), and O(text × pattern) where there are `_`.
    fn matches(&self, mut text: &str) -> bool {
        if let Some(first) = &self.first {
            let Some(len) = first.begins(text) else { return false };
            text = &text[len..];
        }
        if self.is_whole {
            return text.is_empty();
        }
        if let Some(last) = &self.last {
            let Some(start) = last.ends(text) else { return false };
            text = &text[..start];
        }
        for piece in &self.middle {
            let Some(end) = piece.find_end(text) else { return false };
            text = &text[end..];
        }
        true
    }
}

/// What stands between two `%`.
enum Piece {
    Text(String, Needle<'static>),
    /// With `_`.
    Symbols(Vec<Symbol>),
}

impl Piece {
    fn new(symbols: &[Symbol]) -> Self {
        match text_of(symbols) {
            Some(text) => {
                let needle = Needle::new(&text).into_owned();
                Self::Text(text, needle)
            }
            None => Self::Symbols(symbols.to_vec()),
        }
    }

    /// Bytes of it that a text begins with.
    fn begins(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(piece, _) => text.starts_with(piece.as_str()).then_some(piece.len()),
            Self::Symbols(symbols) => {
                let mut chars = text.chars();
                let is_match = symbols.iter().all(|symbol| holds(*symbol, chars.next()));
                is_match.then(|| text.len() - chars.as_str().len())
            }
        }
    }

    /// Where it begins, if a text ends with it.
    fn ends(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(piece, _) => {
                text.ends_with(piece.as_str()).then(|| text.len() - piece.len())
            }
            Self::Symbols(symbols) => {
                let mut chars = text.chars();
                let is_match = symbols.iter().rev().all(|s| holds(*s, chars.next_back()));
                is_match.then_some(chars.as_str().len())
            }
        }
    }

    /// Where its first occurrence ends.
    fn find_end(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(piece, needle) => needle.find(text).map(|at| at + piece.len()),
            Self::Symbols(_) => {
                let mut starts = text.char_indices().map(|(at, _)| at);
                starts.find_map(|at| self.begins(&text[at..]).map(|len| at + len))
            }
        }
    }
}

/// Whether a character is one that a symbol stands for.
fn holds(symbol: Symbol, c: Option<char>) -> bool {
    match symbol {
        Symbol::Char(wanted) => c == Some(wanted),
        Symbol::One | Symbol::Run => c.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the standard words it: a run takes every number of characters in turn.
    fn slowly(symbols: &[Symbol], text: &[char]) -> bool {
        match (symbols.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Symbol::Run, rest)), _) => (0..=text.len()).any(|n| slowly(rest, &text[n..])),
            (Some((symbol, rest)), Some((c, behind))) => {
                holds(*symbol, Some(*c)) && slowly(rest, behind)
            }
            _ => false,
        }
    }

    /// All words of these letters up to a length.
    fn words(letters: &[char], len: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..len {
            let until = all.len();
            for at in from..until {
                all.extend(
                    letters.iter().map(|letter| format!("{}{letter}", all[at])).collect::<Vec<_>>(),
                );
            }
            from = until;
        }
        all
    }

    #[test]
    fn pieces_decide_as_the_standard_words_it() {
        let style = Style { is_negated: false, is_case_insensitive: false, escape: None };
        let texts = words(&['a', 'ä'], 6);
        let mut matches = 0;
        for pattern in words(&['a', 'ä', '%', '_'], 5) {
            let symbols = parse(&pattern, style).expect("nothing escapes");
            let pieces = Pattern::new(&symbols);
            for text in &texts {
                let expected = slowly(&symbols, &text.chars().collect::<Vec<_>>());
                assert_eq!(pieces.matches(text), expected, "'{text}' LIKE '{pattern}'");
                matches += usize::from(expected);
            }
        }
        assert!(matches > 10_000, "{matches}");
    }
}
