//! The aggregate functions, one file each, and [`state_of`], which picks one for a call.
//!
//! [`rank`] has the order that `MIN`, `MAX` and sorting share.

pub(crate) mod array_agg;
pub(crate) mod avg;
pub(crate) mod best;
pub(crate) mod bits;
pub(crate) mod count;
pub(crate) mod distinct;
pub(crate) mod exact;
pub(crate) mod first_last;
pub(crate) mod hyper_log_log;
pub(crate) mod kept;
mod met;
pub(crate) mod min_max;
pub(crate) mod mode;
mod of_call;
pub(crate) mod ordered;
pub(crate) mod pairs;
pub(crate) mod percentile;
pub(crate) mod product;
pub(crate) mod rank;
pub(crate) mod seen_values;
pub(crate) mod shape;
pub(crate) mod sketch;
pub(crate) mod spans;
pub(crate) mod string_agg;
pub(crate) mod sum;
pub(crate) mod texts;
mod united;
mod user;
mod value_pairs;
pub(crate) mod variance;

pub(crate) use of_call::{accumulator_of, state_of};

/// Calls `$make::<T>` with the Arrow primitive type that carries a SQL type.
macro_rules! for_primitive {
    ($data_type:expr, $T:ident => $some:expr, _ => $none:expr) => {{
        use arrow_array::types as arrow;
        macro_rules! with {
            ($concrete:ty) => {{
                type $T = $concrete;
                $some
            }};
        }
        match $data_type {
            DataType::TinyInt => with!(arrow::Int8Type),
            DataType::SmallInt => with!(arrow::Int16Type),
            DataType::Integer => with!(arrow::Int32Type),
            DataType::BigInt => with!(arrow::Int64Type),
            DataType::Real => with!(arrow::Float32Type),
            DataType::Double => with!(arrow::Float64Type),
            DataType::Decimal { .. } => with!(arrow::Decimal128Type),
            DataType::Date => with!(arrow::Date32Type),
            DataType::Timestamp => with!(arrow::TimestampMicrosecondType),
            DataType::Interval => with!(arrow::IntervalMonthDayNanoType),
            _ => $none,
        }
    }};
}
pub(crate) use for_primitive;
