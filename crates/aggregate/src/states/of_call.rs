//! The column of states for a call.

use tidemill_plan::{AggregateCall, AggregateFunction, SortKey};
use tidemill_record::DataType;

use super::ordered::OrderKey;
use super::texts::{Texts, Which};
use super::{
    array_agg, avg, best, bits, count, distinct, first_last, hyper_log_log, min_max, mode, ordered,
    pairs, percentile, product, shape, sketch, spans, string_agg, sum, user, variance,
};
use crate::state::{Accumulator, Build, Cells, State};

/// Makes tables' columns of states.
struct AsCells;

impl Build for AsCells {
    type Built = Box<dyn State>;

    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Box<dyn State> {
        Cells::boxed(accumulator, data_type)
    }
}

/// The column of states for a call; `None` if the function is not defined for the arguments'
/// types.
pub(crate) fn state_of(call: &AggregateCall, input_types: &[DataType]) -> Option<Box<dyn State>> {
    let inputs: Vec<&DataType> = call.inputs().map(|input| &input_types[input]).collect();
    let arguments = &inputs[..call.arguments.len()];
    let state = match call.order.as_slice() {
        [] => plain_state(&call.function, arguments, &call.data_type)?,
        order => {
            let place = |column: usize| call.inputs().position(|input| input == column);
            let key = |key: &SortKey| {
                let SortKey { column, is_descending, is_nulls_first } = *key;
                Some(OrderKey { place: place(column)?, is_descending, is_nulls_first })
            };
            let keys: Vec<OrderKey> = order.iter().map(key).collect::<Option<_>>()?;
            ordered_state(call, &inputs, keys)?
        }
    };
    // Repeats change nothing for some, so they need not be remembered.
    if call.is_distinct && !call.function.ignores_repeats() {
        return distinct::state(state, arguments, &call.function);
    }
    Some(state)
}

/// Of a call that takes rows as they come.
fn plain_state(
    function: &AggregateFunction,
    arguments: &[&DataType],
    result: &DataType,
) -> Option<Box<dyn State>> {
    use AggregateFunction as F;
    if let [argument] = arguments
        && let Some(which) = kept_text(function, argument)
    {
        return Some(Texts::boxed(which, argument));
    }
    match (function, arguments) {
        (F::User(call), _) => Some(user::state(call)),
        (F::FirstValue, [argument]) => first_last::state::<false, _>(&AsCells, argument, result),
        (F::LastValue, [argument]) => first_last::state::<true, _>(&AsCells, argument, result),
        (F::ArgMin | F::ArgMax, [argument, key]) => {
            let rule = best::Rule {
                place: 1,
                is_descending: *function == F::ArgMax,
                is_nulls_first: false,
                is_last: false,
                skips_nulls: true,
            };
            best_state(rule, argument, key, result)
        }
        (F::ApproxCountDistinct, [argument]) => hyper_log_log::state(argument, result),
        (F::StringAgg { separator }, [argument]) => string_agg::state(separator, argument, result),
        (F::ArrayAgg, [argument]) => array_agg::state(argument),
        (F::PercentileCont { fraction }, [argument]) => {
            percentile::between(*fraction, argument, result)
        }
        (F::PercentileDisc { fraction, is_descending }, [argument]) => {
            percentile::one_of(*fraction, *is_descending, argument, result)
        }
        (F::ApproxQuantile { fraction }, [argument]) => sketch::state(*fraction, argument, result),
        (F::Mode, [argument]) => mode::state(argument, mode::Tie::First),
        (function, arguments) => accumulator_of(&AsCells, function, arguments, result),
    }
}

/// Of a call that takes rows in an order of its own.
fn ordered_state(
    call: &AggregateCall,
    inputs: &[&DataType],
    keys: Vec<OrderKey>,
) -> Option<Box<dyn State>> {
    use AggregateFunction as F;
    let taken = match (&call.function, keys.as_slice()) {
        (F::FirstValue | F::LastValue, [key]) => {
            let rule = best::Rule {
                place: key.place,
                is_descending: key.is_descending,
                is_nulls_first: key.is_nulls_first,
                is_last: call.function == F::LastValue,
                skips_nulls: false,
            };
            return best_state(rule, inputs[0], inputs[key.place], &call.data_type);
        }
        (F::Mode, [key]) => {
            let tie = if key.is_descending { mode::Tie::Greatest } else { mode::Tie::Least };
            return mode::state(inputs[0], tie);
        }
        (F::FirstValue, _) => ordered::Taken::First,
        (F::LastValue, _) => ordered::Taken::Last,
        _ => ordered::Taken::All,
    };
    let (function, result) = (call.function.clone(), call.data_type.clone());
    let arguments: Vec<DataType> =
        inputs[..call.arguments.len()].iter().map(|&argument| argument.clone()).collect();
    let make = move || plain_state(&function, &arguments.iter().collect::<Vec<_>>(), &result);
    let call = ordered::Call {
        make: Box::new(make),
        keys,
        argument_count: call.arguments.len(),
        skips_nulls: !call.function.takes_nulls(),
        taken,
    };
    ordered::state(call, inputs)
}

fn best_state(
    rule: best::Rule,
    argument: &DataType,
    key: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    let kept = plain_state(&AggregateFunction::LastValue, &[argument], result)?;
    best::state(kept, rule, key)
}

/// Which text or bytes of a group a function keeps; `None` if it keeps none, or values of another type.
fn kept_text(function: &AggregateFunction, argument: &DataType) -> Option<Which> {
    use AggregateFunction as F;
    let is_text = matches!(argument, DataType::Varchar | DataType::Varbinary);
    let which = match function {
        F::Min => Which::Least,
        F::Max => Which::Greatest,
        F::FirstValue => Which::First,
        F::LastValue => Which::Last,
        _ => return None,
    };
    is_text.then_some(which)
}

/// Builds from the accumulator of a function that frames of `OVER` know too; `None` if there is none,
/// or not for the arguments' types.
pub(crate) fn accumulator_of<B: Build>(
    build: &B,
    function: &AggregateFunction,
    arguments: &[&DataType],
    result: &DataType,
) -> Option<B::Built> {
    use AggregateFunction as F;
    match (function, arguments) {
        (F::Count, _) => Some(build.build(count::Count, result)),
        (F::Sum, [DataType::Interval]) => Some(spans::state::<false, _>(build, result)),
        (F::Avg, [DataType::Interval]) => Some(spans::state::<true, _>(build, result)),
        (F::Sum, [argument]) => sum::state(build, argument, result),
        (F::Avg, [argument]) => avg::state(build, argument, result),
        (F::Min | F::BoolAnd, [argument]) => min_max::state::<false, _>(build, argument, result),
        (F::Max | F::BoolOr, [argument]) => min_max::state::<true, _>(build, argument, result),
        (F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp | F::Sem, [argument]) => {
            variance::state(build, function, argument, result)
        }
        (F::Product, [argument]) => product::state(build, argument, result),
        (F::Skewness | F::Kurtosis | F::KurtosisPop, [argument]) => {
            shape::state(build, function, argument, result)
        }
        (F::BitAnd | F::BitOr | F::BitXor, [argument]) => {
            bits::state(build, function, argument, result)
        }
        (F::OfPairs(statistic), arguments) => pairs::state(build, *statistic, arguments, result),
        _ => None,
    }
}
