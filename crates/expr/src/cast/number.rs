//! Numbers and truth values to numbers and truth values.
//!
//! A float rounds half to even on its way to an integer, as the processor does; a decimal, and a
//! float on its way to a decimal, half away from zero. What is out of range does not convert.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Int8Array, PrimitiveArray};
use tidemill_record::DataType;
use tidemill_record::recycled::Room;

use super::Conversion;
use crate::decimal::{power_of_ten, rescale, within};

/// A number on its way from one type to another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Any integer type.
    Integer(i64),
    /// Either float type.
    Float(f64),
    /// `value / 10^scale`
    Decimal { value: i128, scale: u8 },
}

impl Number {
    fn to_integer(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Float(value) => round_to_integer(value),
            Self::Decimal { value, scale } => i64::try_from(rescale(value, scale, 0)?).ok(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what SQL asks for")]
    fn to_double(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
            Self::Decimal { value, scale } => decimal_to_double(value, scale),
        }
    }

    /// `None` if a finite value is out of range.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the nearest float is what SQL asks for"
    )]
    fn to_real(self) -> Option<f32> {
        let real = match self {
            Self::Integer(value) => value as f32,
            _ => self.to_double() as f32,
        };
        (real.is_finite() || !self.to_double().is_finite()).then_some(real)
    }

    fn to_decimal(self, precision: u8, scale: u8) -> Option<i128> {
        let value = match self {
            Self::Integer(value) => rescale(value.into(), 0, scale)?,
            Self::Float(value) => double_to_decimal(value, scale)?,
            Self::Decimal { value, scale: from } => rescale(value, from, scale)?,
        };
        within(value, precision)
    }

    fn is_nonzero(self) -> bool {
        match self {
            Self::Integer(value) => value != 0,
            Self::Float(value) => value != 0.0,
            Self::Decimal { value, .. } => value != 0,
        }
    }
}

/// The integer nearest to a float, ties to even; `None` for what no `i64` holds.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn round_to_integer(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round_ties_even();
    (-LIMIT..LIMIT).contains(&rounded).then_some(rounded as i64)
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn double_to_decimal(value: f64, scale: u8) -> Option<i128> {
    let scaled = (value * 10_f64.powi(i32::from(scale))).round();
    (scaled.abs() < 1e38).then_some(scaled as i128)
}

/// The whole and the fractional part separately: either is exact for common values, and the sum
/// rounds once.
#[expect(clippy::cast_precision_loss, reason = "the nearest float is what SQL asks for")]
fn decimal_to_double(value: i128, scale: u8) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    let Some(unit) = power_of_ten(scale.into()) else { return 0.0 };
    if value.unsigned_abs() <= EXACT_MAX && scale <= 22 {
        return value as f64 / unit as f64;
    }
    (value / unit) as f64 + (value % unit) as f64 / unit as f64
}

/// Conversions from a numeric type.
pub(super) fn from_number<T: ArrowPrimitiveType>(
    to: &DataType,
    is_try: bool,
    number: impl Fn(T::Native) -> Number + Copy + Send + Sync + 'static,
) -> Option<Conversion> {
    let is_widening = is_widening(&T::DATA_TYPE, &to.arrow());
    let conversion = match to {
        DataType::Boolean => Conversion::total(move |array| {
            let array: &PrimitiveArray<T> = array.as_primitive();
            let holds = BooleanArray::from_unary(array, |value| number(value).is_nonzero());
            Arc::new(holds)
        }),
        DataType::TinyInt => Conversion::each::<T, Int8Type>(to, is_try, move |value| {
            i8::try_from(number(value).to_integer()?).ok()
        }),
        DataType::SmallInt => Conversion::each::<T, Int16Type>(to, is_try, move |value| {
            i16::try_from(number(value).to_integer()?).ok()
        }),
        DataType::Integer => Conversion::each::<T, Int32Type>(to, is_try, move |value| {
            i32::try_from(number(value).to_integer()?).ok()
        }),
        DataType::BigInt => {
            Conversion::each::<T, Int64Type>(to, is_try, move |value| number(value).to_integer())
        }
        DataType::Real => {
            Conversion::each::<T, Float32Type>(to, is_try, move |value| number(value).to_real())
        }
        DataType::Double => Conversion::total(move |array| {
            let array: &PrimitiveArray<T> = array.as_primitive();
            let mut doubles = Room::default();
            doubles.extend(array.values().iter().map(|value| number(*value).to_double()));
            doubles.finish::<Float64Type>(array.nulls().cloned())
        }),
        DataType::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            Conversion::each::<T, Decimal128Type>(to, is_try, move |value| {
                number(value).to_decimal(precision, scale)
            })
        }
        _ => return None,
    };
    Some(Conversion { is_partial: conversion.is_partial && !is_widening, ..conversion })
}

/// Whether every value converts: integers to wider integers, and integers to `REAL`.
fn is_widening(from: &arrow_schema::DataType, to: &arrow_schema::DataType) -> bool {
    let width = |data_type: &arrow_schema::DataType| {
        data_type.is_signed_integer().then(|| data_type.primitive_width()).flatten()
    };
    match (width(from), width(to)) {
        (Some(from), Some(to)) => from <= to,
        (Some(_), None) => *to == arrow_schema::DataType::Float32,
        _ => false,
    }
}

/// Conversions from `BOOLEAN`: TRUE is 1.
pub(super) fn from_boolean(to: &DataType, is_try: bool) -> Option<Conversion> {
    let Conversion { convert, is_partial } =
        from_number::<Int8Type>(to, is_try, |value| Number::Integer(value.into()))?;
    let convert = move |array: &ArrayRef| {
        let array = array.as_boolean();
        let numbers = array.values().iter().map(i8::from).collect::<Vec<_>>();
        let numbers = Int8Array::new(numbers.into(), array.nulls().cloned());
        let numbers: ArrayRef = Arc::new(numbers);
        convert(&numbers)
    };
    Some(Conversion { convert: Box::new(convert), is_partial })
}
