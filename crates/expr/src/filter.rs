//! Keeps the rows for which a predicate is TRUE.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, Int64Array, UInt64Array};
use arrow_select::filter::{FilterBuilder, prep_null_mask_filter};
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
    let predicate = FilterBuilder::new(&mask).optimize().build();
    let cut = |array: &dyn Array| predicate.filter(array).expect("the mask has one value a row");
    let columns = batch.columns().iter().map(|column| cut(column)).collect();
    let offsets: UInt64Array = cut(batch.offsets()).as_primitive().clone();
    let watermarks = batch.watermarks().map(|watermarks| {
        let watermarks = cut(&Int64Array::new(watermarks.clone(), None));
        watermarks.as_primitive::<Int64Type>().values().clone()
    });
    Batch::new(columns, offsets).with_watermarks(watermarks)
}
