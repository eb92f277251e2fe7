//! Building columns of text.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_select::take::take;

use crate::value::Failure;

/// The longest text a function that joins or repeats texts may make, in bytes. A row that would make more is bad: `LPAD` and
/// `REPLACE` could otherwise fill the memory from one small record.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 20;

/// A failure of a row whose text would be longer than [`TEXT_BYTES_MAX`].
pub(super) fn too_long() -> Failure {
    Failure::row("text longer than 16 MiB")
}

/// Bytes of text that a function makes of several rows: of a batch of 8,192 rows each may have
/// [`TEXT_BYTES_MAX`].
const BATCH_BYTES_MAX: usize = 16 << 20;

/// What a row has.
pub(super) enum Wrote {
    /// A text, which is in the buffer.
    Text,
    /// The text of the row before.
    Again,
    /// NULL.
    Null,
}

/// Texts written row by row into a buffer. `write` says whether the row has a value.
pub(super) fn written(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Result<bool, Failure>,
) -> Result<ArrayRef, Failure> {
    wrote(rows, |row, out| Ok(if write(row, out)? { Wrote::Text } else { Wrote::Null }))
}

/// The same, where a row may have the text of the one before.
///
/// # Errors
/// [`Failure::Large`] where several rows make more than [`BATCH_BYTES_MAX`] together.
pub(super) fn wrote(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Result<Wrote, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    // Which of the texts each row has, once some have one together.
    let mut places: Vec<u32> = Vec::new();
    let (mut text, mut byte_count, mut count) = (String::new(), 0, 0_u32);
    for row in 0..rows {
        text.clear();
        match write(row, &mut text)? {
            Wrote::Again => {
                if places.is_empty() {
                    places = (0..count).collect();
                }
                places.push(count - 1);
                continue;
            }
            Wrote::Null => builder.append_null(),
            Wrote::Text => {
                byte_count += text.len();
                if byte_count > BATCH_BYTES_MAX && rows > 1 {
                    return Err(Failure::Large);
                }
                builder.append_value(&text);
            }
        }
        if !places.is_empty() {
            places.push(count);
        }
        count += 1;
    }
    let texts: ArrayRef = Arc::new(builder.finish());
    if places.is_empty() {
        return Ok(texts);
    }
    Ok(take(&texts, &UInt32Array::from(places), None)?)
}

/// Texts that are parts of texts at hand.
pub(super) fn sliced<'a>(rows: usize, part: impl FnMut(usize) -> Option<&'a str>) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(rows);
    (0..rows).map(part).for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

/// Truth values row by row.
pub(super) fn tested(rows: usize, test: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
    Arc::new((0..rows).map(test).collect::<BooleanArray>())
}
