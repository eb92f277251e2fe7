//! `ABS`, `SIGN`, functions of `DOUBLE`, and those of whole numbers.
//!
//! Functions of `DOUBLE` follow IEEE 754: the square root of a negative number is NaN, the logarithm of 0 is
//! minus infinity.

use std::f64::consts::PI;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::lift::{Double, Integer, value1, value2};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::Failure;

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let data_type = arguments[0].data_type();
    match function {
        Function::Abs => Ok((absolute(data_type).ok_or(Problem::Types)?, data_type.clone())),
        Function::Sign => Ok((sign(data_type).ok_or(Problem::Types)?, DataType::BigInt)),
        Function::IsNan => test(f64::is_nan),
        Function::IsInf => test(f64::is_infinite),
        Function::IsFinite => test(f64::is_finite),
        Function::Factorial => whole(value1::<Integer, _>(factorial)),
        Function::Gcd => whole(value2::<Integer, Integer, _>(|a, b| {
            i64::try_from(gcd(a, b)).map_err(|_| Failure::row("overflow in GCD"))
        })),
        Function::Lcm => whole(value2::<Integer, Integer, _>(lcm)),
        Function::Power => two(f64::powf),
        Function::Atan2 => two(f64::atan2),
        Function::Fmod => two(|x, y| x % y),
        Function::Log if arguments.len() == 2 => two(|base, x| x.log10() / base.log10()),
        _ => Ok((value1::<Double, _>(of_double(function)?), DataType::Double)),
    }
}

fn test(test: fn(f64) -> bool) -> Compiled {
    Ok((value1::<Double, _>(test), DataType::Boolean))
}

fn two(compute: fn(f64, f64) -> f64) -> Compiled {
    Ok((value2::<Double, Double, _>(compute), DataType::Double))
}

fn whole(kernel: Kernel) -> Compiled {
    Ok((kernel, DataType::BigInt))
}

/// A function of one `DOUBLE`.
fn of_double(function: Function) -> Result<fn(f64) -> f64, Problem> {
    Ok(match function {
        Function::Sqrt => f64::sqrt,
        Function::Cbrt => f64::cbrt,
        Function::Ln => f64::ln,
        Function::Log | Function::Log10 => f64::log10,
        Function::Log2 => f64::log2,
        Function::Exp => f64::exp,
        Function::Sin => f64::sin,
        Function::Cos => f64::cos,
        Function::Tan => f64::tan,
        Function::Cot => |x| 1.0 / x.tan(),
        Function::Asin => f64::asin,
        Function::Acos => f64::acos,
        Function::Atan => f64::atan,
        Function::Sinh => f64::sinh,
        Function::Cosh => f64::cosh,
        Function::Tanh => f64::tanh,
        Function::Asinh => f64::asinh,
        Function::Acosh => f64::acosh,
        Function::Atanh => f64::atanh,
        Function::Degrees => |x| x * (180.0 / PI),
        Function::Radians => |x| x * (PI / 180.0),
        Function::Even => |x| ((x / 2.0).abs().ceil() * 2.0).copysign(x),
        _ => return Err(Problem::Types),
    })
}

fn factorial(n: i64) -> Result<i64, Failure> {
    if n < 0 {
        return Err(Failure::row("FACTORIAL of a negative number"));
    }
    let product = (1..=n.min(21)).try_fold(1_i64, i64::checked_mul);
    product.ok_or_else(|| Failure::row("overflow in FACTORIAL"))
}

fn gcd(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: i64, b: i64) -> Result<i64, Failure> {
    if a == 0 || b == 0 {
        return Ok(0);
    }
    let multiple = (a.unsigned_abs() / gcd(a, b)).checked_mul(b.unsigned_abs());
    let multiple = multiple.and_then(|multiple| i64::try_from(multiple).ok());
    multiple.ok_or_else(|| Failure::row("overflow in LCM"))
}

fn absolute(data_type: &DataType) -> Option<Kernel> {
    fn integers<T: ArrowPrimitiveType>(
        abs: impl Fn(T::Native) -> Option<T::Native> + Send + Sync + 'static,
    ) -> Kernel {
        Kernel::partial(move |v, _| {
            let array = v[0].array().as_primitive::<T>();
            let absolute = array.try_unary::<_, T, Failure>(|value| {
                abs(value).ok_or_else(|| Failure::row("overflow in ABS"))
            });
            Ok(Arc::new(absolute?))
        })
    }
    fn total<T: ArrowPrimitiveType>(
        abs: impl Fn(T::Native) -> T::Native + Send + Sync + 'static,
    ) -> Kernel {
        Kernel::total(move |v, _| {
            let array = v[0].array().as_primitive::<T>();
            let absolute = array.unary::<_, T>(&abs).with_data_type(array.data_type().clone());
            Ok(Arc::new(absolute))
        })
    }
    Some(match data_type {
        DataType::TinyInt => integers::<Int8Type>(i8::checked_abs),
        DataType::SmallInt => integers::<Int16Type>(i16::checked_abs),
        DataType::Integer => integers::<Int32Type>(i32::checked_abs),
        DataType::BigInt => integers::<Int64Type>(i64::checked_abs),
        DataType::Real => total::<Float32Type>(f32::abs),
        DataType::Double => total::<Float64Type>(f64::abs),
        // At most 38 digits: the magnitude is always in range.
        DataType::Decimal { .. } => total::<Decimal128Type>(i128::wrapping_abs),
        _ => return None,
    })
}

/// -1, 0 or 1; NaN has sign 0.
fn sign(data_type: &DataType) -> Option<Kernel> {
    fn compared<T: ArrowPrimitiveType<Native: PartialOrd + Default>>() -> Kernel {
        Kernel::total(|v, _| {
            let zero = T::Native::default();
            let array = v[0].array().as_primitive::<T>();
            let signs: ArrayRef = Arc::new(
                array.unary::<_, Int64Type>(|x| i64::from(x > zero) - i64::from(x < zero)),
            );
            Ok(signs)
        })
    }
    Some(match data_type {
        DataType::BigInt => compared::<Int64Type>(),
        DataType::Real => compared::<Float32Type>(),
        DataType::Double => compared::<Float64Type>(),
        DataType::Decimal { .. } => compared::<Decimal128Type>(),
        _ => return None,
    })
}
