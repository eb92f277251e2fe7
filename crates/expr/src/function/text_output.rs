//! Building columns of text.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{ArrayRef, BooleanArray};

use crate::value::Failure;

/// The longest text a function that joins or repeats texts may make, in bytes. A row that would make more is bad: `LPAD` and
/// `REPLACE` could otherwise fill the memory from one small record.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 20;

/// A failure of a row whose text would be longer than [`TEXT_BYTES_MAX`].
pub(super) fn too_long() -> Failure {
    Failure::row("text longer than 16 MiB")
}

/// Texts written row by row into a buffer. `write` says whether the row has a value.
pub(super) fn written(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Result<bool, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut text = String::new();
    for row in 0..rows {
        text.clear();
        if !write(row, &mut text)? {
            builder.append_null();
        } else {
            builder.append_value(&text);
        }
    }
    Ok(Arc::new(builder.finish()))
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
