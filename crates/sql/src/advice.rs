//! What to write instead, for messages about types and constants.

use tidemill_plan::{BinaryOp, Expr, ExprKind};
use tidemill_record::DataType;

use crate::equality::node_count;
use crate::fold::literal;

/// An expression as a message shows it: whole where it is short.
pub(crate) fn short(expr: &Expr) -> String {
    const NODES_MAX: usize = 8;
    const CHARS_MAX: usize = 40;
    if node_count(expr) > NODES_MAX {
        return "…".to_owned();
    }
    let text = expr.to_string();
    if text.chars().count() <= CHARS_MAX { text } else { "…".to_owned() }
}

/// The cast that a message advises.
pub(crate) fn cast_of(expr: &Expr, to: &DataType) -> String {
    format!("CAST({} AS {to})", short(expr))
}

/// How an argument that is no number becomes one.
pub(crate) fn as_number(found: &Expr) -> String {
    match found.data_type {
        DataType::Varchar => {
            format!("text becomes a number by {}", cast_of(found, &DataType::Double))
        }
        DataType::Timestamp | DataType::Date => {
            format!("a time becomes a number by DATE_PART('epoch', {})", short(found))
        }
        DataType::Boolean => {
            format!("a truth value becomes a number by {}", cast_of(found, &DataType::Integer))
        }
        _ => "numbers are integers, decimals and floats".to_owned(),
    }
}

/// What to write instead of a comparison of two types that do not meet.
pub(crate) fn comparison(left: &Expr, right: &Expr) -> String {
    let (text, other) = match (&left.data_type, &right.data_type) {
        (DataType::Varchar, _) => (left, right),
        (_, DataType::Varchar) => (right, left),
        (time, number) | (number, time)
            if matches!(time, DataType::Timestamp | DataType::Date) && number.is_numeric() =>
        {
            return "a time is compared with a time: TIMESTAMP '2024-05-01 10:00:00', or \
                    TO_TIMESTAMP(seconds)"
                .to_owned();
        }
        _ => return "convert one side with CAST".to_owned(),
    };
    match literal(other) {
        Some(_) => format!("text is compared with text: '{other}'"),
        None => format!("convert one side: {}", cast_of(text, &other.data_type)),
    }
}

/// What to write instead of arithmetic on what is no number.
pub(crate) fn arithmetic(op: BinaryOp, left: &Expr, right: &Expr) -> String {
    match [left, right].into_iter().find(|expr| expr.data_type == DataType::Varchar) {
        Some(text) if literal(text).is_some() => "text is joined with ||".to_owned(),
        Some(text) => {
            let joined = if op == BinaryOp::Add { "; text is joined with ||" } else { "" };
            format!(
                "arithmetic works on numbers, such as {}{joined}",
                cast_of(text, &DataType::Double)
            )
        }
        None => "arithmetic works on numbers, and on times with an INTERVAL".to_owned(),
    }
}

/// What to write instead of a constant that fails for a reason.
pub(crate) fn constant(expr: &Expr, reason: &str) -> Option<&'static str> {
    let is_text = expr.children().iter().any(|child| child.data_type == DataType::Varchar);
    match (&expr.kind, &expr.data_type) {
        (ExprKind::Cast { .. }, to) if is_text => Some(match to {
            DataType::Timestamp => "a time is written '2024-05-01 10:00:00'",
            DataType::Date => "a day is written '2024-05-01'",
            DataType::Boolean => "truth values are TRUE and FALSE",
            DataType::Interval => "a span of time is written INTERVAL '5' SECOND",
            DataType::Varbinary => "bytes are written X'0aff'",
            _ => "text that stands for a number has its digits alone; text is compared with text",
        }),
        (ExprKind::Cast { .. }, to) if to.is_numeric() => {
            Some("a wider type holds it, such as BIGINT or DOUBLE")
        }
        (ExprKind::Binary { .. }, _) if reason.contains("division by zero") => {
            Some("NULLIF(x, 0) gives NULL where x is 0")
        }
        (ExprKind::Binary { .. }, _) if reason.contains("overflow") => {
            Some("a wider type holds it: CAST(x AS BIGINT) or CAST(x AS DOUBLE)")
        }
        _ => None,
    }
}
