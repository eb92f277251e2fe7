//! Text to numbers and truth values. Spaces around are allowed, anything else around is not.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use tidemill_record::DataType;

use super::Conversion;
use crate::decimal::{divide_rounded, power_of_ten, within};

/// Conversions from text.
pub(super) fn from_text(to: &DataType, is_try: bool) -> Option<Conversion> {
    Some(match to {
        DataType::Boolean => Conversion::partial(move |array| booleans(array, is_try)),
        DataType::TinyInt => each::<Int8Type>(to, is_try, |t| i8::try_from(parse_integer(t)?).ok()),
        DataType::SmallInt => {
            each::<Int16Type>(to, is_try, |t| i16::try_from(parse_integer(t)?).ok())
        }
        DataType::Integer => {
            each::<Int32Type>(to, is_try, |t| i32::try_from(parse_integer(t)?).ok())
        }
        DataType::BigInt => each::<Int64Type>(to, is_try, parse_integer),
        DataType::Real => each::<Float32Type>(to, is_try, parse_real),
        DataType::Double => each::<Float64Type>(to, is_try, parse_double),
        DataType::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            each::<Decimal128Type>(to, is_try, move |t| parse_decimal(t, precision, scale))
        }
        _ => return None,
    })
}

/// Converts text by text; what `f` gives no value for becomes NULL under `TRY_CAST`.
pub(super) fn each<O: ArrowPrimitiveType>(
    to: &DataType,
    is_try: bool,
    f: impl Fn(&str) -> Option<O::Native> + Send + Sync + 'static,
) -> Conversion {
    let to = to.arrow();
    Conversion::partial(move |array| {
        let texts = array.as_string_view();
        let mut builder = PrimitiveArray::<O>::builder(texts.len());
        for text in texts {
            match text.map(&f) {
                Some(None) if !is_try => return None,
                value => builder.append_option(value.flatten()),
            }
        }
        let array: ArrayRef = Arc::new(builder.finish().with_data_type(to.clone()));
        Some(array)
    })
}

pub(super) fn booleans(array: &ArrayRef, is_try: bool) -> Option<ArrayRef> {
    let mut values = Vec::with_capacity(array.len());
    for text in array.as_string_view() {
        match text.map(parse_boolean) {
            Some(None) if !is_try => return None,
            value => values.push(value.flatten()),
        }
    }
    Some(Arc::new(BooleanArray::from(values)))
}

/// `true`, `t`, `yes`, `y`, `1` and their opposites, in any case.
fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_any = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_any(&["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else if is_any(&["false", "f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A whole number; a fraction rounds half away from zero.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => i64::try_from(parse_scaled(text, 0)?).ok(),
    }
}

/// A float as text writes it: digits with point and exponent, `inf`, `infinity`, `nan`. Past the
/// range is infinite.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

pub(super) fn parse_real(text: &str) -> Option<f32> {
    text.trim().parse().ok()
}

pub(super) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    within(parse_scaled(text.trim(), scale)?, precision)
}

/// `[+-]digits[.digits][e[+-]digits]` times `10^scale`, rounded half away from zero once; `None`
/// if it is anything else or out of range.
fn parse_scaled(text: &str, scale: u8) -> Option<i128> {
    // More digits than any decimal holds decide nothing: beyond, only their being there counts.
    const DIGITS_MAX: i64 = 38;
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        None => (unsigned, 0),
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().ok()?.into()),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (mut value, mut digit_count, mut dropped) = (0_i128, 0_i64, 0_i64);
    for digit in whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0')) {
        if digit_count == DIGITS_MAX {
            dropped += 1;
            continue;
        }
        value = value * 10 + digit;
        digit_count += i64::from(value != 0);
    }
    let shift = i64::from(scale) + exponent + dropped - i64::try_from(fraction.len()).ok()?;
    let magnitude = shifted(value, shift)?;
    Some(if is_negative { -magnitude } else { magnitude })
}

/// `value × 10^shift` of a value that is not negative, rounded half up.
fn shifted(value: i128, shift: i64) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    if shift >= 0 {
        return value.checked_mul(power_of_ten(u32::try_from(shift).ok()?)?);
    }
    match u32::try_from(-shift).ok().and_then(power_of_ten) {
        Some(divisor) => Some(divide_rounded(value, divisor)),
        None => Some(0),
    }
}
