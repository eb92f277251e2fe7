//! What an aggregate is given of a batch: the group of each row, the argument, and which rows count.

use std::ops::Deref;

use arrow_array::{Array, ArrayRef, BinaryViewArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use smallvec::SmallVec;
use tidemill_plan::AggregateCall;
use tidemill_record::Batch;

/// The group of each row of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a> {
    indices: &'a [u32],
    /// No index is more than this.
    most: u32,
}

impl<'a> Groups<'a> {
    /// O(rows).
    pub(crate) fn new(indices: &'a [u32]) -> Self {
        Self { indices, most: indices.iter().copied().fold(0, u32::max) }
    }

    /// Whether all are of the first `group_count`.
    pub(crate) fn all_below(self, group_count: usize) -> bool {
        self.indices.is_empty() || (self.most as usize) < group_count
    }
}

impl Deref for Groups<'_> {
    type Target = [u32];

    #[inline(always)]
    fn deref(&self) -> &[u32] {
        self.indices
    }
}

/// Columns of one call; few of them are no allocation.
pub(crate) type Arguments<'a> = SmallVec<[&'a ArrayRef; 2]>;

/// What a call looks at of a batch.
pub(crate) fn arguments_of<'a>(call: &AggregateCall, batch: &'a Batch) -> Arguments<'a> {
    call.inputs().map(|column| batch.column(column)).collect()
}

/// The rows in which no argument is NULL; `None` where that is all.
pub(crate) fn valid(arguments: &[&ArrayRef]) -> Option<NullBuffer> {
    let nulls = arguments.iter().filter_map(|array| array.logical_nulls());
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    nulls.reduce(|all, more| NullBuffer::new(all.inner() & more.inner()))
}

/// A batch's rows as one aggregate sees them.
pub(crate) struct Rows<'a> {
    pub(crate) groups: Groups<'a>,
    /// The columns of [`AggregateCall::inputs`], one value a row; none for `COUNT(*)`.
    pub(crate) arguments: &'a [&'a ArrayRef],
    /// Rows that `FILTER` (or `DISTINCT`) lets through; absent where all are.
    pub(crate) selected: Option<BooleanBuffer>,
}

impl Rows<'_> {
    /// Rows that count: selected and, if NULLs are skipped, not NULL. `None` where all do.
    pub(crate) fn counted(&self, skips_nulls: bool) -> Option<BooleanBuffer> {
        let nulls = if skips_nulls { valid(self.arguments) } else { None };
        match (nulls, &self.selected) {
            (None, selected) => selected.clone(),
            (Some(nulls), None) => Some(nulls.into_inner()),
            (Some(nulls), Some(selected)) => Some(nulls.inner() & selected),
        }
    }
}

/// An argument that is read by row.
///
/// # Safety
/// [`Self::row_count`] is the same whenever it is asked, and every row below it can be read: loops over rows
/// go without a look at bounds.
pub(crate) unsafe trait Column {
    /// Rows that can be read.
    fn row_count(&self) -> usize;
}

/// No argument, for as many rows as one likes.
// SAFETY: nothing is read.
unsafe impl Column for () {
    fn row_count(&self) -> usize {
        usize::MAX
    }
}

// SAFETY: the length of what is borrowed stays.
unsafe impl<T> Column for &[T] {
    fn row_count(&self) -> usize {
        self.len()
    }
}

// SAFETY: as long as it is borrowed, its length stays.
unsafe impl<T> Column for Vec<T> {
    fn row_count(&self) -> usize {
        self.len()
    }
}

// SAFETY: arrays do not change, and have a value or NULL at each place below their length.
unsafe impl<A: Array> Column for &A {
    fn row_count(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl Column for BinaryViewArray {
    fn row_count(&self) -> usize {
        self.len()
    }
}
