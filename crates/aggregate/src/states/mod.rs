//! The aggregate functions, one file each, and [`state_of`], which picks one for a call.
//!
//! [`rank`] has the order that `MIN`, `MAX` and sorting share.

pub(crate) mod array_agg;
pub(crate) mod avg;
pub(crate) mod count;
pub(crate) mod distinct;
pub(crate) mod exact;
pub(crate) mod first_last;
pub(crate) mod hyper_log_log;
pub(crate) mod min_max;
pub(crate) mod percentile;
pub(crate) mod rank;
pub(crate) mod string_agg;
pub(crate) mod sum;
pub(crate) mod variance;

use tidemill_plan::{AggregateCall, AggregateFunction};
use tidemill_record::DataType;

use crate::state::{Cells, State};

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

/// The column of states for a call; `None` if the function is not defined for the argument's
/// type.
pub(crate) fn state_of(call: &AggregateCall, input_types: &[DataType]) -> Option<Box<dyn State>> {
    use AggregateFunction as F;
    let result = &call.data_type;
    let Some(argument) = call.argument else {
        let is_count = call.function == F::Count;
        return is_count.then(|| Cells::boxed(count::Count, result));
    };
    let argument = &input_types[argument];
    let state = match &call.function {
        F::Count => Cells::boxed(count::Count, result),
        F::Sum => sum::state(argument, result)?,
        F::Avg => avg::state(argument, result)?,
        F::Min | F::BoolAnd => min_max::state::<false>(argument, result)?,
        F::Max | F::BoolOr => min_max::state::<true>(argument, result)?,
        F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp => {
            variance::state(&call.function, argument, result)?
        }
        F::ApproxCountDistinct => hyper_log_log::state(argument, result)?,
        F::FirstValue => first_last::state::<false>(argument, result)?,
        F::LastValue => first_last::state::<true>(argument, result)?,
        F::StringAgg { separator } => string_agg::state(separator, argument, result)?,
        F::ArrayAgg => array_agg::state(argument)?,
        F::PercentileCont { fraction } => percentile::state(*fraction, argument, result)?,
    };
    // Repeats change nothing for these, so they need not be remembered.
    let ignores_repeats = matches!(
        call.function,
        F::Min | F::Max | F::BoolAnd | F::BoolOr | F::ApproxCountDistinct | F::FirstValue
    );
    if !call.is_distinct || ignores_repeats {
        return Some(state);
    }
    let skips_nulls = !matches!(call.function, F::ArrayAgg | F::LastValue);
    distinct::state(state, argument, skips_nulls)
}
