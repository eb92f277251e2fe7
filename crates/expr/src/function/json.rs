//! Values of JSON texts: `JSON_VALUE`, `JSON_EXTRACT` and `->`, and questions about them.
//!
//! Where a value is, a path says (`json_path`). A scalar as text comes without its quotes; numbers are as
//! they are written. A value as JSON comes as it is written, without white space between its parts. Of members
//! with the same name the first counts. Text that is not JSON makes the record bad.

use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use super::array::{texts_type, try_texts};
use super::json_path::Paths;
use super::json_text::{Scanner, unescape};
use super::lift::{Output, Text, value1, value2};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::text_output::{tested, written};
use crate::value::{Failure, Value, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let is_standard = matches!(
        function,
        Function::JsonValue
            | Function::JsonQuery
            | Function::JsonExists
            | Function::JsonFound
            | Function::JsonAt
    );
    let paths = Paths::new(arguments.get(1), is_standard)?;
    match function {
        Function::JsonValue => texts(paths, scalar),
        Function::JsonExtract | Function::JsonAt => texts(paths, |value, out| {
            compact(value, out);
            true
        }),
        Function::JsonExtractString => texts(paths, |value, out| {
            let is_there = value != "null";
            match value.as_bytes().first() {
                Some(b'"') => out.push_str(&unescape(value)),
                _ => compact(value, out),
            }
            is_there
        }),
        Function::JsonFound => Ok((what_is_found(paths), DataType::Varchar)),
        Function::JsonQuery => texts(paths, |value, out| {
            compact(value, out);
            value.starts_with(['{', '['])
        }),
        Function::JsonType => texts(paths, |value, out| {
            out.push_str(type_of(value));
            true
        }),
        Function::JsonExists => {
            let kernel = Kernel::partial(move |v, rows| {
                tested(v, rows, |row| Ok(found(&paths, v, row)?.map(|found| found.is_some())))
            });
            Ok((kernel, DataType::Boolean))
        }
        Function::JsonArrayLength => {
            let kernel = Kernel::partial(move |v, rows| {
                let count = |value: &str| i64::try_from(elements(value).count()).ok();
                i64::collect(rows, |row| Ok(found(&paths, v, row)?.and_then(|found| count(found?))))
            });
            Ok((kernel, DataType::BigInt))
        }
        Function::JsonKeys => {
            let kernel = Kernel::partial(move |v, rows| {
                try_texts(rows, |row, push| {
                    let Some(Some(value)) = found(&paths, v, row)? else { return Ok(false) };
                    keys(value).for_each(|key| push(&unescape(key)));
                    Ok(true)
                })
            });
            Ok((kernel, texts_type()))
        }
        Function::JsonValid => {
            let kernel = value1::<Text, _>(|text| Scanner::new(text).holds_document());
            Ok((kernel, DataType::Boolean))
        }
        _ => Err(Problem::Types),
    }
}

/// Whether a text is JSON of the kind that the second argument names.
pub(super) fn is_json() -> Kernel {
    value2::<Text, Text, _>(|text, kind| {
        let begins = |with: &[char]| text.trim_start().starts_with(with);
        let is_kind = match kind {
            "OBJECT" => begins(&['{']),
            "ARRAY" => begins(&['[']),
            "SCALAR" => !begins(&['{', '[']),
            _ => true,
        };
        is_kind && Scanner::new(text).holds_document()
    })
}

/// The value at a row's path: `None` if an argument is NULL, `Some(None)` where the path leads nowhere.
fn found<'a>(
    paths: &Paths,
    values: &'a [Value],
    row: usize,
) -> Result<Option<Option<&'a str>>, Failure> {
    let Some(text) = text_lane(&values[0]).get(row) else { return Ok(None) };
    let Some(steps) = paths.of(values.get(1), row)? else { return Ok(None) };
    let found = Scanner::new(text).find_checked(&steps);
    Ok(Some(found.ok_or_else(|| Failure::row("invalid JSON"))?))
}

/// Texts made of values; NULL where `write` says so, and where there is no value.
fn texts(paths: Paths, write: fn(&str, &mut Line) -> bool) -> Compiled {
    let kernel = Kernel::partial(move |v, rows| {
        written(v, rows, |row, out| match found(&paths, v, row)? {
            Some(Some(value)) => Ok(write(value, out)),
            Some(None) | None => Ok(false),
        })
    });
    Ok((kernel, DataType::Varchar))
}

/// What is at the path, in a word, and whether a third argument says that it makes the record bad.
fn what_is_found(paths: Paths) -> Kernel {
    const FAILURES: [(&str, &str); 5] = [
        ("INVALID", "invalid JSON"),
        ("EMPTY", "nothing is at the path"),
        ("NULL", "null is at the path, neither an object nor an array"),
        ("SCALAR", "a scalar is at the path, neither an object nor an array"),
        ("ITEMS", "an object or array is at the path, and no scalar"),
    ];
    Kernel::partial(move |v, rows| {
        let fails = text_lane(&v[2]);
        written(v, rows, |row, out| {
            let word = match found(&paths, v, row) {
                // The path may be what is wrong, and that is no matter of the text.
                Err(failure) => {
                    let is_path = |text: &&str| Scanner::new(text).holds_document();
                    if text_lane(&v[0]).get(row).is_none_or(|text| is_path(&text)) {
                        return Err(failure);
                    }
                    "INVALID"
                }
                Ok(None) => return Ok(false),
                Ok(Some(None)) => "EMPTY",
                Ok(Some(Some(value))) => match value.as_bytes().first() {
                    Some(b'{' | b'[') => "ITEMS",
                    Some(b'n') => "NULL",
                    _ => "SCALAR",
                },
            };
            if fails.get(row).is_some_and(|fails| fails.split(' ').any(|fail| fail == word)) {
                let failure = FAILURES.iter().find(|(name, _)| *name == word);
                return Err(Failure::row(failure.map_or("", |(_, why)| why)));
            }
            out.push_str(word);
            Ok(true)
        })
    })
}

/// Whether the value is a scalar other than `null`, which is then appended.
fn scalar(value: &str, out: &mut Line) -> bool {
    match value.as_bytes().first() {
        Some(b'"') => out.push_str(&unescape(value)),
        Some(b'{' | b'[' | b'n') | None => return false,
        Some(_) => out.push_str(value),
    }
    true
}

/// Appends a value without white space between its parts.
fn compact(value: &str, out: &mut Line) {
    let mut is_text = false;
    let mut is_escaped = false;
    let mut from = 0;
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            b' ' | b'\t' | b'\n' | b'\r' if !is_text => {
                out.push_str(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&value[from..]);
}

/// As `DuckDB` calls them.
fn type_of(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'{') => "OBJECT",
        Some(b'[') => "ARRAY",
        Some(b'"') => "VARCHAR",
        Some(b't' | b'f') => "BOOLEAN",
        Some(b'n') | None => "NULL",
        Some(_) if value.parse::<u64>().is_ok() => "UBIGINT",
        Some(_) if value.parse::<i64>().is_ok() => "BIGINT",
        Some(_) => "DOUBLE",
    }
}

/// The elements of an array; none of what is none.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    Scanner::new(value).into_elements()
}

/// The keys of an object, in quotes; none of what is none.
fn keys(value: &str) -> impl Iterator<Item = &str> {
    Scanner::new(value).into_keys()
}
