//! Exact decimal arithmetic on 128-bit integers with the scales the binder chose.
//!
//! Sums and products are exact; a quotient is rounded half away from zero to the result's scale.
//! Whatever does not fit the result's precision fails the row.

use std::sync::Arc;

use arrow_arith::arity::try_binary;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, Decimal128Array};
use arrow_buffer::i256;
use arrow_schema::ArrowError;
use tidemill_plan::BinaryOp;

use crate::node::Kernel;
use crate::value::{Failure, Value};

/// Digits and scale of a decimal type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecimalShape {
    /// In `1..=38`.
    pub(crate) precision: u8,
    /// In `0..=precision`.
    pub(crate) scale: u8,
}

/// `10^exponent`; `None` past the range.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// `value / divisor`, rounded half away from zero; the divisor is positive.
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    // `rest >= divisor - rest` in magnitudes, without overflow.
    let is_up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    if is_up && rest != 0 { quotient + rest.signum() } else { quotient }
}

/// The same number at another scale, rounded half away from zero; `None` on overflow.
pub(crate) fn rescale(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(power_of_ten(u32::from(to - from))?);
    }
    Some(divide_rounded(value, power_of_ten(u32::from(from - to))?))
}

/// The value if it has at most `precision` digits.
pub(crate) fn within(value: i128, precision: u8) -> Option<i128> {
    let limit = power_of_ten(u32::from(precision))?;
    (value.unsigned_abs() < limit.unsigned_abs()).then_some(value)
}

/// The kernel of an arithmetic operator on two decimals.
pub(crate) fn arithmetic(
    op: BinaryOp,
    left: DecimalShape,
    right: DecimalShape,
    result: DecimalShape,
) -> Option<Kernel> {
    let (ls, rs, to) = (left.scale, right.scale, result.scale);
    Some(match op {
        BinaryOp::Add => {
            kernel(op, result, move |l, r| aligned(l, r, ls, rs, to, i128::checked_add))
        }
        BinaryOp::Subtract => {
            kernel(op, result, move |l, r| aligned(l, r, ls, rs, to, i128::checked_sub))
        }
        BinaryOp::Multiply => kernel(op, result, move |l, r| product(l, r, ls + rs, to)),
        BinaryOp::Divide => kernel(op, result, move |l, r| quotient(l, r, ls, rs, to)),
        BinaryOp::Modulo => {
            kernel(op, result, move |l, r| aligned(l, r, ls, rs, to, i128::checked_rem))
        }
        _ => return None,
    })
}

fn kernel(
    op: BinaryOp,
    result: DecimalShape,
    compute: impl Fn(i128, i128) -> Option<i128> + Send + Sync + 'static,
) -> Kernel {
    let divides = matches!(op, BinaryOp::Divide | BinaryOp::Modulo);
    Kernel::partial(move |values, rows| {
        let (left, right) = (decimals(&values[0], rows)?, decimals(&values[1], rows)?);
        let checked = |l: i128, r: i128| {
            if divides && r == 0 {
                return Err(ArrowError::DivideByZero);
            }
            let value = compute(l, r).and_then(|value| within(value, result.precision));
            value.ok_or_else(|| ArrowError::ArithmeticOverflow(String::new()))
        };
        let array: Decimal128Array = try_binary(&left, &right, checked)?;
        shaped(array, result)
    })
}

/// An array with the precision and scale of its type.
pub(crate) fn shaped(array: Decimal128Array, shape: DecimalShape) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(array.with_precision_and_scale(shape.precision, shape.scale.cast_signed())?))
}

fn decimals(value: &Value, rows: usize) -> Result<Decimal128Array, Failure> {
    let array = value.clone().into_array(rows)?;
    Ok(array.as_primitive::<Decimal128Type>().clone())
}

/// Operates on both values at the larger of their scales.
fn aligned(
    left: i128,
    right: i128,
    left_scale: u8,
    right_scale: u8,
    to: u8,
    operate: impl Fn(i128, i128) -> Option<i128>,
) -> Option<i128> {
    let scale = left_scale.max(right_scale);
    let (left, right) = (rescale(left, left_scale, scale)?, rescale(right, right_scale, scale)?);
    rescale(operate(left, right)?, scale, to)
}

fn product(left: i128, right: i128, scale: u8, to: u8) -> Option<i128> {
    match left.checked_mul(right) {
        Some(value) => rescale(value, scale, to),
        None => wide_rescale(i256::from_i128(left).checked_mul(i256::from_i128(right))?, scale, to),
    }
}

/// `left / right` at scale `to`: `left × 10^(to + right_scale - left_scale) / right`.
fn quotient(left: i128, right: i128, left_scale: u8, right_scale: u8, to: u8) -> Option<i128> {
    let (up, down) = (u32::from(to) + u32::from(right_scale), u32::from(left_scale));
    let (mut dividend, mut divisor) = (i256::from_i128(left), i256::from_i128(right));
    let ten = i256::from_i128(10);
    if up >= down {
        dividend = dividend.checked_mul(ten.checked_pow(up - down)?)?;
    } else {
        divisor = divisor.checked_mul(ten.checked_pow(down - up)?)?;
    }
    wide_divide(dividend, divisor)
}

fn wide_rescale(value: i256, from: u8, to: u8) -> Option<i128> {
    // A product of two 128-bit numbers never gains digits here: `to` is at most `from`, or the
    // value is too large anyway.
    let divisor = i256::from_i128(10).checked_pow(u32::from(from.checked_sub(to)?))?;
    wide_divide(value, divisor)
}

/// Rounds half away from zero.
fn wide_divide(dividend: i256, divisor: i256) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?;
    let (rest, divisor_size) = (rest.wrapping_abs(), divisor.wrapping_abs());
    let is_up = rest >= divisor_size.checked_sub(rest)?;
    if !is_up {
        return quotient.to_i128();
    }
    let is_negative = (dividend < i256::ZERO) != (divisor < i256::ZERO);
    let step = i256::from_i128(if is_negative { -1 } else { 1 });
    quotient.checked_add(step)?.to_i128()
}
