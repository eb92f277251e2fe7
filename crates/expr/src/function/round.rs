//! `ROUND`, `TRUNC`, `FLOOR` and `CEIL` for each numeric type.
//!
//! `ROUND` goes half away from zero, `TRUNC` towards zero. Negative digits round to tens, hundreds and so on.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrowPrimitiveType, Decimal128Array, PrimitiveArray};
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::{Compiled, Problem};
use crate::decimal::{DecimalShape, divide_rounded, power_of_ten, rescale, shaped, within};
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane, Value, integer_lane};

/// Compiles a function of this file; `result` is the type the plan states.
pub(super) fn kernel(function: Function, arguments: &[Node], result: &DataType) -> Compiled {
    let data_type = arguments[0].data_type();
    match function {
        Function::Round => round(data_type, result, Way::NEAREST),
        Function::Trunc => round(data_type, result, Way::TOWARDS_ZERO),
        Function::Floor => whole(data_type, result, false),
        Function::Ceil => whole(data_type, result, true),
        _ => Err(Problem::Types),
    }
}

/// How a number becomes whole.
#[derive(Clone, Copy)]
struct Way {
    float: fn(f64) -> f64,
    /// Of a quotient; the divisor is positive.
    divide: fn(i128, i128) -> i128,
}

impl Way {
    const NEAREST: Self = Self { float: f64::round, divide: divide_rounded };
    const TOWARDS_ZERO: Self = Self { float: f64::trunc, divide: |value, divisor| value / divisor };
}

/// Applies `f` to each value and its digits; NULL if either is, and a failure if `f` has no value.
fn each<T: ArrowPrimitiveType>(
    f: impl Fn(T::Native, i64) -> Option<T::Native> + Send + Sync + 'static,
) -> Kernel {
    Kernel::partial(move |v, rows| Ok(Arc::new(round_rows::<T>(v, rows, &f)?)))
}

fn round_rows<T: ArrowPrimitiveType>(
    values: &[Value],
    rows: usize,
    f: &impl Fn(T::Native, i64) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, Failure> {
    let numbers = Lane::new(&values[0], values[0].array().as_primitive::<T>());
    let digits = values.get(1).map(integer_lane);
    let digits_of = |row| digits.as_ref().map_or(Some(0), |digits| digits.get(row));
    let rounded = (0..rows).map(|row| {
        let (Some(number), Some(digits)) = (numbers.get(row), digits_of(row)) else {
            return Ok(None);
        };
        f(number, digits).map(Some).ok_or_else(|| Failure::row("overflow in rounding"))
    });
    rounded.collect()
}

fn round(data_type: &DataType, result: &DataType, way: Way) -> Compiled {
    let kernel = match data_type {
        DataType::TinyInt => {
            each::<Int8Type>(move |v, d| i8::try_from(round_integer(v.into(), d, way)?).ok())
        }
        DataType::SmallInt => {
            each::<Int16Type>(move |v, d| i16::try_from(round_integer(v.into(), d, way)?).ok())
        }
        DataType::Integer => {
            each::<Int32Type>(move |v, d| i32::try_from(round_integer(v.into(), d, way)?).ok())
        }
        DataType::BigInt => {
            each::<Int64Type>(move |v, d| i64::try_from(round_integer(v.into(), d, way)?).ok())
        }
        DataType::Real => {
            each::<Float32Type>(move |v, d| Some(narrow(round_double(v.into(), d, way))))
                .with_fallible(false)
        }
        DataType::Double => {
            each::<Float64Type>(move |v, d| Some(round_double(v, d, way))).with_fallible(false)
        }
        DataType::Decimal { precision, scale } => {
            let from = DecimalShape { precision: *precision, scale: *scale };
            return Ok(decimals(from, result, move |value, digits| {
                round_decimal(value, from.scale, digits, way)
            }));
        }
        _ => return Err(Problem::Types),
    };
    Ok((kernel, data_type.clone()))
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest REAL is what is asked for")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn round_integer(value: i128, digits: i64, way: Way) -> Option<i128> {
    if digits >= 0 {
        return Some(value);
    }
    match u32::try_from(digits.unsigned_abs()).ok().and_then(power_of_ten) {
        // Beyond every digit the value has.
        None => Some(0),
        Some(unit) => (way.divide)(value, unit).checked_mul(unit),
    }
}

/// Scales, rounds and scales back; a value that scaling would push past the range is as round as
/// it gets.
fn round_double(value: f64, digits: i64, way: Way) -> f64 {
    const EXPONENT_MAX: i64 = 400;
    if !value.is_finite() {
        return value;
    }
    // Past the exponent range of a DOUBLE nothing changes any more.
    let clamped = digits.clamp(-EXPONENT_MAX, EXPONENT_MAX);
    let unit = 10_f64.powi(i32::try_from(clamped.abs()).unwrap_or(0));
    if digits >= 0 {
        let rounded = (way.float)(value * unit) / unit;
        if rounded.is_finite() { rounded } else { value }
    } else {
        let rounded = (way.float)(value / unit) * unit;
        if rounded.is_finite() { rounded } else { 0.0 }
    }
}

/// The value rounded at `digits` after the point, still at its own scale.
fn round_decimal(value: i128, scale: u8, digits: i64, way: Way) -> Option<i128> {
    let dropped = i64::from(scale).saturating_sub(digits);
    if dropped <= 0 {
        return Some(value);
    }
    match u32::try_from(dropped).ok().and_then(power_of_ten) {
        None => Some(0),
        Some(unit) => (way.divide)(value, unit).checked_mul(unit),
    }
}

/// A decimal kernel with the result's precision and scale.
fn decimals(
    from: DecimalShape,
    result: &DataType,
    f: impl Fn(i128, i64) -> Option<i128> + Send + Sync + 'static,
) -> (Kernel, DataType) {
    let to = match result {
        DataType::Decimal { precision, scale } => {
            DecimalShape { precision: *precision, scale: *scale }
        }
        _ => from,
    };
    let kernel = Kernel::partial(move |v, rows| {
        let fit = |value: i128, digits: i64| {
            within(rescale(f(value, digits)?, from.scale, to.scale)?, to.precision)
        };
        let array: Decimal128Array = round_rows::<Decimal128Type>(v, rows, &fit)?;
        shaped(array, to)
    });
    (kernel, DataType::Decimal { precision: to.precision, scale: to.scale })
}

fn whole(data_type: &DataType, result: &DataType, is_up: bool) -> Compiled {
    let kernel = match data_type {
        integer if integer.is_integer() => Kernel::total(|v, _| Ok(v[0].array().clone())),
        DataType::Real => Kernel::total(move |v, _| {
            let round = if is_up { f32::ceil } else { f32::floor };
            Ok(Arc::new(v[0].array().as_primitive::<Float32Type>().unary::<_, Float32Type>(round)))
        }),
        DataType::Double => Kernel::total(move |v, _| {
            let round = if is_up { f64::ceil } else { f64::floor };
            Ok(Arc::new(v[0].array().as_primitive::<Float64Type>().unary::<_, Float64Type>(round)))
        }),
        DataType::Decimal { precision, scale } => {
            let from = DecimalShape { precision: *precision, scale: *scale };
            return Ok(decimals(from, result, move |value, _| {
                let unit = power_of_ten(from.scale.into())?;
                let floor = value.div_euclid(unit);
                let step = i128::from(is_up && value.rem_euclid(unit) != 0);
                floor.checked_add(step)?.checked_mul(unit)
            }));
        }
        _ => return Err(Problem::Types),
    };
    Ok((kernel, data_type.clone()))
}
