//! Functions that take characters of a text by their place: `SUBSTRING`, `LEFT`, `RIGHT`, padding,
//! `SPLIT_PART`. A character is a Unicode scalar value.

use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use super::{Compiled, Problem};
use crate::needle::Needle;
use crate::node::{Kernel, Node};
use crate::text_output::{TEXT_BYTES_MAX, sliced, too_long, written};
use crate::value::{Failure, integer_lane, same_text, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, _: &[Node]) -> Compiled {
    let kernel = match function {
        Function::Substring => substring(),
        Function::Left => ends(|text, n| char_range(text, 0, n)),
        Function::Right => ends(|text, n| {
            let count = char_count(text);
            if n >= 0 {
                char_range(text, count.saturating_sub(n).max(0), count)
            } else {
                char_range(text, n.saturating_neg(), count)
            }
        }),
        Function::SplitPart => split_part(),
        Function::Lpad => pad(true),
        Function::Rpad => pad(false),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::Varchar))
}

fn char_count(text: &str) -> i64 {
    let count = if text.is_ascii() { text.len() } else { text.chars().count() };
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Characters `[start, end)`, counted from 0; what lies outside the text is left out. A negative
/// end counts from the end of the text.
fn char_range(text: &str, start: i64, end: i64) -> &str {
    let end = if end < 0 { char_count(text).saturating_add(end) } else { end };
    let (Ok(start), Ok(end)) = (usize::try_from(start.max(0)), usize::try_from(end)) else {
        return "";
    };
    if start >= end {
        return "";
    }
    if text.is_ascii() {
        return &text[start.min(text.len())..end.min(text.len())];
    }
    let mut places = text.char_indices().map(|(at, _)| at);
    let first = places.nth(start).unwrap_or(text.len());
    let last = places.nth(end - start - 1).unwrap_or(text.len());
    &text[first..last]
}

fn ends(part: impl Fn(&str, i64) -> &str + Send + Sync + 'static) -> Kernel {
    Kernel::total(move |v, rows| {
        let counts = integer_lane(&v[1]);
        sliced(v, rows, |row, text| Ok(counts.get(row).map(|count| part(text, count))))
    })
}

fn substring() -> Kernel {
    Kernel::total(|v, rows| {
        let (starts, lengths) = (integer_lane(&v[1]), v.get(2).map(integer_lane));
        sliced(v, rows, |row, text| {
            let Some(start) = starts.get(row) else { return Ok(None) };
            let length = match &lengths {
                None => None,
                Some(lengths) => match lengths.get(row) {
                    None => return Ok(None),
                    length => length,
                },
            };
            Ok(Some(substring_of(text, start, length)))
        })
    })
}

/// Positions count from 1; 0 is the place before the first character, and a negative one counts
/// from the end. A negative length takes the characters before the position.
fn substring_of(text: &str, start: i64, length: Option<i64>) -> &str {
    let first =
        if start < 0 { char_count(text).saturating_add(start) } else { start.saturating_sub(1) };
    let (first, last) = match length {
        None => (first, i64::MAX),
        Some(length) if length >= 0 => (first, first.saturating_add(length)),
        Some(length) => (first.saturating_add(length), first),
    };
    if last <= 0 { "" } else { char_range(text, first, last) }
}

/// Texts between separators. An empty separator splits into characters.
fn split_part() -> Kernel {
    Kernel::total(|v, rows| {
        let (separators, indices) = (text_lane(&v[1]), integer_lane(&v[2]));
        let same = same_text(&v[1]).map(Needle::new);
        sliced(v, rows, |row, text| {
            let (Some(separator), Some(index)) = (separators.get(row), indices.get(row)) else {
                return Ok(None);
            };
            Ok(Some(match &same {
                Some(separator) => part_of(text, separator, index),
                None => part_of(text, &Needle::new(separator), index),
            }))
        })
    })
}

fn part_of<'a>(text: &'a str, separator: &Needle<'_>, index: i64) -> &'a str {
    if separator.is_empty() && index != 0 {
        let first = if index > 0 { index - 1 } else { char_count(text).saturating_add(index) };
        return if first < 0 { "" } else { char_range(text, first, first.saturating_add(1)) };
    }
    // There is nothing in a text that is longer than any.
    let n = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    match (index.signum(), n) {
        (0, _) => "",
        (1, 1) => separator.find(text).map_or(text, |end| &text[..end]),
        (1, _) => {
            let Some(before) = separator.find_nth(text, n - 1) else { return "" };
            let part = &text[before + separator.len()..];
            separator.find(part).map_or(part, |end| &part[..end])
        }
        _ => part_from_end(text, separator, n),
    }
}

/// The parts are those of a search from the start: of a separator that overlaps itself another search would
/// find others.
fn part_from_end<'a>(text: &'a str, separator: &Needle<'_>, n: usize) -> &'a str {
    if let Needle::Byte(_) = separator {
        let (until, from) = match n {
            1 => (text.len(), separator.find_nth_from_end(text, 1)),
            _ => match separator.find_nth_from_end(text, n - 1) {
                None => return "",
                Some(until) => (until, separator.find_nth_from_end(&text[..until], 1)),
            },
        };
        return &text[from.map_or(0, |from| from + 1)..until];
    }
    let mut count = 1;
    let mut from = 0;
    while let Some(at) = separator.find(&text[from..]) {
        from += at + separator.len();
        count += 1;
    }
    match i64::try_from(count - n.min(count)) {
        Ok(before) if n <= count => part_of(text, separator, before + 1),
        _ => "",
    }
}

/// Fills up to a number of characters, or cuts to it.
fn pad(at_start: bool) -> Kernel {
    Kernel::partial(move |v, rows| {
        let (texts, counts) = (text_lane(&v[0]), integer_lane(&v[1]));
        let fills = v.get(2).map(text_lane);
        written(v, rows, |row, out| {
            let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else {
                return Ok(false);
            };
            let fill = match &fills {
                None => " ",
                Some(fills) => match fills.get(row) {
                    None => return Ok(false),
                    Some(fill) => fill,
                },
            };
            pad_one(text, count, fill, at_start, out)?;
            Ok(true)
        })
    })
}

fn pad_one(
    text: &str,
    count: i64,
    fill: &str,
    at_start: bool,
    out: &mut Line,
) -> Result<(), Failure> {
    let kept = char_range(text, 0, count.max(0));
    let missing = usize::try_from(count.saturating_sub(char_count(text))).unwrap_or(0);
    if missing > 0 && fill.is_empty() {
        return Err(Failure::row("padding with empty text"));
    }
    if missing.saturating_add(kept.len()) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    if !at_start {
        out.push_str(kept);
    }
    out.extend(fill.chars().cycle().take(missing));
    if at_start {
        out.push_str(kept);
    }
    Ok(())
}
