//! Rows of text that are encoded at a time: as few as their bytes ask for.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use tidemill_record::Batch;

/// Bytes of text that are encoded at a time, about, where one row does not have more.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of a value that is no text, about.
const VALUE_BYTES: usize = 16;

/// Bytes that the rows become, about. A text counts as often as rows have it, though they may share its bytes.
///
/// # Cost
/// O(rows and columns of text), without allocation.
pub(crate) fn text_bytes(batch: &Batch) -> usize {
    let of_column = |column: &arrow_array::ArrayRef| match column.as_string_view_opt() {
        Some(texts) => texts.lengths().map(count).fold(0, usize::saturating_add),
        None => column.len() * VALUE_BYTES,
    };
    batch.columns().iter().map(of_column).fold(0, usize::saturating_add)
}

/// The rows in pieces of about a MiB of text, or of one row; all of them where they have no more.
pub(crate) fn pieces(batch: &Batch) -> Vec<Batch> {
    if text_bytes(batch) <= PIECE_BYTES {
        return vec![batch.clone()];
    }
    let mut row_bytes = vec![0_usize; batch.row_count()];
    for column in batch.columns() {
        match column.as_string_view_opt() {
            Some(texts) => {
                let lengths = texts.lengths().map(count);
                row_bytes.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length);
            }
            None => row_bytes.iter_mut().for_each(|sum| *sum += VALUE_BYTES),
        }
    }
    let (mut pieces, mut start, mut sum) = (Vec::new(), 0, 0_usize);
    for (row, bytes) in row_bytes.into_iter().enumerate() {
        if row > start && sum.saturating_add(bytes) > PIECE_BYTES {
            pieces.push(batch.slice(start, row - start));
            (start, sum) = (row, 0);
        }
        sum = sum.saturating_add(bytes);
    }
    pieces.push(batch.slice(start, batch.row_count() - start));
    pieces
}

fn count(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringViewArray, UInt64Array};

    use super::*;

    #[test]
    fn a_text_that_rows_share_counts_in_each_of_them() {
        let text = "x".repeat(300_000);
        let texts = [text.as_str(), "", text.as_str(), text.as_str(), text.as_str(), "y"];
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let batch = Batch::new(vec![column], UInt64Array::from(vec![7; texts.len()]));
        assert_eq!(text_bytes(&batch), 1_200_001);
        // Of three such texts there is room for in a MiB.
        let counts: Vec<usize> = pieces(&batch).iter().map(Batch::row_count).collect();
        assert_eq!(counts, [4, 2]);
        let long = "z".repeat(3 << 20);
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values([&long, &long]));
        let batch = Batch::new(vec![column], UInt64Array::from(vec![0; 2]));
        assert_eq!(pieces(&batch).len(), 2, "a row is never cut");
        assert_eq!(pieces(&batch.slice(0, 0)).len(), 1, "no rows are a piece");
    }
}
