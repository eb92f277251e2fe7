//! Whether two expressions compute the same, wherever they stand; and how large they are.

use tidemill_plan::{Expr, ExprKind};

/// Nodes of an expression.
pub(crate) fn node_count(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(node_count).sum::<usize>()
}

/// Whether it costs nothing to compute it twice, and cannot fail.
pub(crate) fn is_leaf(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Column { .. } | ExprKind::Literal(_))
}

/// Whether it reads no column.
pub(crate) fn reads_columns(expr: &Expr) -> bool {
    let mut found = false;
    expr.for_each_column(&mut |_| found = true);
    found
}

/// Levels of an expression.
pub(crate) fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

/// Whether two expressions compute the same, wherever they stand.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    use ExprKind as K;
    let is_alike = match (&a.kind, &b.kind) {
        (K::Column { index: a, .. }, K::Column { index: b, .. }) => a == b,
        (K::Literal(a), K::Literal(b)) => a == b,
        (K::Unary { op: a, .. }, K::Unary { op: b, .. }) => a == b,
        (K::Binary { op: a, .. }, K::Binary { op: b, .. }) => a == b,
        (K::And(a), K::And(b)) | (K::Or(a), K::Or(b)) => a.len() == b.len(),
        (K::Cast { is_try: a, .. }, K::Cast { is_try: b, .. }) => a == b,
        (
            K::Case { branches: a, otherwise: an_otherwise },
            K::Case { branches: b, otherwise: b_otherwise },
        ) => a.len() == b.len() && an_otherwise.is_some() == b_otherwise.is_some(),
        (
            K::InList { list: a, is_negated: a_negated, .. },
            K::InList { list: b, is_negated: b_negated, .. },
        ) => a_negated == b_negated && a == b,
        (
            K::Like { is_negated: a, is_case_insensitive: a_folds, escape: a_escape, .. },
            K::Like { is_negated: b, is_case_insensitive: b_folds, escape: b_escape, .. },
        ) => a == b && a_folds == b_folds && a_escape == b_escape,
        (
            K::Call { function: a, arguments: a_list },
            K::Call { function: b, arguments: b_list },
        ) => a == b && a_list.len() == b_list.len(),
        (
            K::CallUser { function: a, signature: a_signature, .. },
            K::CallUser { function: b, signature: b_signature, .. },
        ) => a == b && a_signature == b_signature,
        _ => false,
    };
    is_alike
        && a.data_type == b.data_type
        && a.children().into_iter().zip(b.children()).all(|(a, b)| same(a, b))
}
