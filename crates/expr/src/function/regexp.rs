//! Regular expressions: whether they match, what they match, and other text in its place.
//!
//! Constant patterns are compiled once. Patterns follow RE2: `\d`, `\w`, `\s` and `\b` know ASCII
//! only, and `$` is the end of the text. Flags: `i` any case, `c` exact case, `s` lets `.` match a
//! newline, `m` keeps it from that (the default), `l` takes the pattern literally, and `g`, for
//! `REGEXP_REPLACE` only, replaces every match. In a replacement `\0` is the match, `\1` to `\9`
//! are its groups and `\\` is a backslash.

use regex::CaptureLocations;
use tidemill_plan::Function;
use tidemill_plan::lines::ascii_classes;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use arrow_array::Array;
use arrow_array::cast::AsArray;

use super::lift::{Text, text1};
use super::pattern::{Matches, Pattern, Reading};
use super::{Compiled, Problem, regexp_parts};
use crate::node::{Kernel, Node};
use crate::text_output::{TEXT_BYTES_MAX, Wrote, tested, too_long, wrote};
use crate::value::{Failure, Value, text_lane};

/// What flags ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    reading: Reading,
    is_literal: bool,
    is_global: bool,
    /// Whether `g` may ask for every match.
    allows_global: bool,
}

impl Flags {
    /// What a text asks for beside what holds for the function.
    fn parse(self, text: &str) -> Result<Self, String> {
        let mut flags = self;
        for flag in text.chars() {
            match flag {
                'i' => flags.reading.is_case_insensitive = true,
                'c' => flags.reading.is_case_insensitive = false,
                's' => flags.reading.is_dot_any = true,
                'm' | 'n' | 'p' => flags.reading.is_dot_any = false,
                'l' => flags.is_literal = true,
                'g' if flags.allows_global => flags.is_global = true,
                _ => return Err(format!("unknown regular expression flag '{flag}'")),
            }
        }
        Ok(flags)
    }

    fn compile(self, pattern: &str) -> Result<Pattern, regex::Error> {
        let pattern = if self.is_literal { regex::escape(pattern) } else { ascii_classes(pattern) };
        Pattern::new(&pattern, self.reading)
    }
}

/// The text of a constant argument.
enum Constant<'a> {
    Text(&'a str),
    Null,
    /// It is not constant.
    Varies,
}

fn constant<'a>(node: Option<&'a Node>, default: &'static str) -> Constant<'a> {
    let Some(node) = node else { return Constant::Text(default) };
    match node.as_constant() {
        None => Constant::Varies,
        Some(array) if array.is_null(0) => Constant::Null,
        Some(array) => Constant::Text(array.as_string_view().value(0)),
    }
}

/// A pattern that is compiled once, or once a run of rows with the same pattern and flags.
pub(super) enum Source {
    Fixed(Box<Pattern>, Flags),
    /// With the flags that hold for the function.
    Varying(Flags),
}

impl Source {
    pub(super) fn new(pattern: &Node, flags: Option<&Node>, base: Flags) -> Result<Self, Problem> {
        let parsed = match constant(flags, "") {
            Constant::Null => return Err("flags are NULL".to_owned().into()),
            Constant::Varies => return Ok(Self::Varying(base)),
            Constant::Text(text) => base.parse(text)?,
        };
        match constant(Some(pattern), "") {
            Constant::Text(text) => Ok(Self::Fixed(Box::new(parsed.compile(text)?), parsed)),
            Constant::Null | Constant::Varies => Ok(Self::Varying(base)),
        }
    }

    /// The pattern, where it is the same for all rows.
    pub(super) fn fixed(&self) -> Option<&Pattern> {
        if let Self::Fixed(pattern, _) = self { Some(pattern) } else { None }
    }

    pub(super) fn reader<'a>(
        &'a self,
        pattern: &'a Value,
        flags: Option<&'a Value>,
    ) -> Patterns<'a> {
        Patterns { source: self, pattern, flags, last: None }
    }
}

/// Gives each row its pattern.
pub(super) struct Patterns<'a> {
    source: &'a Source,
    pattern: &'a Value,
    flags: Option<&'a Value>,
    last: Option<(&'a str, &'a str, Pattern, Flags)>,
}

impl<'a> Patterns<'a> {
    /// `None` if the pattern or its flags are NULL.
    pub(super) fn get(&mut self, row: usize) -> Result<Option<(&Pattern, Flags)>, Failure> {
        let base = match self.source {
            Source::Fixed(regex, flags) => return Ok(Some((regex, *flags))),
            Source::Varying(base) => *base,
        };
        let flags = match self.flags {
            None => "",
            Some(flags) => match at(flags, row) {
                None => return Ok(None),
                Some(flags) => flags,
            },
        };
        let Some(pattern) = at(self.pattern, row) else { return Ok(None) };
        let is_same = |last: &(&str, &str, Pattern, Flags)| last.0 == pattern && last.1 == flags;
        if !self.last.as_ref().is_some_and(is_same) {
            let parsed = base.parse(flags).map_err(Failure::row)?;
            let regex = parsed
                .compile(pattern)
                .map_err(|_| Failure::row(format!("invalid regular expression '{pattern}'")))?;
            self.last = Some((pattern, flags, regex, parsed));
        }
        Ok(self.last.as_ref().map(|(_, _, regex, flags)| (regex, *flags)))
    }
}

fn at(value: &Value, row: usize) -> Option<&str> {
    let (array, index) = (value.array().as_string_view(), value.index_of(row));
    array.is_valid(index).then(|| array.value(index))
}

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::RegexpLike => like(arguments, false),
        Function::RegexpFullMatch => like(arguments, true),
        Function::RegexpReplace => replace(arguments),
        Function::RegexpExtract => regexp_parts::extract(arguments),
        Function::RegexpExtractAll => regexp_parts::extract_all(arguments),
        Function::RegexpCount => regexp_parts::count(arguments),
        Function::RegexpSplit => regexp_parts::split(arguments),
        Function::RegexpEscape => {
            let kernel = text1::<Text, _>(|text, out| out.push_str(&regex::escape(text)));
            Ok((kernel, DataType::Varchar))
        }
        _ => Err(Problem::Types),
    }
}

/// Whether a pattern occurs anywhere, or is all of the text.
fn like(arguments: &[Node], is_whole: bool) -> Compiled {
    let ([_, pattern] | [_, pattern, _]) = arguments else { return Err(Problem::Types) };
    let base = Flags { reading: Reading { is_whole, ..Reading::default() }, ..Flags::default() };
    let source = Source::new(pattern, arguments.get(2), base)?;
    let is_fallible = source.fixed().is_none();
    let kernel = Kernel::partial(move |v, rows| {
        let texts = text_lane(&v[0]);
        if let Some(regex) = source.fixed() {
            return tested(v, rows, |row| Ok(texts.get(row).map(|text| regex.is_match(text))));
        }
        let mut patterns = source.reader(&v[1], v.get(2));
        tested(v, rows, |row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            Ok(patterns.get(row)?.map(|(regex, _)| regex.is_match(text)))
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Boolean))
}

/// One element of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Parses a replacement for a pattern with `group_count` groups, the whole match not counted.
fn parse_replacement(text: &str, group_count: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            literal.push(c);
            continue;
        }
        match chars.next() {
            Some('\\') => literal.push('\\'),
            Some(digit @ '0'..='9') => {
                let group = usize::try_from(u32::from(digit) - u32::from('0')).unwrap_or(0);
                if group > group_count {
                    return Err(format!("the replacement asks for group {group} of {group_count}"));
                }
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                pieces.push(Piece::Group(group));
            }
            _ => return Err("a backslash in a replacement takes a digit or a backslash".to_owned()),
        }
    }
    pieces.push(Piece::Text(literal));
    Ok(pieces)
}

/// `REGEXP_REPLACE(text, pattern, replacement [, flags])`
fn replace(arguments: &[Node]) -> Compiled {
    let ([_, pattern, replacement] | [_, pattern, replacement, _]) = arguments else {
        return Err(Problem::Types);
    };
    let base = Flags { allows_global: true, ..Flags::default() };
    let source = Source::new(pattern, arguments.get(3), base)?;
    let fixed = match (&source, constant(Some(replacement), "")) {
        (Source::Fixed(regex, _), Constant::Text(text)) => {
            Some(parse_replacement(text, regex.group_count() - 1)?)
        }
        _ => None,
    };
    let kernel = Kernel::partial(move |v, rows| {
        let (texts, replacements) = (text_lane(&v[0]), text_lane(&v[2]));
        let mut patterns = source.reader(&v[1], v.get(3));
        let mut groups = source.fixed().map(Pattern::groups);
        wrote(v, Some(&v[0]), rows, |row, out| {
            let (Some(text), Some(replacement)) = (texts.get(row), replacements.get(row)) else {
                return Ok(Wrote::Null);
            };
            let Some((pattern, flags)) = patterns.get(row)? else { return Ok(Wrote::Null) };
            let varying;
            let pieces = match &fixed {
                Some(pieces) => pieces,
                None => {
                    let parsed = parse_replacement(replacement, pattern.group_count() - 1);
                    varying = parsed.map_err(Failure::row)?;
                    &varying
                }
            };
            let mut own = None;
            let groups = match &mut groups {
                Some(groups) => groups,
                None => own.insert(pattern.groups()),
            };
            let is_replaced = replace_one(pattern, flags, text, pieces, groups, out)?;
            Ok(if is_replaced { Wrote::Text } else { Wrote::Part(text) })
        })
    });
    Ok((kernel, DataType::Varchar))
}

/// Writes a text with other text in place of what matches; false, and nothing written, if nothing does.
fn replace_one(
    pattern: &Pattern,
    flags: Flags,
    text: &str,
    pieces: &[Piece],
    groups: &mut CaptureLocations,
    out: &mut Line,
) -> Result<bool, Failure> {
    // Groups cost more than the match alone.
    let has_groups = pieces.iter().any(|piece| matches!(piece, Piece::Group(1..)));
    let mut matches = Matches::new(text);
    let (mut from, mut is_replaced) = (0, false);
    while let Some((start, end)) = matches.next(|from| {
        if has_groups {
            pattern.find_groups(text, from, groups)
        } else {
            pattern.find_from(text, from)
        }
    }) {
        out.push_str(&text[from..start]);
        for piece in pieces {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(0) => &text[start..end],
                Piece::Group(group) => {
                    groups.get(*group).map_or("", |(start, end)| &text[start..end])
                }
            });
        }
        (from, is_replaced) = (end, true);
        if out.len() + text.len() - from > TEXT_BYTES_MAX {
            return Err(too_long());
        }
        if !flags.is_global {
            break;
        }
    }
    if is_replaced {
        out.push_str(&text[from..]);
    }
    Ok(is_replaced)
}
