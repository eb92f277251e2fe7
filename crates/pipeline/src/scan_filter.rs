//! The conditions that stand directly behind a scan, for its decoder to apply.
//!
//! Of records that a query leaves out, the decoder then converts only the columns that the conditions read. For a
//! record for which a condition fails it cannot be said whether it stays: it does, and its batch goes through the
//! stages as well, so that the error has the place in the order of all that it would have had.

use arrow_array::ArrayRef;
use tidemill_expr::{Context, Filter, Judged};
use tidemill_format::{Judgement, RowFilter};
use tidemill_plan::{Expr, ExprKind, Function, Stage};

use crate::PipelineError;

/// What the first stages of a pipeline keep.
pub(crate) struct ScanFilter {
    /// How many stages that are.
    pub(crate) step_count: usize,
    /// Which columns of the scan they read, ascending.
    pub(crate) columns: Vec<usize>,
    pub(crate) conditions: Box<Conditions>,
}

/// Conditions that are applied one after the other.
pub(crate) struct Conditions(Vec<Filter>);

impl ScanFilter {
    /// `None` where the first stage keeps all rows, or reads what is not one of the first `column_count`
    /// columns, which records have.
    ///
    /// # Errors
    /// An expression that cannot be compiled.
    pub(crate) fn of(
        stages: &[Stage],
        column_count: usize,
        context: &Context,
    ) -> Result<Option<Self>, PipelineError> {
        let conditions = stages.iter().map_while(|stage| match stage {
            Stage::Filter(condition) if can_judge(condition, column_count) => Some(condition),
            _ => None,
        });
        let mut conditions: Vec<&Expr> = conditions.collect();
        // Limits alone leave nothing out.
        let last = conditions.iter().rposition(|condition| !is_limit(condition));
        conditions.truncate(last.map_or(0, |last| last + 1));
        if conditions.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::new();
        conditions.iter().for_each(|condition| {
            condition.for_each_column(&mut |column| columns.push(column));
        });
        columns.sort_unstable();
        columns.dedup();
        let compiled = conditions.iter().map(|&condition| {
            let mut condition = condition.clone();
            condition.remap_columns(&|column| {
                columns.binary_search(&column).expect("it is among those that are read")
            });
            Filter::new(&condition, context)
        });
        let compiled = Conditions(compiled.collect::<Result<_, _>>()?);
        let step_count = conditions.len();
        Ok(Some(Self { step_count, columns, conditions: Box::new(compiled) }))
    }
}

/// What a function of the embedding program says of a row may depend on the rows beside it, if it is wrong.
fn can_judge(condition: &Expr, column_count: usize) -> bool {
    let mut are_recorded = true;
    condition.for_each_column(&mut |column| are_recorded &= column < column_count);
    are_recorded && !condition.calls_user_function()
}

fn is_limit(condition: &Expr) -> bool {
    matches!(&condition.kind, ExprKind::Call { function: Function::Fits, .. })
}

impl RowFilter for Conditions {
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement {
        let mut judged = self.0.iter().map(|filter| filter.judge(columns, row_count));
        let first = judged.next().expect("there is a condition");
        let Judged { mut wanted, failed } = first;
        // Rows for which a condition fails that they have come to.
        let mut in_doubt = failed;
        for Judged { wanted: next, failed } in judged {
            if let Some(failed) = failed {
                let failed = &failed & &wanted;
                in_doubt =
                    Some(in_doubt.map_or_else(|| failed.clone(), |before| &before | &failed));
            }
            wanted = &wanted & &next;
        }
        match in_doubt.filter(|rows| rows.count_set_bits() > 0) {
            None => Judgement { kept: wanted, is_in_doubt: false },
            Some(rows) => Judgement { kept: &wanted | &rows, is_in_doubt: true },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use tidemill_plan::{BinaryOp, Scalar, Span};
    use tidemill_record::{DataType, EventTime};

    use super::*;

    fn binary(op: BinaryOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
        let kind = ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) };
        Expr { kind, data_type, span: Span::default() }
    }

    fn column(index: usize) -> Expr {
        Expr::column(index, format!("c{index}"), DataType::BigInt)
    }

    fn above(operand: Expr, value: i64) -> Expr {
        let value = Expr::literal(Scalar::BigInt(value));
        binary(BinaryOp::Greater, operand, value, DataType::Boolean)
    }

    fn filter_of(stages: &[Stage]) -> Option<ScanFilter> {
        let context = Context { job_start: EventTime(0) };
        ScanFilter::of(stages, 3, &context).unwrap()
    }

    #[test]
    fn a_row_stays_that_is_wanted_or_fails_where_it_has_come_to() {
        // c2 > 0, and then 10 * c1 > 50, which fails where that overflows.
        let ten = Expr::literal(Scalar::BigInt(10));
        let product = binary(BinaryOp::Multiply, ten, column(1), DataType::BigInt);
        let stages = [Stage::Filter(above(column(2), 0)), Stage::Filter(above(product, 50))];
        let mut filter = filter_of(&stages).unwrap();
        assert_eq!((filter.step_count, &filter.columns[..]), (2, &[1, 2][..]));
        let mut judge = |values: &[(i64, i64)]| {
            let first = Int64Array::from_iter_values(values.iter().map(|value| value.0));
            let second = Int64Array::from_iter_values(values.iter().map(|value| value.1));
            let columns: [ArrayRef; 2] = [Arc::new(first), Arc::new(second)];
            let judged = filter.conditions.judge(&columns, values.len());
            (judged.kept.iter().collect::<Vec<_>>(), judged.is_in_doubt)
        };
        assert_eq!(judge(&[(6, 1), (5, 1), (6, 0)]), (vec![true, false, false], false));
        let much = i64::MAX;
        assert_eq!(judge(&[(much, 1), (5, 1), (6, 1)]), (vec![true, false, true], true));
        // The second condition is not reached.
        assert_eq!(judge(&[(much, 0), (6, 1)]), (vec![false, true], false));
    }

    #[test]
    fn stages_that_read_what_no_record_has_are_not_taken() {
        assert!(filter_of(&[Stage::Filter(above(column(3), 1))]).is_none());
        let both = [Stage::Filter(above(column(0), 1)), Stage::Filter(above(column(3), 1))];
        assert_eq!(filter_of(&both).unwrap().step_count, 1);
    }
}
