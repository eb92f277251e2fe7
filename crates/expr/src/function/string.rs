//! Functions that look at texts whole: case, trimming, joining, searching.
//!
//! `UPPER` and `LOWER` are the full mappings of Unicode, so a text may change its length.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, PrimitiveArray};
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::text_output::{TEXT_BYTES_MAX, sliced, tested, too_long, written};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane, Value, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, _: &[Node]) -> Compiled {
    let text = |kernel: Kernel| Ok((kernel, DataType::Varchar));
    match function {
        Function::Upper => text(mapped(|text, out| {
            if text.is_ascii() {
                out.push_str(text);
                out.make_ascii_uppercase();
            } else {
                out.extend(text.chars().flat_map(char::to_uppercase));
            }
        })),
        Function::Lower => text(mapped(|text, out| {
            if text.is_ascii() {
                out.push_str(text);
                out.make_ascii_lowercase();
            } else {
                out.push_str(&text.to_lowercase());
            }
        })),
        Function::Trim => text(trim(true, true)),
        Function::Ltrim => text(trim(true, false)),
        Function::Rtrim => text(trim(false, true)),
        Function::Length => Ok((counted(|v, row| char_count(v[0].get(row)?)), DataType::BigInt)),
        Function::Position => Ok((counted(position), DataType::BigInt)),
        Function::Concat => text(concat()),
        Function::ConcatOperator => text(concat_operator()),
        Function::Replace => text(replace()),
        Function::StartsWith => {
            let kernel = Kernel::total(|v, rows| {
                let (texts, prefixes) = (text_lane(&v[0]), text_lane(&v[1]));
                Ok(tested(rows, |row| Some(texts.get(row)?.starts_with(prefixes.get(row)?))))
            });
            Ok((kernel, DataType::Boolean))
        }
        _ => Err(Problem::Types),
    }
}

fn mapped(map: impl Fn(&str, &mut String) + Send + Sync + 'static) -> Kernel {
    Kernel::total(move |v, rows| {
        let texts = text_lane(&v[0]);
        written(rows, |row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            map(text, out);
            Ok(true)
        })
    })
}

type Texts<'a> = Lane<&'a arrow_array::StringViewArray>;

fn lanes(values: &[Value]) -> Vec<Texts<'_>> {
    values.iter().map(text_lane).collect()
}

fn counted(count: impl Fn(&[Texts<'_>], usize) -> Option<i64> + Send + Sync + 'static) -> Kernel {
    Kernel::total(move |v, rows| {
        let lanes = lanes(v);
        let counts: PrimitiveArray<Int64Type> = (0..rows).map(|row| count(&lanes, row)).collect();
        Ok(Arc::new(counts) as ArrayRef)
    })
}

fn char_count(text: &str) -> Option<i64> {
    i64::try_from(text.chars().count()).ok()
}

/// Arguments: needle, text. Characters from 1, 0 where absent.
fn position(lanes: &[Texts<'_>], row: usize) -> Option<i64> {
    let (needle, text) = (lanes[0].get(row)?, lanes[1].get(row)?);
    match text.find(needle) {
        None => Some(0),
        Some(at) => char_count(&text[..at]).map(|before| before + 1),
    }
}

/// Without a second argument only spaces go, no other white space.
fn trim(at_start: bool, at_end: bool) -> Kernel {
    Kernel::total(move |v, rows| {
        let (texts, sets) = (text_lane(&v[0]), v.get(1).map(text_lane));
        Ok(sliced(rows, |row| {
            let mut text = texts.get(row)?;
            let set = match &sets {
                None => " ",
                Some(sets) => sets.get(row)?,
            };
            let goes = |c: char| set.contains(c);
            if at_start {
                text = text.trim_start_matches(goes);
            }
            if at_end {
                text = text.trim_end_matches(goes);
            }
            Some(text)
        }))
    })
}

/// NULL arguments count as empty text.
fn concat() -> Kernel {
    Kernel::partial(|v, rows| {
        let lanes = lanes(v);
        written(rows, |row, out| {
            lanes.iter().filter_map(|lane| lane.get(row)).try_for_each(|part| push(out, part))?;
            Ok(true)
        })
    })
}

/// NULL if any argument is.
fn concat_operator() -> Kernel {
    Kernel::partial(|v, rows| {
        let lanes = lanes(v);
        written(rows, |row, out| {
            for lane in &lanes {
                let Some(part) = lane.get(row) else { return Ok(false) };
                push(out, part)?;
            }
            Ok(true)
        })
    })
}

/// Appends within the limit of a text.
fn push(out: &mut String, part: &str) -> Result<(), Failure> {
    if out.len() + part.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    out.push_str(part);
    Ok(())
}

/// Every occurrence, left to right; an empty needle occurs nowhere.
fn replace() -> Kernel {
    Kernel::partial(|v, rows| {
        let (texts, needles, others) = (text_lane(&v[0]), text_lane(&v[1]), text_lane(&v[2]));
        written(rows, |row, out| {
            let (Some(text), Some(needle), Some(other)) =
                (texts.get(row), needles.get(row), others.get(row))
            else {
                return Ok(false);
            };
            if needle.is_empty() {
                push(out, text)?;
                return Ok(true);
            }
            let mut from = 0;
            for (at, found) in text.match_indices(needle) {
                push(out, &text[from..at])?;
                push(out, other)?;
                from = at + found.len();
            }
            push(out, &text[from..])?;
            Ok(true)
        })
    })
}
