//! Rows that have the same text as an earlier one, so that what was made of it need not be made again.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_buffer::NullBuffer;

use crate::value::Value;

/// Texts that are remembered at a time.
const ENTRIES: usize = 512;
const ENTRY_BITS: u32 = ENTRIES.trailing_zeros();
/// Of fewer rows it does not pay to make room for them.
const ROWS_MIN: usize = 64;
/// After so many rows it is seen whether texts come again.
const TRIAL_ROWS: usize = 512;
/// At least one row of so many has to have an earlier one's text.
const ROWS_A_HIT: usize = 3;

/// A view of this length is never that of a short text, nor of one that is in memory.
const NO_VIEW: u128 = u128::MAX;

/// Finds for the rows of one batch, one after the other, an earlier row with the same text: the same short one,
/// or the same memory, as rows of a dictionary have. It gives up where hardly any row has one.
pub(crate) struct Recall<'a> {
    views: &'a [u128],
    nulls: Option<&'a NullBuffer>,
    known: Vec<u128>,
    rows: Vec<u32>,
    hits: usize,
}

impl<'a> Recall<'a> {
    /// For a function of these values; `None` unless one text is all in which rows differ, and there are rows
    /// enough for this to pay.
    pub(crate) fn new(values: &'a [Value], row_count: usize) -> Option<Self> {
        if row_count < ROWS_MIN {
            return None;
        }
        let mut varying = values.iter().filter(|value| !value.is_scalar());
        let (Some(value), None) = (varying.next(), varying.next()) else { return None };
        let texts = value.array().as_string_view_opt()?;
        let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
        let (known, rows) = (vec![NO_VIEW; ENTRIES], vec![0; ENTRIES]);
        Some(Self { views: texts.views(), nulls, known, rows, hits: 0 })
    }

    /// An earlier row with the text of this one. Rows are asked for in order, each once.
    #[inline]
    pub(crate) fn earlier(&mut self, row: usize) -> Option<usize> {
        if self.known.is_empty() || self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        if row == TRIAL_ROWS && self.hits < TRIAL_ROWS / ROWS_A_HIT {
            self.known = Vec::new();
            return None;
        }
        let view = self.views[row];
        let entry = entry_of(view);
        if self.known[entry] == view {
            self.hits += 1;
            return Some(self.rows[entry] as usize);
        }
        if let Ok(row) = u32::try_from(row) {
            (self.known[entry], self.rows[entry]) = (view, row);
        }
        None
    }
}

/// Where a view is remembered.
#[inline]
fn entry_of(view: u128) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = (view as u64) ^ ((view >> 64) as u64).rotate_left(29);
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (u64::BITS - ENTRY_BITS)).expect("nine bits")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringViewArray;

    use super::*;

    fn column(texts: impl Iterator<Item = Option<String>>) -> Value {
        Value::column(Arc::new(texts.collect::<StringViewArray>()))
    }

    #[test]
    fn an_earlier_row_has_the_same_text() {
        let few = |row: usize| (!row.is_multiple_of(7)).then(|| format!("{}", row % 100));
        let texts = [column((0..5000).map(few))];
        let array = texts[0].array().as_string_view();
        let mut recall = Recall::new(&texts, array.len()).expect("one text column");
        let mut hits = 0;
        for row in 0..array.len() {
            if let Some(earlier) = recall.earlier(row) {
                assert!(earlier < row && array.is_valid(row) && array.is_valid(earlier));
                assert_eq!(array.value(earlier), array.value(row));
                hits += 1;
            }
        }
        assert!(hits > 3500, "{hits}");
    }

    #[test]
    fn it_gives_up_where_all_differ() {
        let texts = [column((0..5000).map(|row| Some(format!("{row}"))))];
        let mut recall = Recall::new(&texts, 5000).expect("one text column");
        assert!((0..5000).all(|row| recall.earlier(row).is_none()));
        assert!(recall.known.is_empty());
    }
}
