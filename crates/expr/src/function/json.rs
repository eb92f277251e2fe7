//! `JSON_VALUE(json, path)`: the scalar at a path, as text.
//!
//! A path is `$` and steps: `.name`, `."any name"`, `['any name']`, `[0]`, and `[-1]` from the end.
//! Text comes without its quotes, numbers as they are written, truth values as `true` and `false`;
//! `null`, objects, arrays and what is missing are NULL. Of members with the same name the first
//! counts. Text that is not JSON makes the record bad.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::json_text::{Scanner, unescape};
use super::text_output::written;
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, text_lane};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    /// From the front, or from the end if negative.
    Element(i64),
}

fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(member) = rest.strip_prefix('.') {
            if let Some(quoted) = member.strip_prefix('"') {
                let (name, tail) = quoted.split_once('"')?;
                steps.push(Step::Member(name.to_owned()));
                rest = tail;
            } else {
                let end = member.find(['.', '[']).unwrap_or(member.len());
                if end == 0 {
                    return None;
                }
                steps.push(Step::Member(member[..end].to_owned()));
                rest = &member[end..];
            }
            continue;
        }
        let inner = rest.strip_prefix('[')?;
        if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let (name, tail) = inner[1..].split_once(quote)?;
            steps.push(Step::Member(name.to_owned()));
            rest = tail.strip_prefix(']')?;
        } else {
            let (index, tail) = inner.split_once(']')?;
            steps.push(Step::Element(index.trim().parse().ok()?));
            rest = tail;
        }
    }
    Some(steps)
}

fn bad_path(path: &str) -> String {
    format!("invalid JSON path '{path}'")
}

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::JsonValue => json_value(arguments),
        _ => Err(Problem::Types),
    }
}

fn json_value(arguments: &[Node]) -> Compiled {
    let [_, path] = arguments else { return Err(Problem::Types) };
    let fixed = match path.as_constant().filter(|array| array.is_valid(0)) {
        None => None,
        Some(array) => {
            let path = array.as_string_view().value(0);
            Some(parse_path(path).ok_or_else(|| bad_path(path))?)
        }
    };
    let kernel = Kernel::partial(move |v, rows| {
        let (texts, paths) = (text_lane(&v[0]), text_lane(&v[1]));
        written(rows, |row, out| {
            let (Some(text), Some(path)) = (texts.get(row), paths.get(row)) else {
                return Ok(false);
            };
            let found = match &fixed {
                Some(steps) => find(text, steps)?,
                None => {
                    let steps = parse_path(path).ok_or_else(|| Failure::row(bad_path(path)))?;
                    find(text, &steps)?
                }
            };
            Ok(found.is_some_and(|value| write_scalar(value, out)))
        })
    });
    Ok((kernel, DataType::Varchar))
}

/// The text of the value at a path; `None` where it leads nowhere.
fn find<'a>(text: &'a str, steps: &[Step]) -> Result<Option<&'a str>, Failure> {
    if !Scanner::new(text).holds_document() {
        return Err(Failure::row("invalid JSON"));
    }
    let mut scanner = Scanner::new(text);
    let is_there = steps.iter().all(|step| match step {
        Step::Member(name) => scanner.enter_member(name),
        Step::Element(index) => scanner.enter_element(*index),
    });
    Ok(if is_there { scanner.value() } else { None })
}

/// Whether the value is a scalar other than `null`, which is then appended.
fn write_scalar(value: &str, out: &mut String) -> bool {
    match value.as_bytes().first() {
        Some(b'"') => {
            out.push_str(&unescape(value));
            true
        }
        Some(b'{' | b'[' | b'n') | None => false,
        Some(_) => {
            out.push_str(value);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let member = |name: &str| Step::Member(name.to_owned());
        assert_eq!(parse_path("$"), Some(vec![]));
        assert_eq!(
            parse_path("$.a.b[0]['x y'][-1].\"d.e\""),
            Some(vec![
                member("a"),
                member("b"),
                Step::Element(0),
                member("x y"),
                Step::Element(-1),
                member("d.e"),
            ])
        );
        for broken in ["", "a", "$.", "$..a", "$[", "$[a]", "$['a", "$['a'", "$a", "$.\"a", "$[]"] {
            assert_eq!(parse_path(broken), None, "{broken}");
        }
    }
}
