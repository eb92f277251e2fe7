//! Every type to text.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray};
use tidemill_record::DataType;

use super::binary::write_bytes;
use super::span_text::write_interval;
use super::time_text::{write_date, write_timestamp};
use crate::decimal::power_of_ten;

/// Whether values of this type have a text.
pub(super) fn is_supported(from: &DataType) -> bool {
    match from {
        DataType::Array(item) => is_supported(item),
        _ => true,
    }
}

/// The text of every value. `None` if the array is not of the type stated.
pub(crate) fn to_text(array: &ArrayRef, from: &DataType) -> Option<ArrayRef> {
    Some(match from {
        DataType::Varchar => array.clone(),
        DataType::Boolean => {
            let texts = array.as_boolean_opt()?.iter();
            let mut builder = StringViewBuilder::with_capacity(array.len());
            texts.for_each(|v| builder.append_option(v.map(|v| if v { "true" } else { "false" })));
            Arc::new(builder.finish())
        }
        DataType::TinyInt => each::<Int8Type>(array, |v, out| write_display(out, v))?,
        DataType::SmallInt => each::<Int16Type>(array, |v, out| write_display(out, v))?,
        DataType::Integer => each::<Int32Type>(array, |v, out| write_display(out, v))?,
        DataType::BigInt => each::<Int64Type>(array, |v, out| write_display(out, v))?,
        DataType::Real => each::<Float32Type>(array, |v, out| {
            write_float(out, f64::from(v), zmij::Buffer::new().format(v));
        })?,
        DataType::Double => each::<Float64Type>(array, |v, out| {
            write_float(out, v, zmij::Buffer::new().format(v));
        })?,
        DataType::Decimal { scale, .. } => {
            each::<Decimal128Type>(array, |v, out| write_decimal(out, v, *scale))?
        }
        DataType::Varbinary => {
            let mut builder = StringViewBuilder::with_capacity(array.len());
            let mut text = String::new();
            for bytes in array.as_binary_view_opt()? {
                text.clear();
                let rendered = bytes.map(|bytes| write_bytes(&mut text, bytes));
                builder.append_option(rendered.map(|()| text.as_str()));
            }
            Arc::new(builder.finish())
        }
        DataType::Date => each::<Date32Type>(array, |v, out| write_date(out, v.into()))?,
        DataType::Timestamp => {
            each::<TimestampMicrosecondType>(array, |v, out| write_timestamp(out, v))?
        }
        DataType::Interval => each::<IntervalMonthDayNanoType>(array, |v, out| {
            write_interval(out, v);
        })?,
        DataType::Array(item) => lists(array.as_list_opt()?, item)?,
    })
}

fn each<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut String),
) -> Option<ArrayRef> {
    let array = array.as_primitive_opt::<T>()?;
    let mut builder = StringViewBuilder::with_capacity(array.len());
    let mut text = String::new();
    for value in array {
        text.clear();
        let rendered = value.map(|value| write(value, &mut text));
        builder.append_option(rendered.map(|()| text.as_str()));
    }
    Some(Arc::new(builder.finish()))
}

/// `[a, b, NULL]`
fn lists(array: &ListArray, item: &DataType) -> Option<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(array.len());
    let mut text = String::new();
    for list in array.iter() {
        let Some(list) = list else {
            builder.append_null();
            continue;
        };
        text.clear();
        text.push('[');
        let items = to_text(&list, item)?;
        for (i, item) in items.as_string_view().iter().enumerate() {
            text.push_str(if i == 0 { "" } else { ", " });
            text.push_str(item.unwrap_or("NULL"));
        }
        text.push(']');
        builder.append_value(&text);
    }
    Some(Arc::new(builder.finish()))
}

fn write_display(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = write!(out, "{value}");
}

/// `12.50` for 1250 at scale 2.
pub(crate) fn write_decimal(out: &mut String, value: i128, scale: u8) {
    let unit = power_of_ten(scale.into()).map_or(u128::MAX, i128::unsigned_abs);
    let (whole, fraction) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    let sign = if value < 0 { "-" } else { "" };
    let _ = if scale == 0 {
        write!(out, "{sign}{whole}")
    } else {
        write!(out, "{sign}{whole}.{fraction:0width$}", width = usize::from(scale))
    };
}

/// The shortest text that reads back as the same float: `0.1`, `1.0`, `1e+16`, `1e-05`.
///
/// `shortest` has the shortest digits, nearest to the value where several are as short, in any
/// layout. Past `1e16` and below `1e-4` there is an exponent.
fn write_float(out: &mut String, value: f64, shortest: &str) {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        };
        out.push_str(text);
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let (digits, exponent) = significant(shortest);
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let Ok(point) = usize::try_from(exponent + 1) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        let _ = write!(out, "0.{:0<zeros$}{digits}", "");
        return;
    };
    if point == 0 {
        let _ = write!(out, "0.{digits}");
    } else if point >= digits.len() {
        let _ = write!(out, "{digits:0<point$}.0");
    } else {
        let _ = write!(out, "{}.{}", &digits[..point], &digits[point..]);
    }
}

/// The digits of a decimal number without zeros at either end, at least one, and the power of ten of
/// the first: `-0.0120` and `-1.2e-2` are both `("12", -2)`.
fn significant(text: &str) -> (String, i32) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut exponent: i32 = exponent.parse().expect("a float's exponent is a small integer");
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return ("0".to_owned(), 0);
    }
    let places = |text: &str| i32::try_from(text.len()).expect("a float has few digits");
    exponent += places(whole) - 1 - (places(&all) - places(digits));
    (digits.trim_end_matches('0').to_owned(), exponent)
}
