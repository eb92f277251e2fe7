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

use crate::state::{Accumulator, Build, Cells, State};

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

/// Makes tables' columns of states.
struct AsCells;

impl Build for AsCells {
    type Built = Box<dyn State>;

    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Box<dyn State> {
        Cells::boxed(accumulator, data_type)
    }
}

/// The column of states for a call; `None` if the function is not defined for the argument's
/// type.
pub(crate) fn state_of(call: &AggregateCall, input_types: &[DataType]) -> Option<Box<dyn State>> {
    use AggregateFunction as F;
    let result = &call.data_type;
    let argument = call.argument.map(|argument| &input_types[argument]);
    let state = match (&call.function, argument) {
        (F::FirstValue, Some(argument)) => {
            first_last::state::<false, _>(&AsCells, argument, result)?
        }
        (F::LastValue, Some(argument)) => first_last::state::<true, _>(&AsCells, argument, result)?,
        (F::ApproxCountDistinct, Some(argument)) => hyper_log_log::state(argument, result)?,
        (F::StringAgg { separator }, Some(argument)) => {
            string_agg::state(separator, argument, result)?
        }
        (F::ArrayAgg, Some(argument)) => array_agg::state(argument)?,
        (F::PercentileCont { fraction }, Some(argument)) => {
            percentile::state(*fraction, argument, result)?
        }
        (function, argument) => accumulator_of(&AsCells, function, argument, result)?,
    };
    // Repeats change nothing for these, so they need not be remembered.
    let ignores_repeats = matches!(
        call.function,
        F::Min | F::Max | F::BoolAnd | F::BoolOr | F::ApproxCountDistinct | F::FirstValue
    );
    match argument {
        Some(argument) if call.is_distinct && !ignores_repeats => {
            let skips_nulls = !matches!(call.function, F::ArrayAgg | F::LastValue);
            distinct::state(state, argument, skips_nulls)
        }
        _ => Some(state),
    }
}

/// Builds from the accumulator of a function that frames of `OVER` know too; `None` if there is none,
/// or not for the argument's type.
pub(crate) fn accumulator_of<B: Build>(
    build: &B,
    function: &AggregateFunction,
    argument: Option<&DataType>,
    result: &DataType,
) -> Option<B::Built> {
    use AggregateFunction as F;
    match (function, argument) {
        (F::Count, _) => Some(build.build(count::Count, result)),
        (F::Sum, Some(argument)) => sum::state(build, argument, result),
        (F::Avg, Some(argument)) => avg::state(build, argument, result),
        (F::Min | F::BoolAnd, Some(argument)) => {
            min_max::state::<false, _>(build, argument, result)
        }
        (F::Max | F::BoolOr, Some(argument)) => min_max::state::<true, _>(build, argument, result),
        (F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp, Some(argument)) => {
            variance::state(build, function, argument, result)
        }
        _ => None,
    }
}
