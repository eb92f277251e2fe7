//! `ABS`, `SIGN`, and the functions of `DOUBLE`. Those follow IEEE 754: the square root of a
//! negative number is NaN, the logarithm of 0 is minus infinity.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array};
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let Some(data_type) = arguments.first().map(Node::data_type) else {
        return Err(Problem::Types);
    };
    let double = |f: fn(f64) -> f64| {
        let kernel = Kernel::total(move |v, _| {
            let array = v[0].array().as_primitive::<Float64Type>();
            Ok(Arc::new(array.unary::<_, Float64Type>(f)))
        });
        Ok((kernel, DataType::Double))
    };
    match function {
        Function::Abs => Ok((absolute(data_type).ok_or(Problem::Types)?, data_type.clone())),
        Function::Sign => Ok((sign(data_type).ok_or(Problem::Types)?, DataType::BigInt)),
        Function::Power => Ok((power(), DataType::Double)),
        Function::Sqrt => double(f64::sqrt),
        Function::Ln => double(f64::ln),
        Function::Log10 => double(f64::log10),
        Function::Exp => double(f64::exp),
        _ => Err(Problem::Types),
    }
}

fn power() -> Kernel {
    Kernel::total(|v, rows| {
        let bases = Lane::new(&v[0], v[0].array().as_primitive::<Float64Type>());
        let exponents = Lane::new(&v[1], v[1].array().as_primitive::<Float64Type>());
        let powers = (0..rows).map(|row| Some(bases.get(row)?.powf(exponents.get(row)?)));
        Ok(Arc::new(powers.collect::<Float64Array>()))
    })
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
