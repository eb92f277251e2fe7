//! `+ - * / %` and unary minus.
//!
//! Integers are checked, floats follow IEEE 754, decimals are in [`crate::decimal`], timestamps
//! and intervals in [`crate::interval`].

use std::sync::Arc;

use arrow_arith::numeric;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::ArrowError;
use tidemill_plan::BinaryOp;
use tidemill_record::DataType;
use tidemill_record::recycled::Room;

use crate::comparison::validity;
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
        (DataType::Double, DataType::Double) if op != BinaryOp::Modulo => doubles(op),
        (l, r) if l.is_numeric() && l == r && to == l => Some(by_arrow(op, right, l)),
        (l, r) => interval::arithmetic(op, l, r),
    }
}

/// Doubles, by IEEE 754.
fn doubles(op: BinaryOp) -> Option<Kernel> {
    Some(match op {
        BinaryOp::Add => pairwise(|l, r| l + r),
        BinaryOp::Subtract => pairwise(|l, r| l - r),
        BinaryOp::Multiply => pairwise(|l, r| l * r),
        BinaryOp::Divide => pairwise(|l, r| l / r),
        _ => return None,
    })
}

/// A function of two doubles; NULL where either is.
fn pairwise(f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Kernel {
    Kernel::total(move |v, rows| {
        let (left, right) = (&v[0], &v[1]);
        let values =
            |value: &'_ Value| value.array().as_primitive::<Float64Type>().values().clone();
        let (l, r) = (values(left), values(right));
        let mut out = Room::default();
        match (left.is_scalar(), right.is_scalar()) {
            (false, false) => out.extend(l.iter().zip(r.iter()).map(|(l, r)| f(*l, *r))),
            (false, true) => out.extend(l.iter().map(|l| f(*l, r[0]))),
            (true, false) => out.extend(r.iter().map(|r| f(l[0], *r))),
            (true, true) => out.push(f(l[0], r[0])),
        }
        let nulls =
            NullBuffer::union(validity(left, rows).as_ref(), validity(right, rows).as_ref());
        Ok(out.finish::<Float64Type>(nulls))
    })
}

/// Integers, `REAL`, and the remainder.
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
