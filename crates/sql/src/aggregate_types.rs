//! What each aggregate takes and gives, and which function of the plan it is.

use tidemill_plan::{Aggregate, AggregateFunction, Expr, Scalar, Span};
use tidemill_record::DataType;

use crate::aggregates::{PendingCall, where_true};
use crate::bind_expr::{Bound, ExprBinder, Flex};
use crate::coercion::is_ordered;
use crate::fold::{constant, literal};
use crate::over::OverKey;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
    /// The call of an aggregate with so many arguments as it takes.
    pub(crate) fn typed_aggregate(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        span: Span,
        mut arguments: Vec<Bound>,
        order: Vec<OverKey>,
    ) -> Bind<PendingCall> {
        use Aggregate as A;
        use AggregateFunction as F;
        match aggregate {
            A::PercentileCont | A::PercentileDisc => {
                return self.percentile(aggregate, upper, arguments.remove(0), order, span);
            }
            A::QuantileCont | A::QuantileDisc | A::ApproxQuantile => {
                let fraction = self.fraction(arguments.remove(1), upper)?;
                return self.quantile(aggregate, upper, arguments.remove(0), fraction);
            }
            A::Mode => return self.mode(upper, arguments, order, span),
            A::ArgMin | A::ArgMax => return self.arg_extreme(aggregate, upper, arguments),
            A::OfPairs(statistic) => {
                let arguments = self.doubles(arguments, upper)?;
                return Ok(PendingCall::new(F::OfPairs(statistic), arguments, DataType::Double));
            }
            A::RegrCount => {
                let arguments = self.doubles(arguments, upper)?;
                return Ok(PendingCall::new(F::Count, arguments, DataType::BigInt));
            }
            A::CountIf => {
                let condition = self.adapt(arguments.remove(0), &DataType::Boolean, upper)?;
                let span = condition.span;
                let counted = where_true(condition, constant(Scalar::Boolean(true), span));
                return Ok(PendingCall::new(F::Count, vec![counted], DataType::BigInt));
            }
            A::StringAgg => {
                let separator = if arguments.len() == 2 {
                    let separator = arguments.remove(1);
                    self.separator(separator, upper, span)?
                } else {
                    ",".to_owned()
                };
                let text = self.adapt(arguments.remove(0), &DataType::Varchar, upper)?;
                let call =
                    PendingCall::new(F::StringAgg { separator }, vec![text], DataType::Varchar);
                return Ok(PendingCall { order, ..call });
            }
            _ => {}
        }
        let call = self.of_one_value(aggregate, upper, arguments.remove(0))?;
        Ok(PendingCall { order, ..call })
    }

    fn of_one_value(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        argument: Bound,
    ) -> Bind<PendingCall> {
        use Aggregate as A;
        use AggregateFunction as F;
        let found = argument.expr.data_type.clone();
        let (function, to) = match aggregate {
            A::Count => (F::Count, None),
            A::ApproxCountDistinct => (F::ApproxCountDistinct, None),
            A::FirstValue | A::AnyValue => (F::FirstValue, None),
            A::LastValue | A::LatestByOffset => (F::LastValue, None),
            A::ArrayAgg | A::CollectSet => (F::ArrayAgg, None),
            A::Min => (F::Min, None),
            A::Max => (F::Max, None),
            A::BitAnd => (F::BitAnd, None),
            A::BitOr => (F::BitOr, None),
            A::BitXor => (F::BitXor, None),
            A::Sum => (F::Sum, Some(sum_type(&found))),
            A::BoolAnd => (F::BoolAnd, Some(DataType::Boolean)),
            A::BoolOr => (F::BoolOr, Some(DataType::Boolean)),
            A::Avg => (F::Avg, Some(DataType::Double)),
            A::Product => (F::Product, Some(DataType::Double)),
            A::StddevSamp => (F::StddevSamp, Some(DataType::Double)),
            A::StddevPop => (F::StddevPop, Some(DataType::Double)),
            A::VarSamp => (F::VarSamp, Some(DataType::Double)),
            A::VarPop => (F::VarPop, Some(DataType::Double)),
            A::Sem => (F::Sem, Some(DataType::Double)),
            A::Skewness => (F::Skewness, Some(DataType::Double)),
            A::Kurtosis => (F::Kurtosis, Some(DataType::Double)),
            A::KurtosisPop => (F::KurtosisPop, Some(DataType::Double)),
            A::Median => (F::PercentileCont { fraction: 0.5 }, Some(DataType::Double)),
            other => unreachable!("{other:?} has been bound"),
        };
        let argument = match &to {
            // Exact sums and averages work on the numbers as they are.
            Some(_) if is_summed_as_it_is(&found) && matches!(function, F::Sum | F::Avg) => {
                argument.expr
            }
            Some(DataType::Double) => self.double(argument, upper)?,
            Some(to) => self.adapt(argument, to, upper)?,
            None => argument.expr,
        };
        let data_type = match &function {
            F::Count | F::ApproxCountDistinct => DataType::BigInt,
            F::ArrayAgg => {
                self.refuse_arrays(&argument, upper)?;
                DataType::Array(Box::new(found))
            }
            F::Min | F::Max => {
                self.check_ordered(&argument, upper)?;
                found
            }
            F::Sum | F::Avg if found == DataType::Interval => found,
            F::BitAnd | F::BitOr | F::BitXor if !found.is_integer() => {
                let message = format!("{upper} takes integers, but this is {found}");
                return self.session.fail(argument.span, message);
            }
            F::BitAnd | F::BitOr | F::BitXor | F::FirstValue | F::LastValue => found,
            _ => to.unwrap_or(DataType::Double),
        };
        let ignores_nulls = matches!(aggregate, A::AnyValue | A::LatestByOffset);
        let is_distinct = aggregate == A::CollectSet;
        let call = PendingCall::new(function, vec![argument], data_type);
        Ok(PendingCall { ignores_nulls, is_distinct, ..call })
    }

    /// A number as `DOUBLE`.
    fn double(&mut self, argument: Bound, upper: &str) -> Bind<Expr> {
        match argument.flex {
            _ if argument.expr.data_type.is_numeric() => {
                self.cast(argument.expr, &DataType::Double, false)
            }
            Flex::Null => self.adapt(argument, &DataType::Double, upper),
            _ => self.not_a_number(&argument.expr, upper),
        }
    }

    fn doubles(&mut self, arguments: Vec<Bound>, upper: &str) -> Bind<Vec<Expr>> {
        let doubles: Vec<Bind<Expr>> =
            arguments.into_iter().map(|argument| self.double(argument, upper)).collect();
        doubles.into_iter().collect()
    }

    fn refuse_arrays(&mut self, argument: &Expr, upper: &str) -> Bind<()> {
        match argument.data_type {
            DataType::Array(_) => {
                self.session.fail(argument.span, format!("not supported: {upper} of arrays"))
            }
            _ => Ok(()),
        }
    }

    fn check_ordered(&mut self, argument: &Expr, upper: &str) -> Bind<()> {
        let found = &argument.data_type;
        if is_ordered(found) {
            return Ok(());
        }
        let message = format!("{upper}: values of {found} have no order");
        self.session.fail(argument.span, message)
    }

    /// `ARG_MIN(value, by)` and `ARG_MAX(value, by)`.
    fn arg_extreme(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        arguments: Vec<Bound>,
    ) -> Bind<PendingCall> {
        let arguments: Vec<Expr> = arguments.into_iter().map(|argument| argument.expr).collect();
        self.refuse_arrays(&arguments[0], upper)?;
        self.check_ordered(&arguments[1], upper)?;
        let function = match aggregate {
            Aggregate::ArgMin => AggregateFunction::ArgMin,
            _ => AggregateFunction::ArgMax,
        };
        let data_type = arguments[0].data_type.clone();
        Ok(PendingCall::new(function, arguments, data_type))
    }

    /// `MODE(x)`, and `MODE() WITHIN GROUP (ORDER BY x)`, whose order says which of equally frequent values
    /// it is.
    fn mode(
        &mut self,
        upper: &str,
        mut arguments: Vec<Bound>,
        mut order: Vec<OverKey>,
        span: Span,
    ) -> Bind<PendingCall> {
        let argument = match (arguments.pop(), order.as_slice()) {
            (Some(argument), []) => argument.expr,
            (None, [key]) => key.expr.clone(),
            _ => {
                let message = format!("{upper} takes one column, in the brackets or WITHIN GROUP");
                return self.session.fail_with(span, message, Aggregate::Mode.usage());
            }
        };
        self.refuse_arrays(&argument, upper)?;
        let data_type = argument.data_type.clone();
        for key in &mut order {
            key.is_nulls_first = false;
        }
        let call = PendingCall::new(AggregateFunction::Mode, vec![argument], data_type);
        Ok(PendingCall { order, ..call })
    }

    /// `PERCENTILE_CONT(fraction) WITHIN GROUP (ORDER BY x)` and `PERCENTILE_DISC`.
    fn percentile(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        fraction: Bound,
        mut order: Vec<OverKey>,
        span: Span,
    ) -> Bind<PendingCall> {
        let fraction = self.fraction(fraction, upper)?;
        let (Some(key), true) = (order.pop(), order.is_empty()) else {
            let message = format!("{upper} needs WITHIN GROUP (ORDER BY one column)");
            return self.session.fail(span, message);
        };
        let OverKey { expr, is_descending, .. } = key;
        let argument = Bound { expr, flex: Flex::Fixed };
        if aggregate == Aggregate::PercentileCont {
            let fraction = if is_descending { 1.0 - fraction } else { fraction };
            return self.quantile(aggregate, upper, argument, fraction);
        }
        self.check_ordered(&argument.expr, upper)?;
        let data_type = argument.expr.data_type.clone();
        let function = AggregateFunction::PercentileDisc { fraction, is_descending };
        Ok(PendingCall::new(function, vec![argument.expr], data_type))
    }

    fn quantile(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        argument: Bound,
        fraction: f64,
    ) -> Bind<PendingCall> {
        use AggregateFunction as F;
        if aggregate == Aggregate::QuantileDisc {
            self.check_ordered(&argument.expr, upper)?;
            let data_type = argument.expr.data_type.clone();
            let function = F::PercentileDisc { fraction, is_descending: false };
            return Ok(PendingCall::new(function, vec![argument.expr], data_type));
        }
        let argument = self.double(argument, upper)?;
        let function = match aggregate {
            Aggregate::ApproxQuantile => F::ApproxQuantile { fraction },
            _ => F::PercentileCont { fraction },
        };
        Ok(PendingCall::new(function, vec![argument], DataType::Double))
    }

    /// A constant from 0 to 1.
    fn fraction(&mut self, bound: Bound, upper: &str) -> Bind<f64> {
        let at = bound.expr.span;
        let fraction = self.adapt(bound, &DataType::Double, upper)?;
        match literal(&fraction) {
            Some(Scalar::Double(value)) if (0.0..=1.0).contains(value) => Ok(*value),
            Some(Scalar::Double(_)) => {
                self.session.fail(at, format!("{upper} takes a fraction from 0 to 1"))
            }
            _ => self.session.fail(at, format!("{upper} takes its fraction as a constant")),
        }
    }

    fn separator(&mut self, separator: Bound, upper: &str, span: Span) -> Bind<String> {
        match literal(&separator.expr) {
            Some(Scalar::Varchar(text)) => Ok(text.clone()),
            _ => {
                let message = format!("{upper} takes its separator as a constant text");
                self.session.fail(span, message)
            }
        }
    }
}

/// The type of a sum; see [`AggregateFunction::Sum`].
/// Whether sums and averages take the values of a type without a cast.
fn is_summed_as_it_is(argument: &DataType) -> bool {
    argument.is_numeric() || *argument == DataType::Interval
}

fn sum_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: 38, scale: *scale },
        other if other.is_integer() => DataType::BigInt,
        _ => DataType::Double,
    }
}
