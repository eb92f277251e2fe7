//! Exact decimal arithmetic on 128-bit integers with the scales the binder chose.
//!
//! Sums and products are exact; a quotient is rounded half away from zero to the result's scale.
//! Whatever does not fit the result's precision fails the row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, Decimal128Array};
use arrow_buffer::{NullBuffer, i256};
use tidemill_plan::BinaryOp;

use crate::comparison::validity;
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

/// Powers of ten, as many as there are.
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// `10^exponent`; `None` past the range.
#[inline]
pub(crate) fn power_of_ten(exponent: u32) -> Option<i128> {
    POWERS_OF_TEN.get(exponent as usize).copied()
}

/// `value / divisor`, rounded half away from zero; the divisor is positive.
#[inline]
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    // To divide 128 bits takes many times longer, and most are few.
    if let (Ok(value), Ok(divisor)) = (i64::try_from(value), i64::try_from(divisor)) {
        let (quotient, rest) = (value / divisor, value % divisor);
        let is_up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
        return (if is_up && rest != 0 { quotient + rest.signum() } else { quotient }).into();
    }
    let (quotient, rest) = (value / divisor, value % divisor);
    // `rest >= divisor - rest` in magnitudes, without overflow.
    let is_up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    if is_up && rest != 0 { quotient + rest.signum() } else { quotient }
}

/// `left × right`; `None` on overflow.
#[inline]
fn multiply(left: i128, right: i128) -> Option<i128> {
    match (i64::try_from(left), i64::try_from(right)) {
        (Ok(left), Ok(right)) => Some(i128::from(left) * i128::from(right)),
        _ => left.checked_mul(right),
    }
}

/// The same number at another scale, rounded half away from zero; `None` on overflow.
#[inline]
pub(crate) fn rescale(value: i128, from: u8, to: u8) -> Option<i128> {
    if to == from {
        return Some(value);
    }
    if to > from {
        return multiply(value, power_of_ten(u32::from(to - from))?);
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
    let compute = move |left: i128, right: i128| {
        if divides && right == 0 {
            return Err(Failure::row("division by zero"));
        }
        let value = compute(left, right).and_then(|value| within(value, result.precision));
        value.ok_or_else(|| Failure::row("overflow"))
    };
    Kernel::partial(move |values, rows| {
        let (left, right) = (&values[0], &values[1]);
        let decimals = |value: &Value| value.array().as_primitive::<Decimal128Type>().clone();
        let (l, r) = (decimals(left), decimals(right));
        let (l, r) = (l.values(), r.values());
        let nulls =
            NullBuffer::union(validity(left, rows).as_ref(), validity(right, rows).as_ref());
        let mut out = Vec::with_capacity(rows);
        for row in 0..rows {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            out.push(if is_null {
                0
            } else {
                compute(l[left.index_of(row)], r[right.index_of(row)])?
            });
        }
        shaped(Decimal128Array::new(out.into(), nulls), result)
    })
}

/// An array with the precision and scale of its type.
pub(crate) fn shaped(array: Decimal128Array, shape: DecimalShape) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(array.with_precision_and_scale(shape.precision, shape.scale.cast_signed())?))
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
    match multiply(left, right) {
        Some(value) => rescale(value, scale, to),
        None => wide_rescale(i256::from_i128(left).checked_mul(i256::from_i128(right))?, scale, to),
    }
}

/// `left / right` at scale `to`: `left × 10^(to + right_scale - left_scale) / right`.
fn quotient(left: i128, right: i128, left_scale: u8, right_scale: u8, to: u8) -> Option<i128> {
    let (up, down) = (u32::from(to) + u32::from(right_scale), u32::from(left_scale));
    if up >= down
        && right != 0
        && right != i128::MIN
        && let Some(dividend) = power_of_ten(up - down).and_then(|power| multiply(left, power))
        && dividend != i128::MIN
    {
        // Rounded away from zero by magnitude, whatever the signs.
        let quotient = divide_rounded(dividend, right.abs());
        return Some(if right < 0 { -quotient } else { quotient });
    }
    wide_quotient(left, right, up, down)
}

/// The same of numbers of any size: `left × 10^(up - down) / right`.
fn wide_quotient(left: i128, right: i128, up: u32, down: u32) -> Option<i128> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_computed_as_long_ones_are() {
        let sizes = [1, 2, 3, 5, 7, 49, 50, 51, 999, 1 << 31, i128::from(i64::MAX), 1 << 64];
        let sizes =
            sizes.into_iter().chain([10_i128.pow(18), 10_i128.pow(19) - 1, 10_i128.pow(37)]);
        let numbers: Vec<i128> = sizes.flat_map(|size| [size, -size]).chain([0]).collect();
        for &left in &numbers {
            for &right in &numbers {
                assert_eq!(multiply(left, right), left.checked_mul(right));
                for (left_scale, right_scale, to) in [(2, 2, 6), (0, 4, 4), (6, 0, 2), (0, 0, 0)] {
                    let (up, down) = (u32::from(to) + u32::from(right_scale), left_scale.into());
                    assert_eq!(
                        quotient(left, right, left_scale, right_scale, to),
                        wide_quotient(left, right, up, down),
                        "{left} at {left_scale} / {right} at {right_scale}, at {to}"
                    );
                }
                if right > 0 {
                    let wide = wide_divide(i256::from_i128(left), i256::from_i128(right));
                    assert_eq!(Some(divide_rounded(left, right)), wide, "{left} / {right}");
                }
            }
        }
    }
}
