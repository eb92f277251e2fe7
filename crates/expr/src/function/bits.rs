//! Bits of integers, in two's complement of 64 bits.

use arrow_array::ArrowPrimitiveType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use std::sync::Arc;
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::lift::{Integer, value1, value2};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::Failure;

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let kernel = match function {
        Function::BitAnd => value2::<Integer, Integer, _>(|a, b| a & b),
        Function::BitOr => value2::<Integer, Integer, _>(|a, b| a | b),
        Function::Xor => value2::<Integer, Integer, _>(|a, b| a ^ b),
        Function::BitNot => value1::<Integer, _>(|a| !a),
        Function::ShiftLeft => value2::<Integer, Integer, _>(shift_left),
        Function::ShiftRight => value2::<Integer, Integer, _>(shift_right),
        Function::BitCount => count(arguments[0].data_type())?,
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::BigInt))
}

fn shift_left(value: i64, bits: i64) -> Result<i64, Failure> {
    if value < 0 || bits < 0 {
        return Err(Failure::row("<< of a negative number, or by one"));
    }
    if value == 0 {
        return Ok(0);
    }
    let shifted = u32::try_from(bits).ok().filter(|bits| *bits < value.leading_zeros());
    shifted.map(|bits| value << bits).ok_or_else(|| Failure::row("overflow in <<"))
}

/// The sign stays. Nothing is left of what is shifted out, and 0 of a shift by a negative number.
fn shift_right(value: i64, bits: i64) -> i64 {
    match u32::try_from(bits) {
        Ok(bits) if bits < i64::BITS => value >> bits,
        _ => 0,
    }
}

/// Bits that are set, of as many as the type has.
fn count(data_type: &DataType) -> Result<Kernel, Problem> {
    fn counted<T: ArrowPrimitiveType>(count: fn(T::Native) -> u32) -> Kernel {
        Kernel::total(move |v, _| {
            let values = v[0].array().as_primitive::<T>();
            Ok(Arc::new(values.unary::<_, Int64Type>(|value| count(value).into())))
        })
    }
    Ok(match data_type {
        DataType::TinyInt => counted::<Int8Type>(i8::count_ones),
        DataType::SmallInt => counted::<Int16Type>(i16::count_ones),
        DataType::Integer => counted::<Int32Type>(i32::count_ones),
        DataType::BigInt => counted::<Int64Type>(i64::count_ones),
        _ => return Err(Problem::Types),
    })
}
