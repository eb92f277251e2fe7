//! Building columns of text, and of truth values.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use tidemill_record::recycled::{Line, Room, Texts, Validity};

use crate::recall::Recall;
use crate::value::{Failure, Value, text_lane};

/// The longest text a function that joins or repeats texts may make, in bytes. A row that would make more is bad: `LPAD` and
/// `REPLACE` could otherwise fill the memory from one small record.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// A failure of a row whose text would be longer than [`TEXT_BYTES_MAX`].
pub(crate) fn too_long() -> Failure {
    Failure::row("text longer than 16 MiB")
}

/// Bytes of text that a function makes of several rows: of a batch of 8,192 rows each may have
/// [`TEXT_BYTES_MAX`].
const BATCH_BYTES_MAX: usize = 16 << 20;

/// What a row has.
pub(crate) enum Wrote<'a> {
    /// A text, which is in the buffer.
    Text,
    /// A part of its text in the source.
    Part(&'a str),
    /// NULL.
    Null,
}

/// Texts written row by row into a buffer. `write` says whether the row has a value; it is given a row, and is
/// a function of `values` alone.
pub(crate) fn written(
    values: &[Value],
    rows: usize,
    mut write: impl FnMut(usize, &mut Line) -> Result<bool, Failure>,
) -> Result<ArrayRef, Failure> {
    wrote(values, None, rows, |row, out| {
        Ok(if write(row, out)? { Wrote::Text } else { Wrote::Null })
    })
}

/// The same, where a row may have a part of its text in `source`, which is not copied.
///
/// # Errors
/// [`Failure::Large`] where several rows make more than [`BATCH_BYTES_MAX`] together.
pub(crate) fn wrote<'a>(
    values: &[Value],
    source: Option<&'a Value>,
    rows: usize,
    mut write: impl FnMut(usize, &mut Line) -> Result<Wrote<'a>, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut texts = Texts::new(source.map(|source| source.array().as_string_view()), rows);
    let mut recall = Recall::new(values, rows);
    for row in 0..rows {
        if let Some(recall) = &mut recall
            && let Some(earlier) = recall.earlier(row)
        {
            texts.end_as(earlier);
            continue;
        }
        match write(row, texts.line())? {
            Wrote::Null => texts.end_null(),
            Wrote::Part(part) => {
                texts.end_part(source.map_or(row, |source| source.index_of(row)), part);
            }
            Wrote::Text => {
                if texts.byte_count() + texts.line().len() > BATCH_BYTES_MAX && rows > 1 {
                    return Err(Failure::Large);
                }
                texts.end_row();
            }
        }
    }
    Ok(texts.finish())
}

/// Texts that are parts of those of the first value, which they share their memory with. `part` is given a row
/// and its text.
pub(crate) fn sliced<'a>(
    values: &'a [Value],
    rows: usize,
    mut part: impl FnMut(usize, &'a str) -> Result<Option<&'a str>, Failure>,
) -> Result<ArrayRef, Failure> {
    let texts = text_lane(&values[0]);
    // To look for an earlier row takes longer than most parts.
    wrote(&[], Some(&values[0]), rows, |row, _| {
        let Some(text) = texts.get(row) else { return Ok(Wrote::Null) };
        Ok(part(row, text)?.map_or(Wrote::Null, Wrote::Part))
    })
}

/// Truth values row by row, of what is a function of `values` alone.
pub(crate) fn tested(
    values: &[Value],
    rows: usize,
    mut test: impl FnMut(usize) -> Result<Option<bool>, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut words: Room<u64> = Room::default();
    words.resize(rows.div_ceil(64));
    words.fill(0);
    let mut validity = Validity::new(rows);
    let mut recall = Recall::new(values, rows);
    for row in 0..rows {
        if let Some(recall) = &mut recall
            && let Some(earlier) = recall.earlier(row)
        {
            words[row / 64] |= (words[earlier / 64] >> (earlier % 64) & 1) << (row % 64);
            validity.set_as(row, earlier);
            continue;
        }
        match test(row)? {
            Some(holds) => words[row / 64] |= u64::from(holds) << (row % 64),
            None => validity.set_null(row),
        }
    }
    Ok(words.finish_truths(rows, validity.finish()))
}
