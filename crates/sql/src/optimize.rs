//! The rewriting of a bound query: predicates down, projections together, columns out.
//!
//! Every step keeps the rows; only records that an unneeded expression would have made bad may
//! survive.

use tidemill_plan::{Expr, ExprKind, NamedExpr, Relation, Scalar};

use crate::equality::{depth, is_leaf};
use crate::prune::prune_root;
use crate::pushdown::push_down;

/// How a caller folds constants.
pub(crate) type Fold = fn(&Expr) -> Result<Scalar, String>;

/// Deepest expression that merging may make.
const DEPTH_MAX: usize = 300;

/// Rewrites a query.
pub(crate) fn optimize(relation: Relation, fold: Fold) -> Relation {
    let relation = push_down(relation, Vec::new(), fold);
    let relation = merge_projects(relation, fold);
    prune_root(relation)
}

/// Two projections in a row become one, where nothing is computed twice for it.
fn merge_projects(relation: Relation, fold: Fold) -> Relation {
    let relation = map_inputs(relation, &|input| merge_projects(input, fold));
    let Relation::Project { input, columns: outer } = relation else { return relation };
    let Relation::Project { input: below, columns: inner } = *input else {
        return Relation::Project { input, columns: outer };
    };
    let mut uses = vec![0_usize; inner.len()];
    for column in &outer {
        column.expr.for_each_column(&mut |index| uses[index] += 1);
    }
    let is_cheap =
        inner.iter().zip(&uses).all(|(column, &uses)| uses <= 1 || is_leaf(&column.expr));
    let inner_depth = inner.iter().map(|column| depth(&column.expr)).max().unwrap_or(0);
    let outer_depth = outer.iter().map(|column| depth(&column.expr)).max().unwrap_or(0);
    if !is_cheap || inner_depth + outer_depth > DEPTH_MAX {
        let input = Box::new(Relation::Project { input: below, columns: inner });
        return Relation::Project { input, columns: outer };
    }
    let columns = outer
        .into_iter()
        .map(|NamedExpr { name, expr }| {
            let expr = crate::fold::refolded(substituted(expr, &inner), fold);
            NamedExpr { name, expr }
        })
        .collect();
    Relation::Project { input: below, columns }
}

/// Replaces every column by what computes it.
pub(crate) fn substituted(mut expr: Expr, columns: &[NamedExpr]) -> Expr {
    if let ExprKind::Column { index, .. } = expr.kind {
        let mut replacement = columns[index].expr.clone();
        replacement.span = expr.span;
        return replacement;
    }
    for child in expr.children_mut() {
        let taken = std::mem::replace(child, Expr::literal(Scalar::Boolean(false)));
        *child = substituted(taken, columns);
    }
    expr
}

/// Rewrites what is directly below.
pub(crate) fn map_inputs(relation: Relation, map: &dyn Fn(Relation) -> Relation) -> Relation {
    let boxed = |input: Box<Relation>| Box::new(map(*input));
    match relation {
        Relation::Scan(_) => relation,
        Relation::Filter { input, predicate } => {
            Relation::Filter { input: boxed(input), predicate }
        }
        Relation::Project { input, columns } => Relation::Project { input: boxed(input), columns },
        Relation::Aggregate { input, spec, names } => {
            Relation::Aggregate { input: boxed(input), spec, names }
        }
        Relation::Over { input, spec, names } => {
            Relation::Over { input: boxed(input), spec, names }
        }
        Relation::TopN { input, spec, name } => Relation::TopN { input: boxed(input), spec, name },
        Relation::Transpose { input, rows } => Relation::Transpose { input: boxed(input), rows },
        Relation::Sort { input, spec } => Relation::Sort { input: boxed(input), spec },
        Relation::Limit { input, spec } => Relation::Limit { input: boxed(input), spec },
        Relation::Union { inputs } => {
            Relation::Union { inputs: inputs.into_iter().map(map).collect() }
        }
    }
}
