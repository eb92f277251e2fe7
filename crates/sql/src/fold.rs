//! Constant folding, one node at a time as the tree is built, and the simplification of truth
//! values.
//!
//! A constant that fails is an error at its place, unless it stands where it may never be
//! evaluated (a branch of `CASE`, a later argument of `COALESCE`, a later term of `AND`); there
//! it is left as it is.

use tidemill_plan::{Expr, ExprKind, Function, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::advice;
use crate::report::Bind;
use crate::scope::Session;

/// Replaces a node over constants by its value. Its children are folded already.
pub(crate) fn folded(session: &mut Session<'_>, expr: Expr, is_lazy: bool) -> Bind<Expr> {
    if let ExprKind::Case { .. } = expr.kind {
        return Ok(simplified_case(expr));
    }
    if !is_foldable(&expr) {
        return Ok(expr);
    }
    match (session.catalog.fold)(&expr) {
        Ok(value) if value.data_type() == expr.data_type => {
            Ok(Expr { kind: ExprKind::Literal(value), ..expr })
        }
        Ok(_) => Ok(expr),
        Err(_) if is_lazy => Ok(expr),
        Err(reason) => {
            let message = format!("this constant fails: {reason}");
            let hint = advice::constant(&expr, &reason);
            Err(session.report.add(expr.span, message, hint.map(str::to_owned)))
        }
    }
}

/// Whether a node is a pure function of constants.
fn is_foldable(expr: &Expr) -> bool {
    let is_function = match &expr.kind {
        ExprKind::Call { function: Function::Now, .. }
        | ExprKind::CallUser { .. }
        | ExprKind::Column { .. }
        | ExprKind::Literal(_)
        | ExprKind::Case { .. }
        | ExprKind::And(_)
        | ExprKind::Or(_) => false,
        _ => !matches!(expr.data_type, DataType::Array(_)),
    };
    is_function && expr.children().iter().all(|child| literal(child).is_some())
}

/// The value of a constant.
pub(crate) fn literal(expr: &Expr) -> Option<&Scalar> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    }
}

/// A constant expression of a type.
pub(crate) fn constant(value: Scalar, span: Span) -> Expr {
    Expr { span, ..Expr::literal(value) }
}

/// `a AND b AND …`: flat, without TRUE terms, FALSE as soon as one term is.
pub(crate) fn conjunction(terms: Vec<Expr>, span: Span) -> Expr {
    joined(terms, span, false)
}

/// `a OR b OR …`: flat, without FALSE terms, TRUE as soon as one term is.
pub(crate) fn disjunction(terms: Vec<Expr>, span: Span) -> Expr {
    joined(terms, span, true)
}

fn joined(terms: Vec<Expr>, span: Span, decisive: bool) -> Expr {
    let mut flat = Vec::with_capacity(terms.len());
    for term in terms {
        match term.kind {
            ExprKind::And(inner) if !decisive => flat.extend(inner),
            ExprKind::Or(inner) if decisive => flat.extend(inner),
            ExprKind::Literal(Scalar::Boolean(value)) if value != decisive => {}
            ExprKind::Literal(Scalar::Boolean(value)) => {
                return constant(Scalar::Boolean(value), span);
            }
            _ => flat.push(term),
        }
    }
    match flat.len() {
        0 => constant(Scalar::Boolean(!decisive), span),
        1 => flat.remove(0),
        _ => {
            let kind = if decisive { ExprKind::Or(flat) } else { ExprKind::And(flat) };
            Expr { kind, data_type: DataType::Boolean, span }
        }
    }
}

/// `NOT x`, without doubling.
pub(crate) fn negation(operand: Expr, span: Span) -> Expr {
    match operand.kind {
        ExprKind::Literal(Scalar::Boolean(value)) => constant(Scalar::Boolean(!value), span),
        ExprKind::Unary { op: UnaryOp::Not, operand } => *operand,
        _ => Expr {
            kind: ExprKind::Unary { op: UnaryOp::Not, operand: Box::new(operand) },
            data_type: DataType::Boolean,
            span,
        },
    }
}

/// The terms of a conjunction.
pub(crate) fn conjuncts(predicate: Expr) -> Vec<Expr> {
    match predicate.kind {
        ExprKind::And(terms) => terms,
        ExprKind::Literal(Scalar::Boolean(true)) => Vec::new(),
        _ => vec![predicate],
    }
}

/// Drops branches that are never taken, and everything after one that always is.
fn simplified_case(expr: Expr) -> Expr {
    let Expr { kind: ExprKind::Case { branches, mut otherwise }, data_type, span } = expr else {
        return expr;
    };
    let mut kept = Vec::with_capacity(branches.len());
    for (condition, result) in branches {
        match literal(&condition) {
            Some(Scalar::Boolean(true)) => {
                otherwise = Some(Box::new(result));
                break;
            }
            Some(_) => {}
            None => kept.push((condition, result)),
        }
    }
    if kept.is_empty() {
        return match otherwise {
            Some(result) => *result,
            None => constant(Scalar::Null(data_type), span),
        };
    }
    Expr { kind: ExprKind::Case { branches: kept, otherwise }, data_type, span }
}

/// Folds what became constant when columns were replaced by expressions; what fails stays.
pub(crate) fn refolded(mut expr: Expr, fold: fn(&Expr) -> Result<Scalar, String>) -> Expr {
    for child in expr.children_mut() {
        let taken = std::mem::replace(child, constant(Scalar::Boolean(false), Span::default()));
        *child = refolded(taken, fold);
    }
    match expr.kind {
        ExprKind::And(terms) => return conjunction(terms, expr.span),
        ExprKind::Or(terms) => return disjunction(terms, expr.span),
        ExprKind::Case { .. } => return simplified_case(expr),
        _ => {}
    }
    if is_foldable(&expr)
        && let Ok(value) = fold(&expr)
        && value.data_type() == expr.data_type
    {
        return Expr { kind: ExprKind::Literal(value), ..expr };
    }
    expr
}
