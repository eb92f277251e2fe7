//! Every type to text.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray};
use tidemill_record::DataType;
use tidemill_record::recycled::{Line, Texts};

use super::binary::write_bytes;
use super::digits::{Digits, write_date, write_decimal, write_float, write_timestamp};
use super::span_text::write_interval;

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
            let truths = array.as_boolean_opt()?;
            let write = |row: usize, out: &mut Line| {
                out.push_str(if truths.value(row) { "true" } else { "false" });
            };
            written(array, write)
        }
        DataType::TinyInt => integers::<Int8Type>(array)?,
        DataType::SmallInt => integers::<Int16Type>(array)?,
        DataType::Integer => integers::<Int32Type>(array)?,
        DataType::BigInt => integers::<Int64Type>(array)?,
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
            let bytes = array.as_binary_view_opt()?;
            written(array, |row, out| write_bytes(out, bytes.value(row)))
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

/// A text for each row that is not NULL.
fn written(array: &dyn Array, mut write: impl FnMut(usize, &mut Line)) -> ArrayRef {
    let mut texts = Texts::new(None, array.len());
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.end_null();
            continue;
        }
        write(row, texts.line());
        texts.end_row();
    }
    texts.finish()
}

fn each<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut Line),
) -> Option<ArrayRef> {
    let values = array.as_primitive_opt::<T>()?.values();
    Some(written(array, |row, out| write(values[row], out)))
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Option<ArrayRef> {
    each::<T>(array, |value, out| {
        let value: i64 = value.into();
        let mut digits = Digits::<20>::new();
        digits.push_number(value.unsigned_abs());
        if value < 0 {
            digits.push(b'-');
        }
        out.push_str(digits.as_str());
    })
}

/// `[a, b, NULL]`
fn lists(array: &ListArray, item: &DataType) -> Option<ArrayRef> {
    let mut texts = Texts::new(None, array.len());
    for list in array.iter() {
        let Some(list) = list else {
            texts.end_null();
            continue;
        };
        let items = to_text(&list, item)?;
        let out = texts.line();
        out.push('[');
        for (i, item) in items.as_string_view().iter().enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            out.push_str(item.unwrap_or("NULL"));
        }
        out.push(']');
        texts.end_row();
    }
    Some(texts.finish())
}
