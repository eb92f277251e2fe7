//! Rows that a query does not want, left out before the rest of them is decoded.
//!
//! Of `SELECT a, b FROM t WHERE c > 5` a decoder converts `c` of some records, asks a [`RowFilter`] which of them
//! stay, and converts `a` and `b` of those alone. What a predicate is this crate does not know: whoever
//! compiles it implements the trait.

use arrow_array::{ArrayRef, UInt64Array};
use arrow_buffer::BooleanBuffer;

/// Says which rows a query wants, by some of their columns.
pub trait RowFilter {
    /// Judges rows: `columns` are those that [`crate::Decoder::filter_rows`] named, in that order, each of
    /// `row_count` values.
    ///
    /// What it says of a row depends on that row alone.
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement;
}

/// What a [`RowFilter`] says of some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which rows stay, one bit a row: those that are wanted, and those for which that cannot be said.
    pub kept: BooleanBuffer,
    /// Some stay because it cannot be said whether they are wanted: the predicate fails for them.
    pub is_in_doubt: bool,
}

/// What a filter has made of records since this was last asked, by [`crate::Decoder::take_filtered`].
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// Offsets of records that were read and do not stay, ascending; none of them is bad.
    pub rejected: UInt64Array,
    /// Among the rows of the batch that was given last are some of which it could not be said whether they are
    /// wanted.
    pub is_in_doubt: bool,
}
