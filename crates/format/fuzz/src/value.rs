//! Values as the documentation has them, each read from its text one character at a time.

use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use tidemill_plan::TimestampUnit;
use tidemill_record::DataType;

use crate::time;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// BOOLEAN.
    Truth(bool),
    /// Integers, decimals without their scale, days and microseconds.
    Whole(i128),
    /// The bits of a DOUBLE, or those of a REAL widened to one; of NaNs the usual one.
    Float(u64),
    /// VARCHAR.
    Text(String),
    /// VARBINARY.
    Bytes(Vec<u8>),
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field of CSV, or a string of JSON.
    Text,
    /// A number of JSON.
    Number,
    /// `true` or `false` of JSON.
    Truth,
    /// An array or object of JSON.
    Nested,
}

/// The value of a text that is not NULL; `None` where it does not fit the type.
#[must_use]
pub fn value(kind: Kind, text: &str, data_type: &DataType, unit: TimestampUnit) -> Option<Value> {
    let is_plain = matches!(kind, Kind::Text | Kind::Number);
    match data_type {
        DataType::Varchar => Some(Value::Text(text.to_owned())),
        DataType::Boolean => truth(kind, text).map(Value::Truth),
        DataType::Varbinary if kind == Kind::Text => hex(text).map(Value::Bytes),
        DataType::Date if kind == Kind::Text => time::date(text).map(Value::Whole),
        DataType::Timestamp if is_plain => time::timestamp(text, unit).map(Value::Whole),
        DataType::TinyInt if is_plain => whole::<i8>(text),
        DataType::Integer if is_plain => whole::<i32>(text),
        DataType::BigInt if is_plain => whole::<i64>(text),
        DataType::Decimal { precision, scale } if is_plain => {
            let value = scaled(text, i64::from(*scale))?;
            (value.unsigned_abs() < 10_u128.pow(u32::from(*precision)))
                .then_some(Value::Whole(value))
        }
        DataType::Double if is_plain => float::<f64>(text).map(of_double),
        DataType::Real if is_plain => float::<f32>(text).map(|value| of_double(f64::from(value))),
        _ => None,
    }
}

fn truth(kind: Kind, text: &str) -> Option<bool> {
    let folded = text.to_ascii_lowercase();
    match (kind, folded.as_str()) {
        (Kind::Truth, word) => Some(word == "true"),
        (Kind::Text, "true" | "t" | "yes" | "y" | "1") => Some(true),
        (Kind::Text, "false" | "f" | "no" | "n" | "0") => Some(false),
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

fn whole<T: TryFrom<i128>>(text: &str) -> Option<Value> {
    let value = scaled(text, 0)?;
    T::try_from(value).ok().map(|_| Value::Whole(value))
}

/// Without spaces and tabs around.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A number times `10^scale`, if that is a whole one: its digits are written out.
#[must_use]
pub fn scaled(text: &str, scale: i64) -> Option<i128> {
    let text = trimmed(text);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, power(exponent)?),
        None => (text, 0),
    };
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{behind}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let behind = i64::try_from(behind.len()).ok()?;
    let mut digits = digits.trim_start_matches('0').to_owned();
    let mut shift = exponent.saturating_add(scale).saturating_sub(behind);
    while shift < 0 && digits.ends_with('0') {
        digits.pop();
        shift += 1;
    }
    if digits.is_empty() {
        return Some(0);
    }
    if !(0..=40).contains(&shift) {
        return None;
    }
    let zeros = "0".repeat(usize::try_from(shift).ok()?);
    let value: i128 = format!("{sign}{digits}{zeros}").parse().ok()?;
    (value.unsigned_abs() < 10_u128.pow(38)).then_some(value)
}

/// The digits behind `e`; those that no number reaches as one that none reaches either.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX / 2);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// As the standard library reads it; only infinity by name is infinite.
fn float<T: FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    let text = trimmed(text);
    let value: T = text.parse().ok()?;
    let is_named = text.contains(['i', 'I']);
    (!value.into().is_infinite() || is_named).then_some(value)
}

/// A double as a value.
#[must_use]
pub fn of_double(value: f64) -> Value {
    Value::Float(if value.is_nan() { f64::NAN } else { value }.to_bits())
}

/// The values of a column that was decoded.
///
/// # Panics
/// If the array is not of the type, or no valid array.
#[must_use]
pub fn decoded(array: &ArrayRef, data_type: &DataType) -> Vec<Value> {
    array.to_data().validate_full().expect("a valid array");
    let row = |row: usize| {
        if array.is_null(row) {
            return Value::Null;
        }
        match data_type {
            DataType::Varchar => Value::Text(array.as_string_view().value(row).to_owned()),
            DataType::Varbinary => Value::Bytes(array.as_binary_view().value(row).to_owned()),
            DataType::Boolean => Value::Truth(array.as_boolean().value(row)),
            DataType::Double => of_double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Real => of_double(array.as_primitive::<Float32Type>().value(row).into()),
            DataType::TinyInt => Value::Whole(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::SmallInt => Value::Whole(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Integer => Value::Whole(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::BigInt => Value::Whole(array.as_primitive::<Int64Type>().value(row).into()),
            DataType::Date => Value::Whole(array.as_primitive::<Date32Type>().value(row).into()),
            DataType::Decimal { .. } => {
                Value::Whole(array.as_primitive::<Decimal128Type>().value(row))
            }
            DataType::Timestamp => {
                Value::Whole(array.as_primitive::<TimestampMicrosecondType>().value(row).into())
            }
            other => panic!("{other} is in no case"),
        }
    };
    (0..array.len()).map(row).collect()
}
