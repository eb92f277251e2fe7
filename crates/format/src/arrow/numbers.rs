//! Integers and floats of any width, brought to a number of a SQL type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::DataType as ArrowType;
use tidemill_record::DataType;

/// Numbers as those of a SQL type, with NULL for those that it does not hold; `None` if the array holds
/// no integers or floats, or if they never become that type.
///
/// An integer becomes the float nearest to it. Digits beyond the precision of a decimal are the
/// caller's to find.
pub(super) fn convert_number(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    match array.data_type() {
        ArrowType::Int8 => convert_integers(array.as_primitive::<Int8Type>(), to),
        ArrowType::Int16 => convert_integers(array.as_primitive::<Int16Type>(), to),
        ArrowType::Int32 => convert_integers(array.as_primitive::<Int32Type>(), to),
        ArrowType::Int64 => convert_integers(array.as_primitive::<Int64Type>(), to),
        ArrowType::UInt8 => convert_integers(array.as_primitive::<UInt8Type>(), to),
        ArrowType::UInt16 => convert_integers(array.as_primitive::<UInt16Type>(), to),
        ArrowType::UInt32 => convert_integers(array.as_primitive::<UInt32Type>(), to),
        ArrowType::UInt64 => convert_integers(array.as_primitive::<UInt64Type>(), to),
        ArrowType::Float16 => {
            let halves = array.as_primitive::<Float16Type>();
            floats(&halves.unary::<_, Float32Type>(|half| half.to_f32()), to)
        }
        ArrowType::Float32 => floats(array.as_primitive(), to),
        _ => None,
    }
}

/// As [`convert_number`]; the integers may be the digits of decimals without a fraction.
pub(super) fn convert_integers<T>(array: &PrimitiveArray<T>, to: &DataType) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: TryInto<i8> + TryInto<i16> + TryInto<i32> + TryInto<i64> + Into<i128>,
{
    Some(match to {
        DataType::TinyInt => {
            Arc::new(fitted::<T, Int8Type>(array, |value| TryInto::<i8>::try_into(value).ok()))
        }
        DataType::SmallInt => {
            Arc::new(fitted::<T, Int16Type>(array, |value| TryInto::<i16>::try_into(value).ok()))
        }
        DataType::Integer => {
            Arc::new(fitted::<T, Int32Type>(array, |value| TryInto::<i32>::try_into(value).ok()))
        }
        DataType::BigInt => {
            Arc::new(fitted::<T, Int64Type>(array, |value| TryInto::<i64>::try_into(value).ok()))
        }
        DataType::Real => Arc::new(array.unary::<_, Float32Type>(nearest_real)),
        DataType::Double => Arc::new(array.unary::<_, Float64Type>(nearest_double)),
        DataType::Decimal { scale, .. } => {
            let factor = 10_i128.checked_pow(u32::from(*scale))?;
            let scaled = fitted::<T, Decimal128Type>(array, |value| {
                Into::<i128>::into(value).checked_mul(factor)
            });
            Arc::new(scaled.with_data_type(to.arrow()))
        }
        _ => return None,
    })
}

fn floats(array: &PrimitiveArray<Float32Type>, to: &DataType) -> Option<ArrayRef> {
    Some(match to {
        DataType::Real => Arc::new(array.clone()),
        DataType::Double => Arc::new(array.unary::<_, Float64Type>(f64::from)),
        _ => return None,
    })
}

/// What `fit` makes of each value, NULL where it makes nothing. Where it always makes something, the
/// compiler sees that, and neither looks nor branches.
fn fitted<T, O>(
    array: &PrimitiveArray<T>,
    fit: impl Fn(T::Native) -> Option<O::Native>,
) -> PrimitiveArray<O>
where
    T: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let all_fit = array.values().iter().fold(true, |all, value| all & fit(*value).is_some());
    if all_fit {
        array.unary(|value| fit(value).unwrap_or_default())
    } else {
        // What lies under a NULL may have been all that does not fit.
        array.unary_opt(fit)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what a wider type means")]
fn nearest_real<N: TryInto<i64> + Into<i128> + Copy>(value: N) -> f32 {
    let small: Result<i64, _> = value.try_into();
    small.map_or_else(|_| value.into() as f32, |small| small as f32)
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what a wider type means")]
fn nearest_double<N: TryInto<i64> + Into<i128> + Copy>(value: N) -> f64 {
    let small: Result<i64, _> = value.try_into();
    small.map_or_else(|_| value.into() as f64, |small| small as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::{
        Decimal128Array, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array,
        Int32Array, Int64Array, StringArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    };

    use super::*;
    use crate::arrow::values::{Found, convert};

    /// The column as the SQL type must be `expected`, apart from the rows of misfits.
    #[track_caller]
    fn becomes(from: impl Array + 'static, to: &DataType, expected: &dyn Array, misfits: &[usize]) {
        let from: ArrayRef = Arc::new(from);
        let found = convert(Found::plain(&from), to).unwrap();
        assert_eq!(found.misfits, misfits, "{from:?} as {to}");
        assert_eq!(found.array.data_type(), &to.arrow());
        assert_eq!(found.array.len(), expected.len());
        for row in (0..from.len()).filter(|row| !misfits.contains(row)) {
            let (found, expected) = (found.array.slice(row, 1), expected.slice(row, 1));
            assert_eq!(*found, *expected, "row {row} of {from:?} as {to}");
        }
    }

    #[test]
    fn every_integer_becomes_the_next_wider_one_whole() {
        use DataType::{BigInt, Integer, SmallInt};
        let small = UInt8Array::from(vec![Some(0), None, Some(255)]);
        becomes(small, &SmallInt, &Int16Array::from(vec![Some(0), None, Some(255)]), &[]);
        let medium = UInt16Array::from(vec![Some(0), None, Some(65_535)]);
        becomes(medium, &Integer, &Int32Array::from(vec![Some(0), None, Some(65_535)]), &[]);
        let large = UInt32Array::from(vec![Some(0), None, Some(4_294_967_295)]);
        becomes(large, &BigInt, &Int64Array::from(vec![Some(0), None, Some(4_294_967_295)]), &[]);
        becomes(
            Int8Array::from(vec![-128, 127]),
            &SmallInt,
            &Int16Array::from(vec![-128, 127]),
            &[],
        );
        becomes(
            Int16Array::from(vec![-32_768, 32_767]),
            &Integer,
            &Int32Array::from(vec![-32_768, 32_767]),
            &[],
        );
        becomes(
            Int32Array::from(vec![i32::MIN, i32::MAX]),
            &BigInt,
            &Int64Array::from(vec![-2_147_483_648, 2_147_483_647]),
            &[],
        );
        becomes(Int64Array::from(Vec::<i64>::new()), &Integer, &Int32Array::from(vec![0; 0]), &[]);
    }

    #[test]
    fn an_integer_beyond_a_narrower_one_is_a_misfit_and_never_wraps() {
        use DataType::{BigInt, Integer, SmallInt, TinyInt};
        let large = Int64Array::from(vec![
            Some(-129),
            Some(-128),
            None,
            Some(127),
            Some(128),
            Some(256),
            Some(i64::MIN),
        ]);
        let tiny = Int8Array::from(vec![None, Some(-128), None, Some(127), None, None, None]);
        becomes(large.clone(), &TinyInt, &tiny, &[0, 4, 5, 6]);
        // Of a slice the rows count from its start.
        let (within, expected) = (large.slice(3, 3), tiny.slice(3, 3));
        becomes(within, &TinyInt, &expected, &[1, 2]);
        becomes(
            Int32Array::from(vec![-32_769, -32_768, 32_767, 32_768]),
            &SmallInt,
            &Int16Array::from(vec![0, -32_768, 32_767, 0]),
            &[0, 3],
        );
        becomes(
            UInt32Array::from(vec![2_147_483_647, 2_147_483_648]),
            &Integer,
            &Int32Array::from(vec![2_147_483_647, 0]),
            &[1],
        );
        becomes(UInt8Array::from(vec![127, 128]), &TinyInt, &Int8Array::from(vec![127, 0]), &[1]);
        becomes(
            UInt64Array::from(vec![9_223_372_036_854_775_807, 9_223_372_036_854_775_808, u64::MAX]),
            &BigInt,
            &Int64Array::from(vec![9_223_372_036_854_775_807, 0, 0]),
            &[1, 2],
        );
    }

    #[test]
    fn what_lies_under_a_null_is_no_misfit() {
        let nulls = Some(vec![true, false].into());
        let column = Int64Array::new(vec![5, i64::MAX].into(), nulls);
        becomes(column, &DataType::TinyInt, &Int8Array::from(vec![Some(5), None]), &[]);
    }

    #[test]
    fn an_integer_becomes_the_nearest_float() {
        // 2^53 + 1 lies between two doubles, the even one of which is 2^53; likewise 2^24 + 1.
        becomes(
            Int64Array::from(vec![Some(9_007_199_254_740_993), None, Some(i64::MIN)]),
            &DataType::Double,
            &Float64Array::from(vec![
                Some(9_007_199_254_740_992.0),
                None,
                Some(-9_223_372_036_854_775_808.0),
            ]),
            &[],
        );
        becomes(
            UInt64Array::from(vec![0, u64::MAX]),
            &DataType::Double,
            &Float64Array::from(vec![0.0, 18_446_744_073_709_551_616.0]),
            &[],
        );
        becomes(
            Int32Array::from(vec![16_777_217, -3]),
            &DataType::Real,
            &Float32Array::from(vec![16_777_216.0, -3.0]),
            &[],
        );
    }

    #[test]
    fn an_integer_becomes_a_decimal_that_has_room_for_its_digits() {
        let decimals = |values: Vec<Option<i128>>, precision, scale| {
            Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
        };
        becomes(
            Int16Array::from(vec![Some(-999), None, Some(1000), Some(999)]),
            &DataType::Decimal { precision: 5, scale: 2 },
            &decimals(vec![Some(-99_900), None, None, Some(99_900)], 5, 2),
            &[2],
        );
        becomes(
            UInt64Array::from(vec![u64::MAX, 0]),
            &DataType::Decimal { precision: 20, scale: 0 },
            &decimals(vec![Some(18_446_744_073_709_551_615), Some(0)], 20, 0),
            &[],
        );
        // 10 * 10^38 is more than 128 bits hold.
        becomes(
            Int8Array::from(vec![10, 0]),
            &DataType::Decimal { precision: 38, scale: 38 },
            &decimals(vec![None, Some(0)], 38, 38),
            &[0],
        );
    }

    #[test]
    fn a_float_becomes_a_wider_one_with_its_sign_its_infinity_and_nan() {
        let half = |bits: &[u16]| {
            let bytes = UInt16Array::from(bits.to_vec()).into_data();
            let data = bytes.into_builder().data_type(ArrowType::Float16).build().unwrap();
            Float16Array::from(data)
        };
        // 1.5, the least subnormal 2^-24, the greatest 65504, -0.0 and -infinity.
        let halves = half(&[0x3e00, 0x0001, 0x7bff, 0x8000, 0xfc00]);
        let singles = [1.5, 5.960_464_5e-8, 65_504.0, -0.0, f32::NEG_INFINITY];
        becomes(halves.clone(), &DataType::Real, &Float32Array::from(singles.to_vec()), &[]);
        let doubles = [1.5, 2.0_f64.powi(-24), 65_504.0, -0.0, f64::NEG_INFINITY];
        becomes(halves, &DataType::Double, &Float64Array::from(doubles.to_vec()), &[]);
        let nan: ArrayRef = Arc::new(half(&[0x7e00]));
        let nan = convert_number(&nan, &DataType::Double).unwrap();
        assert!(nan.as_primitive::<Float64Type>().value(0).is_nan());
        // 0.1 as a float of 32 bits is not 0.1 as a double.
        let column = Float32Array::from(vec![Some(0.1), None, Some(f32::MAX)]);
        let doubles = vec![
            Some(0.100_000_001_490_116_12),
            None,
            Some(340_282_346_638_528_859_811_704_183_484_516_925_440.0),
        ];
        becomes(column, &DataType::Double, &Float64Array::from(doubles), &[]);
    }

    #[test]
    fn what_is_no_wider_number_is_refused_by_name() {
        let refused = |from: ArrayRef, to: &DataType| {
            convert(Found::plain(&from), to).err().unwrap().to_string()
        };
        let double: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let message = refused(Arc::clone(&double), &DataType::BigInt);
        assert!(message.contains("Float64 cannot be read as BIGINT"), "{message}");
        let message = refused(double, &DataType::Real);
        assert!(message.contains("Float64 cannot be read as REAL"), "{message}");
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let message = refused(text, &DataType::Integer);
        assert!(message.contains("Utf8 cannot be read as INTEGER"), "{message}");
        let number: ArrayRef = Arc::new(Int8Array::from(vec![1]));
        let message = refused(number, &DataType::Varchar);
        assert!(message.contains("Int8 cannot be read as VARCHAR"), "{message}");
    }
}
