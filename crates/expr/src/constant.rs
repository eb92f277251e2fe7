//! Constants of the plan as Arrow arrays of one value, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow_buffer::IntervalMonthDayNano;
use arrow_select::take::take;
use tidemill_plan::{Expr, Scalar};
use tidemill_record::DataType;

use crate::compile::compile;
use crate::value::{Failure, Rows};
use crate::{Context, ExprError};

/// Evaluates an expression without columns to a constant.
///
/// # Errors
/// Why a record would be bad with it, or why it cannot be evaluated at all: lower case, without a
/// final stop. Also if the expression reads a column or yields an array.
pub fn evaluate_constant(expr: &Expr, context: &Context) -> Result<Scalar, String> {
    let node = compile(expr, context).map_err(|error| error.to_string())?;
    if !node.columns().is_empty() {
        return Err(format!("{expr} is not constant"));
    }
    let array = node
        .evaluate(&Rows::new(&[], 1))
        .and_then(|value| value.into_array(1))
        .map_err(Failure::into_reason)?;
    scalar_of(&array, &expr.data_type).ok_or_else(|| format!("{} has no constants", expr.data_type))
}

/// A constant as a column of so many rows.
///
/// # Errors
/// A decimal whose precision and scale are out of range.
pub fn constant_column(value: &Scalar, row_count: usize) -> Result<ArrayRef, ExprError> {
    let argument = |reason: String| ExprError::Argument { expression: value.to_string(), reason };
    let column = array_of(value).map_err(argument)?;
    if row_count == 1 {
        return Ok(column);
    }
    let first = UInt32Array::from_value(0, row_count);
    take(&column, &first, None).map_err(|error| argument(error.to_string()))
}

/// An array of one value.
///
/// # Errors
/// If a decimal's precision and scale are out of range.
pub(crate) fn array_of(scalar: &Scalar) -> Result<ArrayRef, String> {
    Ok(match scalar {
        Scalar::Null(data_type) => new_null_array(&data_type.arrow(), 1),
        Scalar::Boolean(v) => Arc::new(BooleanArray::from(vec![*v])),
        Scalar::TinyInt(v) => Arc::new(Int8Array::from_value(*v, 1)),
        Scalar::SmallInt(v) => Arc::new(Int16Array::from_value(*v, 1)),
        Scalar::Integer(v) => Arc::new(Int32Array::from_value(*v, 1)),
        Scalar::BigInt(v) => Arc::new(Int64Array::from_value(*v, 1)),
        Scalar::Real(v) => Arc::new(Float32Array::from_value(*v, 1)),
        Scalar::Double(v) => Arc::new(Float64Array::from_value(*v, 1)),
        Scalar::Decimal { value, precision, scale } => {
            let array = Decimal128Array::from_value(*value, 1);
            let array = array.with_precision_and_scale(*precision, scale.cast_signed());
            Arc::new(array.map_err(|error| error.to_string())?)
        }
        Scalar::Varchar(v) => Arc::new(StringViewArray::from_iter_values([v])),
        Scalar::Varbinary(v) => Arc::new(BinaryViewArray::from_iter_values([v])),
        Scalar::Date(v) => Arc::new(Date32Array::from_value(*v, 1)),
        Scalar::Timestamp(v) => Arc::new(TimestampMicrosecondArray::from_value(*v, 1)),
        Scalar::Interval { months, days, nanos } => {
            let value = IntervalMonthDayNano::new(*months, *days, *nanos);
            Arc::new(IntervalMonthDayNanoArray::from_value(value, 1))
        }
    })
}

/// The one value of an array; `None` for types without constants.
pub(crate) fn scalar_of(array: &ArrayRef, data_type: &DataType) -> Option<Scalar> {
    if array.is_null(0) {
        return Some(Scalar::Null(data_type.clone()));
    }
    Some(match data_type {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(0)),
        DataType::TinyInt => Scalar::TinyInt(array.as_primitive::<Int8Type>().value(0)),
        DataType::SmallInt => Scalar::SmallInt(array.as_primitive::<Int16Type>().value(0)),
        DataType::Integer => Scalar::Integer(array.as_primitive::<Int32Type>().value(0)),
        DataType::BigInt => Scalar::BigInt(array.as_primitive::<Int64Type>().value(0)),
        DataType::Real => Scalar::Real(array.as_primitive::<Float32Type>().value(0)),
        DataType::Double => Scalar::Double(array.as_primitive::<Float64Type>().value(0)),
        DataType::Decimal { precision, scale } => Scalar::Decimal {
            value: array.as_primitive::<Decimal128Type>().value(0),
            precision: *precision,
            scale: *scale,
        },
        DataType::Varchar => Scalar::Varchar(array.as_string_view().value(0).to_owned()),
        DataType::Varbinary => Scalar::Varbinary(array.as_binary_view().value(0).to_owned()),
        DataType::Date => Scalar::Date(array.as_primitive::<Date32Type>().value(0)),
        DataType::Timestamp => {
            Scalar::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(0))
        }
        DataType::Interval => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(0);
            Scalar::Interval { months: value.months, days: value.days, nanos: value.nanoseconds }
        }
        DataType::Array(_) => return None,
    })
}
