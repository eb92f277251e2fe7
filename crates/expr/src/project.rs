//! Computes new columns from those of a batch.

use arrow_array::cast::AsArray;
use arrow_select::filter::filter;
use tidemill_plan::NamedExpr;
use tidemill_record::{BadRecord, Batch};

use crate::outcome::{Output, evaluate};
use crate::{Context, ExprError, compile};

/// One output column for each of some expressions.
pub struct Project {
    outputs: Vec<Output>,
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
        Ok(Self { outputs: columns.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Computes the columns for every row; offsets stay. Rows for which an expression fails are
    /// pushed to `bad`, in row order, with the first failing column as their field, and left out.
    ///
    /// # Panics
    /// If a column of `batch` is not of the type that the expressions were compiled for.
    ///
    /// # Cost
    /// O(rows × expressions); a plain column is shared, not copied. A batch with failing rows is
    /// evaluated about log₂(rows) times more for each.
    pub fn apply(&mut self, batch: Batch, bad: &mut Vec<BadRecord>) -> Batch {
        let outcome = evaluate(&self.outputs, &batch, bad);
        let (_, offsets) = batch.into_parts();
        let offsets = match &outcome.survivors {
            None => offsets,
            Some(survivors) => {
                let kept = filter(&offsets, survivors).expect("survivors has one value a row");
                kept.as_primitive().clone()
            }
        };
        Batch::new(outcome.columns, offsets)
    }
}
