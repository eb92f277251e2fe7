//! Keeps the rows for which a predicate is TRUE.

use arrow_array::cast::AsArray;
use tidemill_plan::{Expr, ExprKind, Function};
use tidemill_record::{BadRecord, Batch, DataType};

use crate::outcome::{Output, evaluate};
use crate::selection::Selection;
use crate::{Context, ExprError, compile};

/// Keeps the rows for which a predicate is TRUE; FALSE and NULL rows go.
pub struct Filter {
    output: [Output; 1],
    selection: Selection,
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
            None => self.selection.keep(batch, mask),
            Some(survivors) => {
                let batch = self.selection.keep(batch, survivors);
                self.selection.keep(batch, mask)
            }
        }
    }
}
