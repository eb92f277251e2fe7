//! Columns as text, one cell at a time, without allocating: what the CSV, JSON and table encoders
//! share.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, ListArray, PrimitiveArray, StringViewArray,
};
use tidemill_plan::TimeForm;
use tidemill_record::DataType;

use super::{literal, number, time_form, time_text};

/// A column, its type resolved once a batch.
pub(crate) enum Cells<'a> {
    Boolean(&'a BooleanArray),
    TinyInt(&'a PrimitiveArray<Int8Type>),
    SmallInt(&'a PrimitiveArray<Int16Type>),
    Integer(&'a PrimitiveArray<Int32Type>),
    BigInt(&'a PrimitiveArray<Int64Type>),
    Real(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u8),
    Varchar(&'a StringViewArray),
    Varbinary(&'a BinaryViewArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    /// In a form that was asked for.
    FormattedDate(&'a PrimitiveArray<Date32Type>, &'a TimeForm),
    /// The same.
    FormattedTimestamp(&'a PrimitiveArray<TimestampMicrosecondType>, &'a TimeForm),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    /// The list and all its items, of which each row is a range.
    Array(&'a ListArray, Box<Cells<'a>>),
}

impl<'a> Cells<'a> {
    /// # Panics
    /// If the array is not of the Arrow type of `data_type`.
    pub(crate) fn new(array: &'a ArrayRef, data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::TinyInt => Self::TinyInt(array.as_primitive()),
            DataType::SmallInt => Self::SmallInt(array.as_primitive()),
            DataType::Integer => Self::Integer(array.as_primitive()),
            DataType::BigInt => Self::BigInt(array.as_primitive()),
            DataType::Real => Self::Real(array.as_primitive()),
            DataType::Double => Self::Double(array.as_primitive()),
            DataType::Decimal { scale, .. } => Self::Decimal(array.as_primitive(), *scale),
            DataType::Varchar => Self::Varchar(array.as_string_view()),
            DataType::Varbinary => Self::Varbinary(array.as_binary_view()),
            DataType::Date => Self::Date(array.as_primitive()),
            DataType::Timestamp => Self::Timestamp(array.as_primitive()),
            DataType::Interval => Self::Interval(array.as_primitive()),
            DataType::Array(item) => {
                let list = array.as_list();
                Self::Array(list, Box::new(Self::new(list.values(), item)))
            }
        }
    }

    /// The same, with times in this form, if one is given.
    pub(crate) fn in_form(self, form: Option<&'a TimeForm>) -> Self {
        match (self, form) {
            (Self::Timestamp(array), Some(form)) => Self::FormattedTimestamp(array, form),
            (Self::Date(array), Some(form)) => Self::FormattedDate(array, form),
            (Self::Array(list, items), Some(_)) => Self::Array(list, Box::new(items.in_form(form))),
            (cells, _) => cells,
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(array) => array,
            Self::TinyInt(array) => array,
            Self::SmallInt(array) => array,
            Self::Integer(array) => array,
            Self::BigInt(array) => array,
            Self::Real(array) => array,
            Self::Double(array) => array,
            Self::Decimal(array, _) => array,
            Self::Varchar(array) => array,
            Self::Varbinary(array) => array,
            Self::Date(array) | Self::FormattedDate(array, _) => array,
            Self::Timestamp(array) | Self::FormattedTimestamp(array, _) => array,
            Self::Interval(array) => array,
            Self::Array(array, _) => array,
        }
    }

    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// Appends a cell that is not NULL as it reads in CSV, before any quoting.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
            }
            Self::TinyInt(array) => write_integer(array.value(row), out),
            Self::SmallInt(array) => write_integer(array.value(row), out),
            Self::Integer(array) => write_integer(array.value(row), out),
            Self::BigInt(array) => write_integer(array.value(row), out),
            Self::Real(array) => {
                let value = array.value(row);
                if value.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
                } else {
                    out.extend_from_slice(not_finite(f64::from(value)));
                }
            }
            Self::Double(array) => write_double(array.value(row), out),
            Self::Decimal(array, scale) => number::write_decimal(array.value(row), *scale, out),
            Self::Varchar(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Varbinary(array) => literal::write_hex(array.value(row), out),
            Self::Date(array) => time_text::write_date(i64::from(array.value(row)), out),
            Self::Timestamp(array) => time_text::write_timestamp(array.value(row), out),
            Self::FormattedDate(array, form) => {
                time_form::write_date(array.value(row), form, out);
            }
            Self::FormattedTimestamp(array, form) => {
                time_form::write_timestamp(array.value(row), form, out);
            }
            Self::Interval(array) => {
                let value = array.value(row);
                time_text::write_interval(value.months, value.days, value.nanoseconds, out);
            }
            Self::Array(..) => self.write_json(row, out),
        }
    }

    /// Appends a cell as a JSON value, NULL as `null`.
    pub(crate) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Self::Varchar(array) => write_json_string(array.value(row).as_bytes(), out),
            Self::Array(list, items) => {
                let offsets = list.value_offsets();
                let bound = |index: usize| {
                    usize::try_from(offsets[index]).expect("list offsets are not negative")
                };
                out.push(b'[');
                for item in bound(row)..bound(row + 1) {
                    if item > bound(row) {
                        out.push(b',');
                    }
                    items.write_json(item, out);
                }
                out.push(b']');
            }
            _ if self.is_json_string(row) => {
                out.push(b'"');
                let start = out.len();
                self.write(row, out);
                if matches!(self, Self::FormattedDate(..) | Self::FormattedTimestamp(..)) {
                    time_form::escape_from(start, out);
                }
                out.push(b'"');
            }
            _ => self.write(row, out),
        }
    }

    /// Whether a value other than VARCHAR is a string in JSON. Floats that JSON has no number for
    /// are, under the names that Protocol Buffers' JSON mapping gives them.
    fn is_json_string(&self, row: usize) -> bool {
        match self {
            Self::Varbinary(_) | Self::Date(_) | Self::Timestamp(_) | Self::Interval(_) => true,
            Self::FormattedDate(..) => true,
            Self::FormattedTimestamp(_, form) => !matches!(form, TimeForm::Count(_)),
            Self::Real(array) => !array.value(row).is_finite(),
            Self::Double(array) => !array.value(row).is_finite(),
            _ => false,
        }
    }
}

#[inline]
fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double in as few digits as are read back as the same.
pub(crate) fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(not_finite(value));
    }
}

pub(crate) fn not_finite(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    }
}

/// Appends a JSON string, quotes and all.
pub(crate) fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut from = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[from..at]);
        from = at + 1;
        let (escape, len) = json_escape(byte);
        out.extend_from_slice(&escape[..len]);
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'"');
}

/// A byte that no JSON string holds as it is, as it is written there: bytes, and how many count.
#[inline]
pub(crate) fn json_escape(byte: u8) -> ([u8; 6], usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            return ([b'\\', b'u', b'0', b'0', DIGITS[high], DIGITS[low]], 6);
        }
    };
    ([b'\\', short, 0, 0, 0, 0], 2)
}
