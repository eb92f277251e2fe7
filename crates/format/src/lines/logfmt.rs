//! `key=value` pairs.
//!
//! As Go's `go-logfmt` reads them, with choices where that refuses or says nothing: keys are what stands before a `=`, a
//! blank or a quote; a value in quotes is a JSON string; any other goes to the next blank, `=` and quotes in it being
//! text. `key=` and `key=null` are NULL, `key=""` is empty text, and a key alone is `true`. Blanks are all bytes up to
//! the space.

use std::collections::HashMap;

use tidemill_record::Offset;

use super::decode::Line;
use crate::json::scan::Scanner;
use crate::lost::UnknownKeys;
use crate::text::Slot;
use crate::text::slot::{RowSlots, Tag};
use crate::{DecoderSpec, LeftOut};

/// Keys that are columns.
pub(super) struct Pairs {
    // Fixed at construction.
    /// For each column of the schema, its place among those needed.
    needed: Vec<Option<usize>>,
    /// Columns by their names, and by their names in lower case.
    exact: HashMap<Box<[u8]>, usize>,
    folded: HashMap<Box<[u8]>, usize>,
    is_inferred: bool,
    // Changes with every record.
    unknown: UnknownKeys,
    lower_case: Vec<u8>,
    /// Columns of which the record has the very name.
    is_exact: Vec<bool>,
}

/// A value and how it was written.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// Nothing behind the key.
    Alone,
    /// Nothing behind the `=`.
    Empty,
    Bare(Slot),
    Quoted(Slot),
}

impl Pairs {
    pub(super) fn new(spec: &DecoderSpec<'_>) -> Self {
        let fields = &spec.schema.fields;
        let mut needed = vec![None; fields.len()];
        for (place, &column) in spec.columns.iter().enumerate() {
            needed[column] = Some(place);
        }
        let (mut exact, mut folded) = (HashMap::new(), HashMap::new());
        for (column, field) in fields.iter().enumerate() {
            let name = field.name.as_bytes();
            exact.entry(Box::from(name)).or_insert(column);
            folded.entry(Box::from(name.to_ascii_lowercase())).or_insert(column);
        }
        Self {
            is_exact: vec![false; needed.len()],
            needed,
            exact,
            folded,
            is_inferred: spec.is_inferred,
            unknown: UnknownKeys::default(),
            lower_case: Vec::new(),
        }
    }

    pub(super) fn take_apart(
        &mut self,
        line: Line<'_>,
        offset: Offset,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.is_exact.fill(false);
        let taken = pairs(line, side, |key, value, side| self.take(key, value, slots, side));
        match taken {
            Ok(()) => self.unknown.count(offset),
            Err(_) => self.unknown.drop_pending(),
        }
        taken
    }

    /// Sets the slot of a key's column. Of several the last counts, and one of another case only where none
    /// has the column's very name.
    fn take(&mut self, key: &[u8], value: Value, slots: &mut RowSlots<'_>, side: &mut Vec<u8>) {
        let (column, is_exact) = match self.exact.get(key) {
            Some(&column) => (column, true),
            None => {
                self.lower_case.clear();
                self.lower_case.extend(key.iter().map(u8::to_ascii_lowercase));
                match self.folded.get(self.lower_case.as_slice()) {
                    Some(&column) => (column, false),
                    None => {
                        if self.is_inferred {
                            self.unknown.note(key);
                        }
                        return;
                    }
                }
            }
        };
        if self.is_exact[column] && !is_exact {
            return;
        }
        self.is_exact[column] |= is_exact;
        let Some(place) = self.needed[column] else { return };
        slots.set(
            place,
            match value {
                Value::Empty => Slot::NULL,
                Value::Bare(slot) | Value::Quoted(slot) => slot,
                Value::Alone => {
                    let start = side.len();
                    side.extend_from_slice(b"true");
                    Slot::new(Tag::Unescaped, start, side.len())
                }
            },
        );
    }

    /// What is counted of keys that are no column.
    pub(super) fn unknown(&self) -> &UnknownKeys {
        &self.unknown
    }

    pub(super) fn unknown_mut(&mut self) -> &mut UnknownKeys {
        &mut self.unknown
    }

    /// Keys that were left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        self.unknown.left_out()
    }
}

/// Visits the pairs of a line. Slots are within the frame, or `side`.
pub(super) fn pairs(
    line: Line<'_>,
    side: &mut Vec<u8>,
    mut visit: impl FnMut(&[u8], Value, &mut Vec<u8>),
) -> Result<(), String> {
    let Line { bytes, start, end } = line;
    let text = &bytes[..end];
    let is_blank = |byte: &u8| *byte <= b' ';
    let fault = |what: &str, at: usize| format!("not logfmt: {what} at byte {}", at - start);
    let mut at = start;
    loop {
        at += text[at..].iter().take_while(|byte| is_blank(byte)).count();
        if at == end {
            return Ok(());
        }
        let is_of_key = |byte: &&u8| !is_blank(byte) && !matches!(byte, b'=' | b'"');
        let len = text[at..].iter().take_while(is_of_key).count();
        let key = &text[at..at + len];
        if key.is_empty() {
            return Err(fault("a key was expected", at));
        }
        at += len;
        let value = match text.get(at) {
            Some(b'"') => return Err(fault("a quote stands in a key", at)),
            Some(b'=') if text.get(at + 1) == Some(&b'"') => {
                let (slot, next) = Scanner { bytes, end }
                    .string(at + 2, side)
                    .map_err(|error| fault(error.what, error.at))?;
                if !text.get(next).is_none_or(is_blank) {
                    return Err(fault("text behind a closing quote", next));
                }
                at = next;
                Value::Quoted(slot)
            }
            Some(b'=') => {
                at += 1;
                let len = text[at..].iter().take_while(|byte| !is_blank(byte)).count();
                let (from, to) = (at, at + len);
                at = to;
                match &text[from..to] {
                    b"" | b"null" => Value::Empty,
                    _ => Value::Bare(Slot::new(Tag::Text, from, to)),
                }
            }
            _ => Value::Alone,
        };
        visit(key, value, side);
    }
}
