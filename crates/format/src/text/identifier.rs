//! Integers that are written as an identifier is: with a zero in front, or a plus.
//!
//! Had one been in the sample, its column would be text. The ways that read many integers at once take them
//! for numbers, so that they are looked for apart, in inferred columns alone.

use super::cells::Chunk;
use super::fields::Fields;
use super::misfit::{Misfit, misfit};
use super::number::{self, Fault};
use tidemill_record::Field;

/// Finds those that are written as an identifier among the values of a column that have been read as integers.
pub(super) fn refuse<F: Fields>(chunk: &Chunk<'_, F>, field: &Field, misfits: &mut Vec<Misfit>) {
    for row in 0..chunk.fields.row_count() {
        // Blanks, signs and the zero come before the other digits.
        if let Some((start, len)) = chunk.fields.plain(row) {
            match &chunk.frame[start..start + len] {
                [b'0'] | [b'1'..=u8::MAX, ..] | [b'-', b'1'..=u8::MAX, ..] => continue,
                _ => {}
            }
        }
        let slot = chunk.fields.slot(row);
        if slot.is_null() {
            continue;
        }
        let text = chunk.text(slot);
        // What is no integer has been refused before.
        if has_mark(text) && number::integer(text).is_ok() {
            misfit(field, misfits, row, text, Fault::Identifier);
        }
    }
}

/// Whether a number begins with a plus, or with a zero before another digit.
fn has_mark(text: &[u8]) -> bool {
    let text = number::trimmed(text);
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    matches!(digits, [b'+', ..] | [b'0', b'0'..=b'9', ..])
}
