//! Keeps the rows for which a predicate is TRUE.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::prep_null_mask_filter;
use tidemill_plan::{Expr, ExprKind, Function};
use tidemill_record::{BadRecord, Batch, Columns, DataType};

use crate::outcome::{Output, evaluate, evaluate_all};
use crate::selection::Selection;
use crate::value::Rows;
use crate::{Context, ExprError, FunctionError, compile};

/// Keeps the rows for which a predicate is TRUE; FALSE and NULL rows go.
pub struct Filter {
    output: [Output; 1],
    selection: Selection,
}

/// What a predicate says of some rows, one bit a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// It is TRUE.
    pub wanted: BooleanBuffer,
    /// It fails; `None` where it does for no row.
    pub failed: Option<BooleanBuffer>,
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
        let name = match &predicate.kind {
            ExprKind::Call { function: Function::Fits, arguments } => arguments[0].to_string(),
            _ => predicate.to_string(),
        };
        let output = [Output { name, node }];
        Ok(Self { output, selection: Selection::default() })
    }

    /// Keeps the rows that satisfy the predicate, in order. Rows for which it fails are pushed to
    /// `bad`, in row order, with the predicate's text as their field, or the column that it holds to
    /// its limit.
    ///
    /// # Errors
    /// A function of the embedding program that is wrong: no row can be trusted.
    ///
    /// # Panics
    /// If a column of `batch` is not of the type that the predicate was compiled for.
    ///
    /// # Cost
    /// O(rows); a batch of which all rows stay is returned as it is. A batch with failing rows is
    /// evaluated about log₂(rows) times more for each.
    pub fn apply(
        &mut self,
        batch: Batch,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, Arc<FunctionError>> {
        let outcome = evaluate(&self.output, &batch, bad)?;
        let mask = outcome.columns[0].as_boolean();
        Ok(match &outcome.survivors {
            None => self.selection.keep(batch, mask),
            Some(survivors) => {
                let batch = self.selection.keep(batch, survivors);
                self.selection.keep(batch, mask)
            }
        })
    }

    /// Says of rows, as columns of `row_count` values each, which ones the predicate keeps. All fail where a function of
    /// the embedding program is wrong.
    ///
    /// # Panics
    /// If a column is not of the type that the predicate was compiled for.
    ///
    /// # Cost
    /// As [`Self::apply`], without the copy of the rows that stay.
    #[must_use]
    pub fn judge(&self, columns: &[ArrayRef], row_count: usize) -> Judged {
        if row_count == 0 {
            return Judged { wanted: BooleanBuffer::new_unset(0), failed: None };
        }
        if let Ok(mask) = evaluate_all(&self.output, &Rows::new(columns, row_count)) {
            return Judged { wanted: truths(mask[0].as_boolean()), failed: None };
        }
        let offsets = UInt64Array::from_value(0, row_count);
        let batch = Batch::new(columns.iter().cloned().collect::<Columns>(), offsets);
        let Ok(outcome) = evaluate(&self.output, &batch, &mut Vec::new()) else {
            let failed = Some(BooleanBuffer::new_set(row_count));
            return Judged { wanted: BooleanBuffer::new_unset(row_count), failed };
        };
        let mask = truths(outcome.columns[0].as_boolean());
        let Some(survivors) = &outcome.survivors else {
            return Judged { wanted: mask, failed: None };
        };
        let survivors = survivors.values();
        let mut of_survivors = mask.iter();
        let wanted = survivors.iter().map(|stays| stays && of_survivors.next() == Some(true));
        Judged { wanted: wanted.collect(), failed: Some(!survivors) }
    }
}

/// Where a mask is TRUE, and not NULL.
fn truths(mask: &BooleanArray) -> BooleanBuffer {
    match mask.null_count() {
        0 => mask.values().clone(),
        _ => prep_null_mask_filter(mask).values().clone(),
    }
}
