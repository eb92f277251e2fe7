//! Functions that look for one text in another, and that say how far apart two are.

use tidemill_plan::Function;
use tidemill_record::DataType;

use super::lift::{Integer, Output, Text, value2, value3};
use super::{Compiled, Problem, array};
use crate::needle::Needle;
use crate::node::{Kernel, Node};
use crate::text_output::sliced;
use crate::value::{Failure, integer_lane, same_text, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let is_array = matches!(arguments[0].data_type(), DataType::Array(_));
    let (kernel, data_type) = match function {
        Function::Position | Function::Locate if arguments.len() == 3 => {
            (value3::<Text, Text, Integer, _>(position_from), DataType::BigInt)
        }
        Function::Position | Function::Locate => (seeking(1, 0, position), DataType::BigInt),
        Function::Instr => (seeking(0, 1, position), DataType::BigInt),
        Function::Contains if is_array => return array::kernel(Function::ArrayContains, arguments),
        Function::Contains => {
            (seeking(0, 1, |text, needle| needle.find(text).is_some()), DataType::Boolean)
        }
        Function::StartsWith => {
            (value2::<Text, Text, _>(|text, prefix| text.starts_with(prefix)), DataType::Boolean)
        }
        Function::EndsWith => {
            (value2::<Text, Text, _>(|text, suffix| text.ends_with(suffix)), DataType::Boolean)
        }
        Function::SubstringIndex => (substring_index(), DataType::Varchar),
        Function::Levenshtein => (value2::<Text, Text, _>(levenshtein), DataType::BigInt),
        Function::Hamming => (value2::<Text, Text, _>(hamming), DataType::BigInt),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, data_type))
}

/// A kernel of a text and what is looked for in it, in these places among the arguments.
fn seeking<T: Output>(
    text: usize,
    needle: usize,
    answer: impl Fn(&str, &Needle<'_>) -> T + Send + Sync + 'static,
) -> Kernel {
    Kernel::total(move |v, rows| {
        let (texts, needles) = (text_lane(&v[text]), text_lane(&v[needle]));
        if let Some(needle) = same_text(&v[needle]).map(Needle::new) {
            return T::collect(rows, |row| Ok(texts.get(row).map(|text| answer(text, &needle))));
        }
        T::collect(rows, |row| {
            let (Some(text), Some(needle)) = (texts.get(row), needles.get(row)) else {
                return Ok(None);
            };
            Ok(Some(answer(text, &Needle::new(needle))))
        })
    })
}

/// Characters from 1, 0 where absent.
fn position(text: &str, needle: &Needle<'_>) -> i64 {
    needle.find(text).map_or(0, |at| char_count(&text[..at]) + 1)
}

/// The same, of what begins at a character counted from 1; 0 where the text has no such character.
fn position_from(needle: &str, text: &str, start: i64) -> i64 {
    let Some(before) = start.checked_sub(1).and_then(|n| usize::try_from(n).ok()) else { return 0 };
    let ends = std::iter::once(text.len());
    let Some(from) = text.char_indices().map(|(at, _)| at).chain(ends).nth(before) else {
        return 0;
    };
    match position(&text[from..], &Needle::new(needle)) {
        0 => 0,
        found => found + start - 1,
    }
}

fn char_count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn substring_index() -> Kernel {
    Kernel::total(|v, rows| {
        let (separators, counts) = (text_lane(&v[1]), integer_lane(&v[2]));
        let same = same_text(&v[1]).map(Needle::new);
        sliced(v, rows, |row, text| {
            let (Some(separator), Some(count)) = (separators.get(row), counts.get(row)) else {
                return Ok(None);
            };
            Ok(Some(match &same {
                Some(separator) => up_to(text, separator, count),
                None => up_to(text, &Needle::new(separator), count),
            }))
        })
    })
}

/// What stands before the `n`th separator, or behind it, counted from the end, if `n` is negative; all where
/// there are not so many. Nothing at 0.
fn up_to<'a>(text: &'a str, separator: &Needle<'_>, n: i64) -> &'a str {
    let Ok(count) = usize::try_from(n.unsigned_abs()) else { return text };
    if count == 0 || separator.is_empty() {
        return "";
    }
    if n > 0 {
        return separator.find_nth(text, count).map_or(text, |at| &text[..at]);
    }
    let found = separator.find_nth_from_end(text, count);
    found.map_or(text, |at| &text[at + separator.len()..])
}

/// The fewest characters to insert, delete or replace. O(characters of one × characters of the other), so
/// that long texts are refused.
fn levenshtein(left: &str, right: &str) -> Result<i64, Failure> {
    const STEPS_MAX: usize = 1 << 26;
    let right: Vec<char> = right.chars().collect();
    if left.len().saturating_mul(right.len()) > STEPS_MAX {
        return Err(Failure::row("texts too long for LEVENSHTEIN"));
    }
    // Distances of the characters of `left` so far from each beginning of `right`.
    let mut distances: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut distances[0], row + 1);
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = distances[column + 1];
            distances[column + 1] = replaced.min(diagonal + 1).min(distances[column] + 1);
        }
    }
    Ok(i64::try_from(distances[right.len()]).unwrap_or(i64::MAX))
}

/// How many characters differ, of two texts of equal length.
fn hamming(left: &str, right: &str) -> Result<i64, Failure> {
    if char_count(left) != char_count(right) {
        return Err(Failure::row("HAMMING of texts that differ in length"));
    }
    let differing = left.chars().zip(right.chars()).filter(|(a, b)| a != b).count();
    Ok(i64::try_from(differing).unwrap_or(i64::MAX))
}
