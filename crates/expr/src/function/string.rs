//! Functions that make one text of others: case, trimming, joining, repeating, replacing.
//!
//! `UPPER` and `LOWER` are the full mappings of Unicode, so a text may change its length.

use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use super::lift::{Bytes, Integer, Text, push, text1, text2, text3, text4, value1};
use super::{Compiled, Problem, array};
use crate::needle::Needle;
use crate::node::{Kernel, Node};
use crate::text_output::{TEXT_BYTES_MAX, Wrote, sliced, too_long, written, wrote};
use crate::value::{Failure, Lane, Value, same_text, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let given = arguments[0].data_type();
    let kernel = match function {
        Function::Length if matches!(given, DataType::Array(_)) => {
            return array::kernel(Function::ArrayLength, arguments);
        }
        Function::Length
        | Function::OctetLength
        | Function::BitLength
        | Function::Ascii
        | Function::Unicode => return Ok((counted(function, given), DataType::BigInt)),
        Function::Upper => text1::<Text, _>(upper),
        Function::Lower => text1::<Text, _>(lower),
        Function::Initcap => text1::<Text, _>(initcap),
        Function::Reverse => text1::<Text, _>(reverse),
        Function::Repeat => text2::<Text, Integer, _>(repeat),
        Function::Trim => trim(true, true),
        Function::Ltrim => trim(true, false),
        Function::Rtrim => trim(false, true),
        Function::Chr => text1::<Integer, _>(chr),
        Function::Translate => text3::<Text, Text, Text, _>(translate),
        Function::Overlay if arguments.len() == 4 => {
            text4::<Text, Text, Integer, Integer, _>(overlay)
        }
        Function::Overlay => text3::<Text, Text, Integer, _>(|text, new, start, out| {
            overlay(text, new, start, -1, out)
        }),
        Function::Concat => concat(),
        Function::ConcatWs => concat_ws(),
        Function::ConcatOperator => concat_operator(),
        Function::Replace => replace(),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::Varchar))
}

/// Functions of one text, or of bytes, that give a number.
fn counted(function: Function, given: &DataType) -> Kernel {
    let bytes = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let first = |text: &str| text.chars().next().map(|first| i64::from(u32::from(first)));
    let is_bytes = *given == DataType::Varbinary;
    match function {
        Function::OctetLength if is_bytes => value1::<Bytes, _>(bytes),
        Function::OctetLength => value1::<Text, _>(move |text| bytes(text.as_bytes())),
        Function::BitLength if is_bytes => value1::<Bytes, _>(move |given| bytes(given) * 8),
        Function::BitLength => value1::<Text, _>(move |text| bytes(text.as_bytes()) * 8),
        Function::Ascii => value1::<Text, _>(move |text| first(text).unwrap_or(0)),
        Function::Unicode => value1::<Text, _>(move |text| first(text).unwrap_or(-1)),
        _ => value1::<Text, _>(char_count),
    }
}

fn char_count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// A text in pieces: what is of ASCII at its beginning, and one character of another kind behind.
fn by_ascii<'a>(mut text: &'a str, mut piece: impl FnMut(&'a str, Option<char>)) {
    while !text.is_empty() {
        let end = text.bytes().position(|byte| !byte.is_ascii()).unwrap_or(text.len());
        let (ascii, rest) = text.split_at(end);
        let mut others = rest.chars();
        piece(ascii, others.next());
        text = others.as_str();
    }
}

fn upper(text: &str, out: &mut Line) {
    if text.is_ascii() {
        out.push_str(text);
        out.as_mut_str().make_ascii_uppercase();
        return;
    }
    by_ascii(text, |ascii, other| {
        let from = out.len();
        out.push_str(ascii);
        out.as_mut_str()[from..].make_ascii_uppercase();
        out.extend(other.into_iter().flat_map(char::to_uppercase));
    });
}

/// Appends a text in lower case.
pub(crate) fn lower(text: &str, out: &mut Line) {
    if text.is_ascii() {
        out.push_str(text);
        out.as_mut_str().make_ascii_lowercase();
        return;
    }
    by_ascii(text, |ascii, other| {
        let from = out.len();
        out.push_str(ascii);
        out.as_mut_str()[from..].make_ascii_lowercase();
        out.extend(other.into_iter().flat_map(char::to_lowercase));
    });
    if text.contains('Σ') {
        // What becomes of it depends on where it stands.
        out.clear();
        out.push_str(&text.to_lowercase());
    }
}

fn reverse(text: &str, out: &mut Line) {
    if text.is_ascii() {
        out.extend(text.bytes().rev().map(char::from));
    } else {
        out.extend(text.chars().rev());
    }
}

/// Letters that begin a word in upper case, others in lower case. A word is of letters and digits.
fn initcap(text: &str, out: &mut Line) {
    let mut is_within = false;
    for c in text.chars() {
        if is_within {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        is_within = c.is_alphanumeric();
    }
}

fn repeat(text: &str, count: i64, out: &mut Line) -> Result<(), Failure> {
    let count = usize::try_from(count).unwrap_or(0);
    if text.is_empty() {
        return Ok(());
    }
    let byte_count = text.len().saturating_mul(count);
    if byte_count > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    if count > 0 {
        out.push_str(text);
    }
    // What is there is doubled: a million pieces of one byte take twenty copies.
    while out.len() < byte_count {
        let more = out.len().min(byte_count - out.len());
        out.repeat_first(more);
    }
    Ok(())
}

fn chr(code: i64, out: &mut Line) -> Result<(), Failure> {
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    out.push(c.ok_or_else(|| Failure::row(format!("no character has the number {code}")))?);
    Ok(())
}

/// Each character of `from` becomes the one at its place in `to`, or goes where there is none. Of equal
/// characters in `from` the first counts.
fn translate(text: &str, from: &str, to: &str, out: &mut Line) {
    for c in text.chars() {
        match from.chars().position(|known| known == c) {
            None => out.push(c),
            Some(place) => out.extend(to.chars().nth(place)),
        }
    }
}

/// Characters `[start, start + length)`, from 1, give way to `new`: as many as it has, if `length` is negative.
fn overlay(text: &str, new: &str, start: i64, length: i64, out: &mut Line) -> Result<(), Failure> {
    let length = if length < 0 { char_count(new) } else { length };
    let from = start.saturating_sub(1).max(0);
    let to = start.saturating_sub(1).saturating_add(length).max(0);
    let place = |count: i64| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
    };
    push(out, &text[..place(from)])?;
    push(out, new)?;
    push(out, &text[place(to)..])
}

type Texts<'a> = Lane<&'a arrow_array::StringViewArray>;

fn lanes(values: &[Value]) -> Vec<Texts<'_>> {
    values.iter().map(text_lane).collect()
}

/// Without a second argument only spaces go, no other white space.
fn trim(at_start: bool, at_end: bool) -> Kernel {
    Kernel::total(move |v, rows| {
        let sets = v.get(1).map(text_lane);
        let same = v.get(1).map_or(Some(" "), same_text);
        if let Some(set) = same.filter(|set| set.is_ascii()) {
            let mut goes = [false; 256];
            set.bytes().for_each(|byte| goes[usize::from(byte)] = true);
            return sliced(v, rows, |_, text| Ok(Some(without(text, &goes, at_start, at_end))));
        }
        sliced(v, rows, |row, mut text| {
            let Some(set) = sets.as_ref().map_or(Some(" "), |sets| sets.get(row)) else {
                return Ok(None);
            };
            let goes = |c: char| set.contains(c);
            if at_start {
                text = text.trim_start_matches(goes);
            }
            if at_end {
                text = text.trim_end_matches(goes);
            }
            Ok(Some(text))
        })
    })
}

/// A text without some bytes of ASCII at its ends.
fn without<'a>(text: &'a str, goes: &[bool; 256], at_start: bool, at_end: bool) -> &'a str {
    let bytes = text.as_bytes();
    let (mut start, mut end) = (0, bytes.len());
    while at_start && start < end && goes[usize::from(bytes[start])] {
        start += 1;
    }
    while at_end && start < end && goes[usize::from(bytes[end - 1])] {
        end -= 1;
    }
    &text[start..end]
}

/// NULL arguments count as empty text.
fn concat() -> Kernel {
    Kernel::partial(|v, rows| {
        let lanes = lanes(v);
        written(v, rows, |row, out| {
            lanes.iter().filter_map(|lane| lane.get(row)).try_for_each(|part| push(out, part))?;
            Ok(true)
        })
    })
}

/// NULL if any argument is.
fn concat_operator() -> Kernel {
    Kernel::partial(|v, rows| {
        let lanes = lanes(v);
        written(v, rows, |row, out| {
            for lane in &lanes {
                let Some(part) = lane.get(row) else { return Ok(false) };
                push(out, part)?;
            }
            Ok(true)
        })
    })
}

/// Text between separators; NULL arguments are left out, and NULL as the separator gives NULL.
fn concat_ws() -> Kernel {
    Kernel::partial(|v, rows| {
        let lanes = lanes(v);
        written(v, rows, |row, out| {
            let Some(separator) = lanes[0].get(row) else { return Ok(false) };
            let parts = lanes[1..].iter().filter_map(|lane| lane.get(row));
            for (at, part) in parts.enumerate() {
                if at > 0 {
                    push(out, separator)?;
                }
                push(out, part)?;
            }
            Ok(true)
        })
    })
}

/// Every occurrence, left to right; an empty needle occurs nowhere.
fn replace() -> Kernel {
    Kernel::partial(|v, rows| {
        let (texts, needles, others) = (text_lane(&v[0]), text_lane(&v[1]), text_lane(&v[2]));
        let same = same_text(&v[1]).map(Needle::new);
        wrote(v, Some(&v[0]), rows, |row, out| {
            let (Some(text), Some(other)) = (texts.get(row), others.get(row)) else {
                return Ok(Wrote::Null);
            };
            let varying;
            let needle = match (&same, needles.get(row)) {
                (Some(same), _) => same,
                (None, Some(needle)) => {
                    varying = Needle::new(needle);
                    &varying
                }
                (None, None) => return Ok(Wrote::Null),
            };
            let first = if needle.is_empty() { None } else { needle.find(text) };
            let Some(first) = first else { return Ok(Wrote::Part(text)) };
            if let Needle::Byte(byte) = needle
                && let [new] = other.as_bytes()
            {
                out.push_replaced(text, *byte, *new);
            } else {
                replace_from(text, first, needle, other, out)?;
            }
            Ok(Wrote::Text)
        })
    })
}

/// The occurrences from the first on.
fn replace_from(
    text: &str,
    first: usize,
    needle: &Needle<'_>,
    other: &str,
    out: &mut Line,
) -> Result<(), Failure> {
    let (mut from, mut found) = (0, Some(first));
    while let Some(at) = found {
        push(out, &text[from..from + at])?;
        push(out, other)?;
        from += at + needle.len();
        found = needle.find(&text[from..]);
    }
    push(out, &text[from..])
}
