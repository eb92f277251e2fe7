//! Predicates move towards the scan: through projections, unions and orders, and below a
//! grouping where they only read its keys.

use tidemill_plan::{BinaryOp, Emit, Expr, ExprKind, LimitSpec, Relation, Scalar, Span};

use crate::bind_expr::integer_value;
use crate::equality::{is_leaf, node_count, reads_columns};
use crate::fold::{conjunction, conjuncts, refolded};
use crate::optimize::{Fold, substituted};
use crate::order::as_column;

/// Largest predicate that may come of replacing columns by what computes them.
const NODES_MAX: usize = 200;

/// Rewrites a relation so that `predicates`, over its columns, apply as early as they can.
pub(crate) fn push_down(relation: Relation, mut predicates: Vec<Expr>, fold: Fold) -> Relation {
    match relation {
        Relation::Scan(mut scan) => {
            let mut all = scan.filter.take().map(conjuncts).unwrap_or_default();
            all.extend(predicates);
            scan.filter = joined(all);
            Relation::Scan(scan)
        }
        Relation::Filter { input, predicate } => {
            // What stood below is tested first, as it was written.
            let mut all = conjuncts(predicate);
            all.append(&mut predicates);
            push_down(*input, all, fold)
        }
        Relation::Project { input, columns } => {
            let mut below = Vec::new();
            let mut above = Vec::new();
            for predicate in predicates {
                let mut is_cheap = true;
                predicate.for_each_column(&mut |index| is_cheap &= is_leaf(&columns[index].expr));
                let mut node_total = node_count(&predicate);
                predicate.for_each_column(&mut |index| {
                    node_total = node_total.saturating_add(node_count(&columns[index].expr));
                });
                let mut is_volatile = false;
                predicate
                    .for_each_column(&mut |index| is_volatile |= columns[index].expr.is_volatile());
                if !is_volatile && (is_cheap || node_total <= NODES_MAX) {
                    below.push(refolded(substituted(predicate, &columns), fold));
                } else {
                    above.push(predicate);
                }
            }
            let input = Box::new(push_down(*input, below, fold));
            filtered(Relation::Project { input, columns }, above)
        }
        Relation::Union { inputs } => {
            let push = |input| push_down(input, predicates.clone(), fold);
            Relation::Union { inputs: inputs.into_iter().map(push).collect() }
        }
        Relation::Aggregate { input, spec, names } => {
            // EVERY n counts the records that reach the grouping: they must stay as many.
            let counts_records = matches!(spec.emit, Emit::ChangesEvery(_));
            let (mut below, above): (Vec<Expr>, Vec<Expr>) =
                predicates.into_iter().partition(|predicate| {
                    let mut keys_only =
                        reads_columns(predicate) && !counts_records && !predicate.is_volatile();
                    predicate.for_each_column(&mut |index| keys_only &= index < spec.keys.len());
                    keys_only
                });
            for predicate in &mut below {
                predicate.remap_columns(&|index| spec.keys[index]);
            }
            let input = Box::new(push_down(*input, below, fold));
            filtered(Relation::Aggregate { input, spec, names }, above)
        }
        // A row that is left out would be missing from the frames, and the ranks, of others.
        Relation::Over { input, spec, names } => {
            let input = Box::new(push_down(*input, Vec::new(), fold));
            filtered(Relation::Over { input, spec, names }, predicates)
        }
        Relation::TopN { input, mut spec, name } => {
            let number = spec.input_types.len();
            let keep = &mut spec.keep;
            predicates.retain(|predicate| match rows_wanted(predicate, number) {
                Some((wanted, is_all)) => {
                    *keep = Some(keep.map_or(wanted, |keep| keep.min(wanted)));
                    !is_all
                }
                None => true,
            });
            // Of a partition all is left out, or nothing.
            let (below, above): (Vec<Expr>, Vec<Expr>) =
                predicates.into_iter().partition(|predicate| {
                    let mut is_of_partition = reads_columns(predicate);
                    predicate.for_each_column(&mut |index| {
                        is_of_partition &= spec.partition_by.contains(&index);
                    });
                    is_of_partition
                });
            let input = Box::new(push_down(*input, below, fold));
            filtered(Relation::TopN { input, spec, name }, above)
        }
        Relation::Sort { input, spec } => {
            let (below, above) = match spec.limit == LimitSpec::default() {
                true => (predicates, Vec::new()),
                false => (Vec::new(), predicates),
            };
            let input = Box::new(push_down(*input, below, fold));
            filtered(Relation::Sort { input, spec }, above)
        }
        Relation::Transpose { input, rows } => {
            let input = Box::new(push_down(*input, Vec::new(), fold));
            filtered(Relation::Transpose { input, rows }, predicates)
        }
        Relation::Limit { input, spec } => {
            let input = Box::new(push_down(*input, Vec::new(), fold));
            filtered(Relation::Limit { input, spec }, predicates)
        }
    }
}

/// How many rows of each partition a predicate over the row number wants, if it says so, and whether it
/// says no more than that.
fn rows_wanted(predicate: &Expr, number: usize) -> Option<(u64, bool)> {
    let ExprKind::Binary { op, left, right } = &predicate.kind else { return None };
    let (op, bound) = match (as_column(left), as_column(right)) {
        (Some(column), None) if column == number => (*op, right),
        (None, Some(column)) if column == number => (op.mirrored()?, left),
        _ => return None,
    };
    let wanted = integer_value(bound)?;
    let (wanted, is_all) = match op {
        BinaryOp::LessOrEqual => (wanted, true),
        BinaryOp::Less => (wanted.saturating_sub(1), true),
        BinaryOp::Equal => (wanted, false),
        _ => return None,
    };
    Some((u64::try_from(wanted).unwrap_or(0), is_all))
}

fn filtered(input: Relation, predicates: Vec<Expr>) -> Relation {
    match joined(predicates) {
        Some(predicate) => Relation::Filter { input: Box::new(input), predicate },
        None => input,
    }
}

/// One predicate of several; `None` if it is always TRUE.
fn joined(predicates: Vec<Expr>) -> Option<Expr> {
    if predicates.is_empty() {
        return None;
    }
    let all = conjunction(predicates, Span::default());
    match &all.kind {
        ExprKind::Literal(Scalar::Boolean(true)) => None,
        _ => Some(all),
    }
}
