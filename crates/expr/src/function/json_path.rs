//! Where a value stands in a JSON text.
//!
//! A path is `$` and steps: `.name`, `."any name"`, `['any name']`, `[0]`, and `[-1]` from the end; or `/` and
//! names or numbers between slashes (RFC 6901); else it is the name of a member, and a number is the place of
//! an element.

use std::borrow::Cow;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::Problem;
use crate::node::Node;
use crate::value::{Failure, Value};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    /// From the front, or from the end if negative.
    Element(i64),
    /// A member by this name, or an element if it is a number: a step of a pointer.
    Either(String),
}

/// The paths of a call: one for all rows, or each row's.
pub(super) enum Paths {
    Fixed(Vec<Step>),
    Varying { is_standard: bool },
}

impl Paths {
    /// Of the second argument; all of the text where there is none. Those of the standard begin with `$`.
    pub(super) fn new(node: Option<&Node>, is_standard: bool) -> Result<Self, Problem> {
        let Some(node) = node else { return Ok(Self::Fixed(Vec::new())) };
        match node.as_constant().filter(|array| array.is_valid(0)) {
            None => Ok(Self::Varying { is_standard }),
            Some(array) => Ok(Self::Fixed(steps_of(array.as_ref(), 0, is_standard)?)),
        }
    }

    /// The steps of a row; `None` for NULL.
    pub(super) fn of(
        &self,
        value: Option<&Value>,
        row: usize,
    ) -> Result<Option<Cow<'_, [Step]>>, Failure> {
        match (self, value) {
            (Self::Fixed(steps), _) => Ok(Some(Cow::Borrowed(steps))),
            (Self::Varying { is_standard }, Some(value)) => {
                let (array, index) = (value.array(), value.index_of(row));
                let steps =
                    array.is_valid(index).then(|| steps_of(array.as_ref(), index, *is_standard));
                Ok(steps.transpose().map_err(Failure::row)?.map(Cow::Owned))
            }
            (Self::Varying { .. }, None) => Ok(None),
        }
    }
}

/// The steps that a text or a number stands for.
fn steps_of(array: &dyn Array, index: usize, is_standard: bool) -> Result<Vec<Step>, String> {
    let Some(texts) = array.as_string_view_opt() else {
        return Ok(vec![Step::Element(array.as_primitive::<Int64Type>().value(index))]);
    };
    let text = texts.value(index);
    if is_standard || text.starts_with('$') {
        // What the standard calls lax is how all paths are here: what is missing is no error.
        let text = text.strip_prefix("lax ").filter(|_| is_standard).unwrap_or(text).trim();
        return parse_path(text).ok_or_else(|| format!("invalid JSON path '{text}'"));
    }
    match text.strip_prefix('/') {
        None => Ok(vec![Step::Member(text.to_owned())]),
        Some(pointer) => {
            let name = |part: &str| part.replace("~1", "/").replace("~0", "~");
            Ok(pointer.split('/').map(|part| Step::Either(name(part))).collect())
        }
    }
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
                if end == 0 || &member[..end] == "*" {
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
            // DuckDB's name of the last element and those before it.
            let index = index.trim();
            let index = index.strip_prefix('#').filter(|index| !index.is_empty()).unwrap_or(index);
            steps.push(Step::Element(index.parse().ok()?));
            rest = tail;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let member = |name: &str| Step::Member(name.to_owned());
        assert_eq!(parse_path("$"), Some(vec![]));
        assert_eq!(
            parse_path("$.a.b[0]['x y'][-1].\"d.e\"[#-2]"),
            Some(vec![
                member("a"),
                member("b"),
                Step::Element(0),
                member("x y"),
                Step::Element(-1),
                member("d.e"),
                Step::Element(-2),
            ])
        );
        for broken in [
            "", "a", "$.", "$..a", "$[", "$[a]", "$['a", "$['a'", "$a", "$.\"a", "$[]", "$.*",
            "$[*]", "$[#]",
        ] {
            assert_eq!(parse_path(broken), None, "{broken}");
        }
    }
}
