//! What a regular expression finds: `REGEXP_EXTRACT`, `REGEXP_EXTRACT_ALL`, `REGEXP_COUNT`, and the texts
//! between (`REGEXP_SPLIT_TO_ARRAY`).

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tidemill_record::DataType;

use super::array::{texts_type, try_texts};
use super::lift::Output;
use super::pattern::{Matches, Pattern};
use super::regexp::{Flags, Source};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::text_output::{Wrote, wrote};
use crate::value::{Failure, Value, text_lane};

/// Which group is asked for, of the third argument: a number from 0 (all that matches) to 9, or a name.
enum Group {
    Fixed(usize),
    Varying,
}

impl Group {
    fn new(node: Option<&Node>, source: &Source) -> Result<Self, Problem> {
        let Some(node) = node else { return Ok(Self::Fixed(0)) };
        let constant = node.as_constant().filter(|array| array.is_valid(0));
        match (constant, source.fixed()) {
            (Some(array), Some(pattern)) => {
                let value = Value::scalar(Arc::clone(array));
                Ok(group_of(&value, 0, pattern)?.map_or(Self::Varying, Self::Fixed))
            }
            _ => Ok(Self::Varying),
        }
    }

    /// The group of a row; `None` for NULL.
    fn of(
        &self,
        values: &[Value],
        row: usize,
        pattern: &Pattern,
    ) -> Result<Option<usize>, Failure> {
        match self {
            Self::Fixed(group) => Ok(Some(*group)),
            Self::Varying => group_of(&values[2], row, pattern).map_err(Failure::row),
        }
    }
}

fn group_of(value: &Value, row: usize, pattern: &Pattern) -> Result<Option<usize>, String> {
    let (array, index) = (value.array(), value.index_of(row));
    if array.is_null(index) {
        return Ok(None);
    }
    if let Some(names) = array.as_string_view_opt() {
        let name = names.value(index);
        let found = pattern.regex().capture_names().position(|known| known == Some(name));
        return found.map(Some).ok_or_else(|| format!("the pattern has no group '{name}'"));
    }
    let number = array.as_primitive::<Int64Type>().value(index);
    let last = pattern.group_count() - 1;
    let group = usize::try_from(number).ok().filter(|group| *group <= last);
    group.map(Some).ok_or_else(|| format!("the pattern has no group {number}; its last is {last}"))
}

fn source_of(arguments: &[Node], flags: usize) -> Result<Source, Problem> {
    Source::new(&arguments[1], arguments.get(flags), Flags::default())
}

/// The first match, or a group of it; empty where nothing matches, or the group takes no part.
pub(super) fn extract(arguments: &[Node]) -> Compiled {
    let source = source_of(arguments, 3)?;
    let group = Group::new(arguments.get(2), &source)?;
    let is_fallible = source.fixed().is_none() || matches!(group, Group::Varying);
    let kernel = Kernel::partial(move |v, rows| {
        let mut patterns = source.reader(&v[1], v.get(3));
        let mut groups = source.fixed().map(Pattern::groups);
        let texts = text_lane(&v[0]);
        wrote(v, Some(&v[0]), rows, |row, _| {
            let Some(text) = texts.get(row) else { return Ok(Wrote::Null) };
            let Some((pattern, _)) = patterns.get(row)? else { return Ok(Wrote::Null) };
            let Some(group) = group.of(v, row, pattern)? else { return Ok(Wrote::Null) };
            let found = match (group, &mut groups) {
                // Groups cost more than the match alone.
                (0, _) => pattern.find(text),
                (_, Some(groups)) => {
                    pattern.find_groups(text, 0, groups).and_then(|_| groups.get(group))
                }
                (_, None) => {
                    let mut groups = pattern.groups();
                    pattern.find_groups(text, 0, &mut groups).and_then(|_| groups.get(group))
                }
            };
            Ok(Wrote::Part(found.map_or("", |(start, end)| &text[start..end])))
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Varchar))
}

/// All matches, or a group of each.
pub(super) fn extract_all(arguments: &[Node]) -> Compiled {
    let source = source_of(arguments, 3)?;
    let group = Group::new(arguments.get(2), &source)?;
    let kernel = Kernel::partial(move |v, rows| {
        let texts = text_lane(&v[0]);
        let mut patterns = source.reader(&v[1], v.get(3));
        try_texts(rows, |row, push| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let Some((pattern, _)) = patterns.get(row)? else { return Ok(false) };
            let Some(group) = group.of(v, row, pattern)? else { return Ok(false) };
            for captures in pattern.regex().captures_iter(text) {
                push(captures.get(group).map_or("", |group| group.as_str()));
            }
            Ok(true)
        })
    });
    Ok((kernel, texts_type()))
}

/// How often a pattern occurs, without overlaps.
pub(super) fn count(arguments: &[Node]) -> Compiled {
    let source = source_of(arguments, 2)?;
    let kernel = Kernel::partial(move |v, rows| {
        let texts = text_lane(&v[0]);
        let mut patterns = source.reader(&v[1], v.get(2));
        i64::collect(rows, |row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            let Some((pattern, _)) = patterns.get(row)? else { return Ok(None) };
            let mut count = 0;
            let mut matches = Matches::new(text);
            while matches.next(|from| pattern.find_from(text, from)).is_some() {
                count += 1;
            }
            Ok(Some(count))
        })
    });
    Ok((kernel, DataType::BigInt))
}

/// The texts between matches.
pub(super) fn split(arguments: &[Node]) -> Compiled {
    let source = source_of(arguments, 2)?;
    let kernel = Kernel::partial(move |v, rows| {
        let texts = text_lane(&v[0]);
        let mut patterns = source.reader(&v[1], v.get(2));
        try_texts(rows, |row, push| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let Some((pattern, _)) = patterns.get(row)? else { return Ok(false) };
            split_at_matches(text, pattern, push);
            Ok(true)
        })
    });
    Ok((kernel, texts_type()))
}

/// A match of nothing splits behind the character that it stands before, and not at the end.
fn split_at_matches(text: &str, pattern: &Pattern, push: &mut dyn FnMut(&str)) {
    let mut from = 0;
    while from < text.len() {
        let Some((mut start, mut end)) = pattern.find_from(text, from) else { break };
        if end == from {
            start = from + text[from..].chars().next().map_or(0, char::len_utf8);
            end = start;
            if start == text.len() {
                break;
            }
        }
        push(&text[from..start]);
        from = end;
    }
    push(&text[from..]);
}
