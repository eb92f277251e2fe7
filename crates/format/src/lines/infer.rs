//! The columns of lines.

use memchr::memchr;
use tidemill_plan::LineOptions;
use tidemill_record::Schema;

use super::decode::Line;
use super::logfmt::{Value, pairs};
use crate::FormatError;
use crate::infer::LONG_RECORD;
use crate::json::infer::Columns;
use crate::text::kinds::NumberKinds;
use crate::text::slot::{FRAME_BYTES_MAX, Tag};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Those that the syntax says; of `key=value` pairs those of the head, typed as JSON's are: what stands in quotes
/// is no number.
pub(crate) fn infer(
    options: &LineOptions,
    head: &[u8],
    is_whole: bool,
) -> Result<Schema, FormatError> {
    if let Some(schema) = options.syntax.columns() {
        return Ok(schema);
    }
    let mut columns = Columns::new(&options.times);
    let (is_at_end, first_fault) = see_lines(&mut columns, head, is_whole, |_| false);
    match first_fault {
        _ if !columns.is_empty() => Ok(columns.into_schema()),
        Some(reason) => Err(FormatError::Sample { reason }),
        None if !is_at_end => {
            let reason = LONG_RECORD.to_owned();
            Err(FormatError::Sample { reason })
        }
        None => Err(FormatError::EmptySample),
    }
}

/// Whether the head of an input has a line in it that says a column; of one that goes on.
pub(crate) fn holds_first_record(options: &LineOptions, head: &[u8]) -> bool {
    let mut columns = Columns::new(&options.times);
    let is_enough = |columns: &Columns<'_>| !columns.is_empty();
    options.syntax.columns().is_some()
        || see_lines(&mut columns, head, false, is_enough) == (true, None)
        || !columns.is_empty()
}

/// Takes whole lines into account until it is enough; whether all there are were taken, and why the first that is
/// no pairs is none.
fn see_lines(
    columns: &mut Columns<'_>,
    head: &[u8],
    is_whole: bool,
    is_enough: impl Fn(&Columns<'_>) -> bool,
) -> (bool, Option<String>) {
    let bytes = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let bytes = &bytes[..bytes.len().min(FRAME_BYTES_MAX)];
    let (mut position, mut first_fault) = (0, None);
    while position < bytes.len() && !is_enough(columns) {
        let (end, next) = match memchr(b'\n', &bytes[position..]) {
            Some(len) => (position + len, position + len + 1),
            None if is_whole => (bytes.len(), bytes.len()),
            None => break,
        };
        if simdutf8::basic::from_utf8(&bytes[position..end]).is_ok() {
            let line = Line { bytes, start: position, end };
            if let Err(reason) = see_line(line, columns) {
                first_fault.get_or_insert(reason);
            }
        }
        position = next;
    }
    (position == bytes.len(), first_fault)
}

/// Takes a line into account; one that is no pairs leaves no trace.
fn see_line(line: Line<'_>, columns: &mut Columns<'_>) -> Result<(), String> {
    let (mut found, mut side) = (Vec::new(), Vec::new());
    pairs(line, &mut side, |key, value, _| found.push((key.to_vec(), value)))?;
    for (key, value) in found {
        let column = columns.named(String::from_utf8_lossy(&key).into_owned());
        match value {
            Value::Alone => column.see(Tag::Truth, b"true"),
            Value::Empty => column.see(Tag::Null, b""),
            Value::Bare(slot) => {
                let text = &line.bytes[slot.start()..slot.end()];
                let tag = match text {
                    b"true" | b"false" => Tag::Truth,
                    _ if NumberKinds::NONE_SEEN.with(text).is_some() => Tag::Number,
                    _ => Tag::Text,
                };
                column.see(tag, text);
            }
            Value::Quoted(slot) => {
                let bytes = if slot.tag() == Tag::Unescaped { &side } else { line.bytes };
                column.see(Tag::Text, &bytes[slot.start()..slot.end()]);
            }
        }
    }
    Ok(())
}
