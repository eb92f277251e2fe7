//! Built-in functions: the types of their arguments and results, and what their constants must be.

use tidemill_plan::{Expr, Function, Scalar, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex, integer_value};
use crate::coercion::{is_ordered, rounded_decimal};
use crate::fold::{constant, literal};
use crate::function_names::{PART_UNITS, TRUNC_UNITS};
use crate::report::Bind;
use crate::suggest::did_you_mean;
use crate::time_format;

impl ExprBinder<'_, '_, '_> {
    /// Types the arguments of a built-in function, and its result.
    pub(crate) fn built_in(
        &mut self,
        function: Function,
        upper: &str,
        arguments: Vec<Bound>,
        span: Span,
    ) -> Bind<Expr> {
        use DataType::{BigInt, Boolean, Double, Timestamp, Varchar};
        use Function as F;
        let text = &[Varchar, Varchar, Varchar, Varchar][..];
        let (types, result): (&[DataType], DataType) = match function {
            F::Upper | F::Lower | F::Trim | F::Ltrim | F::Rtrim | F::Replace => (text, Varchar),
            F::RegexpReplace | F::JsonValue | F::Md5 => (text, Varchar),
            F::StartsWith | F::RegexpLike => (text, Boolean),
            F::Length | F::Position => (text, BigInt),
            F::Substring => (&[Varchar, BigInt, BigInt], Varchar),
            F::SplitPart => (&[Varchar, Varchar, BigInt], Varchar),
            F::Left | F::Right => (&[Varchar, BigInt], Varchar),
            F::Lpad | F::Rpad => (&[Varchar, BigInt, Varchar], Varchar),
            F::Power => (&[Double, Double], Double),
            F::Sqrt | F::Ln | F::Log10 | F::Exp => (&[Double], Double),
            F::DateTrunc => (&[Varchar, Timestamp], Timestamp),
            F::DatePart => (&[Varchar, Timestamp], BigInt),
            F::DateFormat => (&[Timestamp, Varchar], Varchar),
            F::Now => (&[], Timestamp),
            _ => return self.generic(function, upper, arguments, span),
        };
        let adapted: Vec<Bind<Expr>> = arguments
            .into_iter()
            .zip(types)
            .map(|(bound, to)| match (&bound.expr.data_type, to) {
                // Numbers of any kind are numbers to a function of DOUBLE.
                (from, Double) if from.is_numeric() => self.cast(bound.expr, to, false),
                _ => self.adapt(bound, to, upper),
            })
            .collect();
        let mut arguments = adapted.into_iter().collect::<Bind<Vec<Expr>>>()?;
        if matches!(function, F::DateTrunc | F::DatePart) {
            self.check_unit(function, upper, &mut arguments[0])?;
        }
        if function == F::DateFormat {
            self.check_time_format(upper, &arguments[1])?;
        }
        self.call(function, arguments, result, span)
    }

    /// Functions whose result depends on the types of their arguments.
    fn generic(
        &mut self,
        function: Function,
        upper: &str,
        mut arguments: Vec<Bound>,
        span: Span,
    ) -> Bind<Expr> {
        use Function as F;
        match function {
            F::Abs | F::Floor | F::Ceil | F::Sign | F::Round => {
                let digits = (arguments.len() > 1).then(|| arguments.remove(1));
                let operand = arguments.remove(0);
                let operand = self.number(operand, upper)?;
                let digits = match digits {
                    None => None,
                    Some(digits) => Some(self.adapt(digits, &DataType::BigInt, upper)?),
                };
                let result = match (function, &operand.data_type) {
                    (F::Sign, _) => DataType::TinyInt,
                    (F::Round | F::Floor | F::Ceil, DataType::Decimal { precision, scale }) => {
                        let known = digits.as_ref().map_or(Some(0), integer_value);
                        rounded_decimal(*precision, *scale, known)
                    }
                    (_, other) => other.clone(),
                };
                let exprs = std::iter::once(operand).chain(digits).collect();
                self.call(function, exprs, result, span)
            }
            F::Mod => {
                let right = arguments.remove(1);
                let left = arguments.remove(0);
                self.arithmetic(tidemill_plan::BinaryOp::Modulo, left, right)
            }
            F::Greatest | F::Least | F::Coalesce | F::NullIf => {
                self.laziness += usize::from(function == F::Coalesce);
                let adapted = self.adapt_all(arguments, upper);
                self.laziness -= usize::from(function == F::Coalesce);
                let (exprs, data_type) = adapted?;
                if function == F::Coalesce {
                    return self.coalesce(exprs, data_type, span);
                }
                if !is_ordered(&data_type) {
                    let message = format!("{upper}: values of {data_type} do not compare");
                    return self.session.fail(span, message);
                }
                self.call(function, exprs, data_type, span)
            }
            F::ToTimestamp => {
                let operand = arguments.remove(0);
                let to = match &operand.expr.data_type {
                    DataType::Varchar => DataType::Varchar,
                    other if other.is_integer() => DataType::BigInt,
                    _ => DataType::Double,
                };
                let operand = match operand.expr.data_type.is_numeric() {
                    true => self.cast(operand.expr, &to, false)?,
                    false => self.adapt(operand, &to, upper)?,
                };
                self.call(function, vec![operand], DataType::Timestamp, span)
            }
            F::Concat => {
                let cast: Vec<Bind<Expr>> = arguments
                    .into_iter()
                    .map(|bound| match bound.flex {
                        Flex::Null => self.adapt(bound, &DataType::Varchar, upper),
                        _ => self.cast(bound.expr, &DataType::Varchar, false),
                    })
                    .collect();
                let exprs = cast.into_iter().collect::<Bind<Vec<Expr>>>()?;
                self.call(function, exprs, DataType::Varchar, span)
            }
            _ => {
                let exprs: Vec<Expr> = arguments.into_iter().map(|bound| bound.expr).collect();
                if let Some(array) = exprs.iter().find(|expr| !is_ordered(&expr.data_type)) {
                    let message = format!("{upper} takes no {}", array.data_type);
                    return self.session.fail(array.span, message);
                }
                self.call(function, exprs, DataType::BigInt, span)
            }
        }
    }

    /// A constant format must have a directive: without one it would be the result.
    fn check_time_format(&mut self, upper: &str, format: &Expr) -> Bind<()> {
        let Some(Scalar::Varchar(text)) = literal(format) else { return Ok(()) };
        if text.contains('%') {
            return Ok(());
        }
        let message = format!("{upper}: the format '{text}' has no directive");
        let hint = match time_format::directives_of(text) {
            Some(directives) => format!("write '{directives}'"),
            None => "directives are %Y %m %d %H %M %S and others".to_owned(),
        };
        self.session.fail_with(format.span, message, hint)
    }

    /// Leading NULLs go; nothing after a constant is ever looked at.
    fn coalesce(&mut self, exprs: Vec<Expr>, data_type: DataType, span: Span) -> Bind<Expr> {
        let mut kept = Vec::with_capacity(exprs.len());
        for expr in exprs {
            match literal(&expr) {
                Some(value) if value.is_null() => {}
                Some(_) => {
                    kept.push(expr);
                    break;
                }
                None => kept.push(expr),
            }
        }
        match kept.len() {
            0 => Ok(constant(Scalar::Null(data_type), span)),
            1 => Ok(kept.remove(0)),
            _ => self.call(Function::Coalesce, kept, data_type, span),
        }
    }

    fn number(&mut self, bound: Bound, upper: &str) -> Bind<Expr> {
        match bound.flex {
            Flex::Null => self.adapt(bound, &DataType::Double, upper),
            _ if bound.expr.data_type.is_numeric() => Ok(bound.expr),
            _ => {
                let (span, found) = (bound.expr.span, bound.expr.data_type);
                self.session.fail(span, format!("{upper} takes a number, but this is {found}"))
            }
        }
    }

    /// The unit must be a constant that is known; it leaves in lower case and singular.
    fn check_unit(&mut self, function: Function, upper: &str, unit: &mut Expr) -> Bind<()> {
        let span = unit.span;
        let Some(Scalar::Varchar(text)) = literal(unit) else {
            return self.session.fail(span, format!("{upper} takes its unit as a constant"));
        };
        let lower = text.to_lowercase();
        let is_part = function == Function::DatePart;
        let known = || TRUNC_UNITS.iter().chain(PART_UNITS.iter().filter(|_| is_part)).copied();
        let singular = match lower.as_str() {
            "dayofweek" | "weekday" => "dow",
            "dayofyear" => "doy",
            "isoweek" => "week",
            "millenium" => "millennium",
            other => other.strip_suffix('s').unwrap_or(other),
        };
        let found = known().find(|unit| *unit == lower || *unit == singular);
        match found {
            Some(found) => {
                *unit = constant(Scalar::Varchar(found.to_owned()), span);
                Ok(())
            }
            None => {
                let hint = did_you_mean(&lower, known()).unwrap_or_else(|| {
                    format!("units are {}", known().collect::<Vec<_>>().join(", "))
                });
                self.session.fail_with(span, format!("{upper} knows no unit {lower}"), hint)
            }
        }
    }
}
