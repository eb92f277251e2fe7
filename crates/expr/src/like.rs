//! `LIKE` and `ILIKE`: `%` is any run of characters, `_` any one, and nothing escapes unless an
//! escape character was declared.
//!
//! A constant pattern that is plain text with `%` at its ends runs on Arrow's kernels for equality,
//! prefixes, suffixes and substrings. Arrow's own `like` is not used: in it `\` always escapes.

use std::sync::Arc;

use arrow_arith::boolean::not;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, Scalar, StringViewArray};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use arrow_string::like::{contains, ends_with, starts_with};

use crate::node::{Kernel, Node};
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
    Ok(Kernel::total(move |v, _| {
        let mut lowered = String::new();
        let test = |text: &str| matches(&symbols, text, style, &mut lowered);
        Ok(each(v[0].array().as_string_view(), style, test))
    }))
}

fn each(texts: &StringViewArray, style: Style, mut test: impl FnMut(&str) -> bool) -> ArrayRef {
    let holds: BooleanArray =
        texts.iter().map(|text| text.map(|text| test(text) != style.is_negated)).collect();
    Arc::new(holds)
}

/// A pattern for each row.
fn by_column(
    text: &Value,
    pattern: &Value,
    rows: usize,
    style: Style,
) -> Result<ArrayRef, Failure> {
    let (texts, patterns) = (text_lane(text), text_lane(pattern));
    let mut lowered = String::new();
    let mut test = |row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            return Ok(None);
        };
        let symbols = parse(pattern, style).ok_or_else(|| Failure::row(DANGLING_ESCAPE))?;
        Ok(Some(matches(&symbols, text, style, &mut lowered) != style.is_negated))
    };
    let holds = (0..rows).map(&mut test).collect::<Result<BooleanArray, Failure>>()?;
    Ok(Arc::new(holds))
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

/// Patterns that a simpler test decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    Prefix,
    Suffix,
    Inside,
}

impl Shape {
    fn test(self, text: &dyn Datum, needle: &dyn Datum) -> Result<BooleanArray, ArrowError> {
        match self {
            Self::Whole => cmp::eq(text, needle),
            Self::Prefix => starts_with(text, needle),
            Self::Suffix => ends_with(text, needle),
            Self::Inside => contains(text, needle),
        }
    }
}

fn shape_of(symbols: &[Symbol]) -> Option<(Shape, String)> {
    let is_run = |symbol: Option<&Symbol>| symbol == Some(&Symbol::Run);
    let (opens, closes) = (is_run(symbols.first()), is_run(symbols.last()));
    let inner = symbols.iter().filter(|symbol| **symbol != Symbol::Run);
    let run_count = symbols.len() - inner.clone().count();
    let needle: Option<String> =
        inner.map(|symbol| if let Symbol::Char(c) = symbol { Some(*c) } else { None }).collect();
    let shape = match (run_count, opens, closes) {
        (0, _, _) => Shape::Whole,
        (1, false, true) => Shape::Prefix,
        (1, true, false) => Shape::Suffix,
        // A lone `%` opens and closes: any text holds the empty text.
        (1, true, true) | (2, true, true) => Shape::Inside,
        _ => return None,
    };
    Some((shape, needle?))
}

fn matches(symbols: &[Symbol], text: &str, style: Style, lowered: &mut String) -> bool {
    if !style.is_case_insensitive {
        return is_match(symbols, text);
    }
    lowered.clear();
    lowered.push_str(&text.to_lowercase());
    is_match(symbols, lowered)
}

/// Whether the whole text matches. On a mismatch the last run takes one character more; earlier
/// runs need no second try. O(text × pattern).
fn is_match(symbols: &[Symbol], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        match symbols.get(at) {
            Some(Symbol::Run) => {
                at += 1;
                retry = Some((at, rest));
                continue;
            }
            Some(symbol) => {
                let mut chars = rest.chars();
                if let Some(c) = chars.next()
                    && (*symbol == Symbol::One || *symbol == Symbol::Char(c))
                {
                    (at, rest) = (at + 1, chars.as_str());
                    continue;
                }
            }
            None if rest.is_empty() => return true,
            None => {}
        }
        let Some((run_end, from)) = retry else { return false };
        let mut chars = from.chars();
        if chars.next().is_none() {
            return false;
        }
        (at, rest) = (run_end, chars.as_str());
        retry = Some((run_end, rest));
    }
}
