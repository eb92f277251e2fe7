//! Decimals of any width, brought to a SQL type.
//!
//! A file may hold decimals with more digits than their own type allows; these are misfits too, whatever
//! the SQL type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::i256;
use arrow_schema::{ArrowError, DataType as ArrowType};
use tidemill_record::DataType;

use super::numbers::convert_integers;
use super::values::{Converted, lost, no_conversion};

/// Decimals as those of another type, as `DOUBLE`, or as integers if they have no fraction.
///
/// # Errors
/// The SQL type is another one.
pub(super) fn convert_decimals(array: &ArrayRef, to: &DataType) -> Result<Converted, ArrowError> {
    let (precision, scale, wide): (u8, i8, PrimitiveArray<Decimal128Type>) = match array.data_type()
    {
        ArrowType::Decimal32(p, s) => {
            (*p, *s, array.as_primitive::<Decimal32Type>().unary(i128::from))
        }
        ArrowType::Decimal64(p, s) => {
            (*p, *s, array.as_primitive::<Decimal64Type>().unary(i128::from))
        }
        ArrowType::Decimal256(p, s) => {
            (*p, *s, array.as_primitive::<Decimal256Type>().unary_opt(i256::to_i128))
        }
        other => {
            let ArrowType::Decimal128(p, s) = other else { unreachable!("the other decimal") };
            (*p, *s, array.as_primitive::<Decimal128Type>().clone())
        }
    };
    let beyond = beyond_precision(&wide, precision);
    let output: ArrayRef = if let DataType::Decimal { scale: to_scale, .. } = to {
        let steps = i16::from(to_scale.cast_signed()) - i16::from(scale);
        let factor = u32::try_from(steps).ok().and_then(|steps| 10_i128.checked_pow(steps));
        let scaled: PrimitiveArray<Decimal128Type> =
            wide.unary_opt(|value| value.checked_mul(factor?));
        Arc::new(scaled.with_data_type(to.arrow()))
    } else if *to == DataType::Double {
        Arc::new(wide.unary::<_, Float64Type>(|value| nearest_double(value, scale)))
    } else {
        let integers = (scale == 0 && to.is_integer()).then(|| convert_integers(&wide, to));
        integers.flatten().ok_or_else(|| no_conversion(array.data_type(), to))?
    };
    let mut misfits = lost(array, &output);
    misfits.extend(beyond);
    if let DataType::Decimal { precision, .. } = to {
        misfits.extend(beyond_precision(output.as_primitive(), *precision));
    }
    misfits.sort_unstable();
    misfits.dedup();
    Ok(Converted { array: output, misfits, floored_count: 0 })
}

/// Rows whose decimal has more digits than the precision allows, which Arrow files may hold.
pub(crate) fn beyond_precision(
    array: &PrimitiveArray<Decimal128Type>,
    precision: u8,
) -> Vec<usize> {
    let limit = 10_u128.pow(u32::from(precision));
    let greatest = array.values().iter().fold(0, |most, value| value.unsigned_abs().max(most));
    if greatest < limit {
        return Vec::new();
    }
    let is_beyond = |row: &usize| array.is_valid(*row) && array.value(*row).unsigned_abs() >= limit;
    (0..array.len()).filter(is_beyond).collect()
}

/// The double that lies nearest to `value / 10^scale`, of two the even one.
#[expect(clippy::cast_precision_loss, reason = "up to 2^53 it is exact")]
fn nearest_double(value: i128, scale: i8) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    // Both sides are exact doubles, so that the division alone rounds.
    if value.unsigned_abs() <= EXACT_MAX && (0..=22).contains(&scale) {
        return value as f64 / 10_f64.powi(i32::from(scale));
    }
    let text = format!("{value}e{}", -i16::from(scale));
    text.parse().expect("an integer with an exponent is a number")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::types::{Int8Type, Int64Type};
    use arrow_array::{Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array};

    use super::*;

    fn of(from: impl Array + 'static, to: &DataType) -> Converted {
        let from: ArrayRef = Arc::new(from);
        convert_decimals(&from, to).unwrap()
    }

    #[test]
    fn a_decimal_becomes_the_double_nearest_to_it() {
        let doubles = |values: &[i128], scale| {
            let from = Decimal128Array::from(values.to_vec());
            let from = from.with_precision_and_scale(38, scale).unwrap();
            of(from, &DataType::Double).array.as_primitive::<Float64Type>().values().to_vec()
        };
        assert_eq!(doubles(&[1, -3, 0, 25], 1), [0.1, -0.3, 0.0, 2.5]);
        // Divided as doubles, these would be rounded twice.
        assert_eq!(doubles(&[9_007_199_254_740_993], 0), [9_007_199_254_740_992.0]);
        assert_eq!(doubles(&[123_456_789_012_345_678_901_234_567], 18), [123_456_789.012_345_67]);
        assert_eq!(doubles(&[-1, 7], 38), [-1e-38, 7e-38]);
        let greatest = 10_i128.pow(38) - 1;
        assert_eq!(doubles(&[greatest, -greatest], 0), [1e38, -1e38]);
    }

    #[test]
    fn a_decimal_without_fraction_becomes_an_integer_or_a_misfit() {
        let limit = i128::from(i64::MAX);
        let from =
            Decimal128Array::from(vec![Some(limit), Some(limit + 1), None, Some(-limit - 1)]);
        let found = of(from.with_precision_and_scale(38, 0).unwrap(), &DataType::BigInt);
        assert_eq!(found.misfits, [1]);
        let values = found.array.as_primitive::<Int64Type>();
        assert_eq!((values.value(0), values.value(3)), (i64::MAX, i64::MIN));
        assert!(values.is_null(2));

        let from = Decimal32Array::from(vec![-129, -128, 127, 128]);
        let from = from.with_precision_and_scale(3, 0).unwrap().slice(1, 3);
        let found = of(from, &DataType::TinyInt);
        assert_eq!(found.misfits, [2]);
        assert_eq!(found.array.as_primitive::<Int8Type>().values()[..2], [-128, 127]);

        let from: ArrayRef =
            Arc::new(Decimal64Array::from(vec![10]).with_precision_and_scale(3, 1).unwrap());
        let refused = convert_decimals(&from, &DataType::BigInt).err().unwrap().to_string();
        assert!(refused.contains("cannot be read as BIGINT"), "{refused}");
    }

    #[test]
    fn digits_beyond_either_type_are_misfits() {
        let wide = |value: &str| i256::from_string(value).unwrap();
        let from = Decimal256Array::from(vec![
            wide("100000000000000000000000000000000000000"), // 10^38
            wide("12345"),
            wide("170141183460469231731687303715884105728"), // 2^127
            wide("1000000"),
        ]);
        let from = from.with_precision_and_scale(38, 1).unwrap();
        let found = of(from, &DataType::Decimal { precision: 7, scale: 2 });
        assert_eq!(found.misfits, [0, 2, 3]);
        assert_eq!(found.array.as_primitive::<Decimal128Type>().value(1), 123_450);

        // 1000 has more digits than its own type of three, though a TINYINT is what is asked for.
        let from = Decimal32Array::from(vec![1000, 99]).with_data_type(ArrowType::Decimal32(3, 0));
        assert_eq!(of(from, &DataType::Double).misfits, [0]);
    }
}
