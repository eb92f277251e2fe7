//! Keeps the rows for which a predicate is TRUE.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array, UInt64Array};
use arrow_select::filter::{FilterBuilder, FilterPredicate, prep_null_mask_filter};
use arrow_select::take::take;
use tidemill_plan::Expr;
use tidemill_record::{BadRecord, Batch, DataType};

use crate::outcome::{Output, evaluate};
use crate::{Context, ExprError, compile};

/// Keeps the rows for which a predicate is TRUE; FALSE and NULL rows go.
pub struct Filter {
    output: [Output; 1],
}

impl Filter {
    /// Compiles a predicate.
    ///
    /// # Errors
    /// [`ExprError`] if it is not `BOOLEAN`, or holds a constant argument that no row could use.
    pub fn new(predicate: &Expr, context: &Context) -> Result<Self, ExprError> {
        if predicate.data_type != DataType::Boolean {
            return Err(ExprError::Types {
                expression: predicate.to_string(),
                reason: format!("a predicate is BOOLEAN, not {}", predicate.data_type),
            });
        }
        let node = compile::compile(predicate, context)?;
        Ok(Self { output: [Output { name: predicate.to_string(), node }] })
    }

    /// Keeps the rows that satisfy the predicate, in order. Rows for which it fails are pushed to
    /// `bad`, in row order, with the predicate's text as their field.
    ///
    /// # Panics
    /// If a column of `batch` is not of the type that the predicate was compiled for.
    ///
    /// # Cost
    /// O(rows); a batch of which all rows stay is returned as it is. A batch with failing rows is
    /// evaluated about log₂(rows) times more for each.
    pub fn apply(&mut self, batch: Batch, bad: &mut Vec<BadRecord>) -> Batch {
        let outcome = evaluate(&self.output, &batch, bad);
        let mask = outcome.columns[0].as_boolean();
        match &outcome.survivors {
            None => keep(batch, mask),
            Some(survivors) => keep(keep(batch, survivors), mask),
        }
    }
}

/// The rows of a batch for which `mask` is TRUE.
pub(crate) fn keep(batch: Batch, mask: &BooleanArray) -> Batch {
    let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
    if mask.true_count() == batch.row_count() {
        return batch;
    }
    let selection = Selection::of(&mask);
    let cut = |array: &dyn Array| selection.cut(array);
    let columns = batch.columns().iter().map(|column| cut(column)).collect();
    let offsets: UInt64Array = cut(batch.offsets()).as_primitive().clone();
    let watermarks = batch.watermarks().map(|watermarks| {
        let watermarks = cut(&Int64Array::new(watermarks.clone(), None));
        watermarks.as_primitive::<Int64Type>().values().clone()
    });
    Batch::new(columns, offsets).with_watermarks(watermarks)
}

/// Rows that stay, in the shape in which columns are cut fastest.
enum Selection {
    /// Row numbers, where rows that stay and rows that go alternate.
    Rows(UInt32Array),
    /// Runs of rows.
    Runs(FilterPredicate),
}

impl Selection {
    /// Runs shorter than this on average cost more to copy than their rows one by one.
    const RUN_ROWS_MIN: usize = 16;

    /// `mask` has no NULLs.
    fn of(mask: &BooleanArray) -> Self {
        let words = mask.values().bit_chunks();
        // A run begins at each bit that is set behind one that is not.
        let run_count: usize =
            words.iter_padded().map(|word| (word & !(word << 1)).count_ones() as usize).sum();
        if mask.len() > run_count * Self::RUN_ROWS_MIN || mask.len() > u32::MAX as usize {
            return Self::Runs(FilterBuilder::new(mask).optimize().build());
        }
        let mut rows = vec![0; mask.len()];
        let (mut row, mut count) = (0, 0);
        for mut word in words.iter_padded() {
            let left = mask.len() - row as usize;
            for _ in 0..left.min(64) {
                // Written whether it stays or not: a branch could not be foreseen.
                rows[count] = row;
                count += usize::from(word & 1 == 1);
                word >>= 1;
                row += 1;
            }
        }
        rows.truncate(count);
        Self::Rows(UInt32Array::from(rows))
    }

    /// The rows of an array that stay.
    fn cut(&self, array: &dyn Array) -> ArrayRef {
        match self {
            Self::Rows(rows) => take(array, rows, None).expect("rows of this array"),
            Self::Runs(runs) => runs.filter(array).expect("the mask has one value a row"),
        }
    }
}
