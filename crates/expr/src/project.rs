//! Computes new columns from those of a batch.

use std::sync::Arc;

use tidemill_plan::NamedExpr;
use tidemill_record::{BadRecord, Batch, Columns};

use crate::outcome::{Outcome, Output, evaluate, evaluate_some};
use crate::selection::Selection;
use crate::{Context, ExprError, FunctionError, compile};

/// One output column for each of some expressions.
pub struct Project {
    outputs: Vec<Output>,
    selection: Selection,
    /// Rows that are evaluated at a time: as many as there are, unless they make much text.
    rows_max: usize,
}

impl Project {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// [`ExprError`] if one holds a constant argument that no row could use.
    pub fn new(columns: &[NamedExpr], context: &Context) -> Result<Self, ExprError> {
        let compile = |column: &NamedExpr| {
            let node = compile::compile(&column.expr, context)?;
            Ok(Output { name: column.name.clone(), node })
        };
        let outputs = columns.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { outputs, selection: Selection::default(), rows_max: usize::MAX })
    }

    /// Computes the columns for every row; offsets stay. Rows for which an expression fails are
    /// pushed to `bad`, in row order, with the first failing column as their field, and left out.
    ///
    /// # Errors
    /// A function of the embedding program that is wrong: no row can be trusted.
    ///
    /// # Panics
    /// If a column of `batch` is not of the type that the expressions were compiled for.
    ///
    /// # Cost
    /// O(rows × expressions); a plain column is shared, not copied. A batch with failing rows is
    /// evaluated about log₂(rows) times more for each.
    pub fn apply(
        &mut self,
        batch: Batch,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, Arc<FunctionError>> {
        let outcome = evaluate(&self.outputs, &batch, bad)?;
        Ok(self.rows_of(&batch, outcome))
    }

    /// As [`Self::apply`], of the first rows of a batch, and how many: where texts are made that take much memory
    /// together, not of all. At least of one, if there is one.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_to_some(
        &mut self,
        batch: &Batch,
        bad: &mut Vec<BadRecord>,
    ) -> Result<(Batch, usize), Arc<FunctionError>> {
        let (outcome, row_count) = evaluate_some(&self.outputs, batch, &mut self.rows_max, bad)?;
        if row_count == batch.row_count() {
            return Ok((self.rows_of(batch, outcome), row_count));
        }
        Ok((self.rows_of(&batch.slice(0, row_count), outcome), row_count))
    }

    fn rows_of(&mut self, batch: &Batch, outcome: Outcome) -> Batch {
        let rows = Batch::new(Columns::new(), batch.offsets().clone())
            .with_watermarks(batch.watermarks().cloned())
            .with_places(batch.places().clone());
        let rows = match &outcome.survivors {
            None => rows,
            Some(survivors) => self.selection.keep(rows, survivors),
        };
        Batch::new(outcome.columns, rows.offsets().clone())
            .with_watermarks(rows.watermarks().cloned())
            .with_places(rows.places().clone())
    }
}
