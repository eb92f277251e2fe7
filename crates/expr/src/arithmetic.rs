//! `+ - * / %` and unary minus.
//!
//! Integers are checked, floats follow IEEE 754, decimals are in [`crate::decimal`], timestamps
//! and intervals in [`crate::interval`].

use std::sync::Arc;

use arrow_arith::numeric;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;
use tidemill_plan::BinaryOp;
use tidemill_record::DataType;

use crate::decimal::{self, DecimalShape};
use crate::interval;
use crate::node::{Kernel, Node};
use crate::value::{Failure, Value};

/// The kernel of an arithmetic operator; `None` for types it does not take.
pub(crate) fn binary(op: BinaryOp, left: &Node, right: &Node, to: &DataType) -> Option<Kernel> {
    if op.is_comparison() {
        return None;
    }
    match (left.data_type(), right.data_type()) {
        (
            DataType::Decimal { precision, scale },
            DataType::Decimal { precision: right_precision, scale: right_scale },
        ) => {
            let DataType::Decimal { precision: to_precision, scale: to_scale } = to else {
                return None;
            };
            let left = DecimalShape { precision: *precision, scale: *scale };
            let right = DecimalShape { precision: *right_precision, scale: *right_scale };
            let to = DecimalShape { precision: *to_precision, scale: *to_scale };
            decimal::arithmetic(op, left, right, to)
        }
        (l, r) if l.is_numeric() && l == r && to == l => Some(by_arrow(op, right, l)),
        (l, r) => interval::arithmetic(op, l, r),
    }
}

/// Integers and floats.
fn by_arrow(op: BinaryOp, right: &Node, data_type: &DataType) -> Kernel {
    let is_integer = data_type.is_integer();
    let is_fallible = is_integer && !is_safe_divisor(op, right);
    let kernel =
        Kernel::partial(move |v, _| compute(op, &v[0], &v[1]).map_err(|error| explain(op, &error)));
    kernel.with_fallible(is_fallible)
}

/// Dividing by a constant other than 0 and -1 cannot fail.
fn is_safe_divisor(op: BinaryOp, right: &Node) -> bool {
    let is_division = matches!(op, BinaryOp::Divide | BinaryOp::Modulo);
    let Some(array) = right.as_constant().filter(|_| is_division) else { return false };
    let is_safe = |value: i64| value != 0 && value != -1;
    if array.is_null(0) {
        return true;
    }
    match right.data_type() {
        DataType::TinyInt => is_safe(array.as_primitive::<Int8Type>().value(0).into()),
        DataType::SmallInt => is_safe(array.as_primitive::<Int16Type>().value(0).into()),
        DataType::Integer => is_safe(array.as_primitive::<Int32Type>().value(0).into()),
        DataType::BigInt => is_safe(array.as_primitive::<Int64Type>().value(0)),
        _ => false,
    }
}

fn compute(op: BinaryOp, left: &Value, right: &Value) -> Result<ArrayRef, ArrowError> {
    match op {
        BinaryOp::Add => numeric::add(left, right),
        BinaryOp::Subtract => numeric::sub(left, right),
        BinaryOp::Multiply => numeric::mul(left, right),
        BinaryOp::Divide => numeric::div(left, right),
        BinaryOp::Modulo => numeric::rem(left, right),
        _ => unreachable!("only arithmetic operators are compiled to this kernel"),
    }
}

fn explain(op: BinaryOp, error: &ArrowError) -> Failure {
    let what = match op {
        BinaryOp::Add => "addition",
        BinaryOp::Subtract => "subtraction",
        BinaryOp::Multiply => "multiplication",
        BinaryOp::Divide => "division",
        _ => "modulo",
    };
    match error {
        ArrowError::DivideByZero => Failure::row("division by zero"),
        _ => Failure::row(format!("overflow in {what}")),
    }
}

/// The kernel of unary minus; `None` for types it does not take.
pub(crate) fn negation(data_type: &DataType) -> Option<Kernel> {
    Some(match data_type {
        DataType::Interval => interval::negation(),
        DataType::Real | DataType::Double => Kernel::total(|v, _| Ok(numeric::neg(v[0].array())?)),
        DataType::Decimal { .. } => Kernel::total(|v, _| {
            // At most 38 digits, so the magnitude of the smallest value is in range.
            let array = v[0].array().as_primitive::<Decimal128Type>();
            let negated = array.unary::<_, Decimal128Type>(i128::wrapping_neg);
            Ok(Arc::new(negated.with_data_type(array.data_type().clone())))
        }),
        integer if integer.is_integer() => Kernel::partial(|v, _| {
            numeric::neg(v[0].array()).map_err(|_| Failure::row("overflow in negation"))
        }),
        _ => return None,
    })
}
