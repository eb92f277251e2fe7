//! Functions that are another way to write something else: `YEAR(t)` for `DATE_PART('year', t)`, `IF(c, a, b)`
//! for `CASE`.
//!
//! [`REWRITES`] has a row for each; the plan never sees them.

use sqlparser::ast;
use tidemill_plan::{Expr, ExprKind, Function, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex};
use crate::fold::constant;
use crate::report::Bind;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Rewrite {
    /// `DATE_PART(unit, x)`
    Part(&'static str),
    /// `DATE_FORMAT(x, directive)`
    Format(&'static str),
    /// `INTERVAL '1' unit * n`: months, days and nanoseconds of one unit.
    Units(i32, i32, i64),
    /// `CASE WHEN c THEN a [ELSE b] END`
    If,
    /// `CASE WHEN x IS NOT NULL THEN a ELSE b END`
    IfNotNull,
    /// `CAST(x AS type)`, or of `STRPTIME(x, format)`.
    Cast(DataType),
    /// `COALESCE(x, 0)`
    ZeroIfNull,
    /// `NULLIF(x, 0)`
    NullIfZero,
    /// The name of the type.
    TypeOf,
    /// A constant.
    Number(f64),
}

const NANOS_OF_SECOND: i64 = 1_000_000_000;

/// Names, the fewest and most arguments, and what they stand for.
pub(crate) const REWRITES: &[(&str, usize, usize, Rewrite)] = &[
    ("year", 1, 1, Rewrite::Part("year")),
    ("quarter", 1, 1, Rewrite::Part("quarter")),
    ("month", 1, 1, Rewrite::Part("month")),
    ("week", 1, 1, Rewrite::Part("week")),
    ("weekofyear", 1, 1, Rewrite::Part("week")),
    ("day", 1, 1, Rewrite::Part("day")),
    ("dayofmonth", 1, 1, Rewrite::Part("day")),
    ("dayofweek", 1, 1, Rewrite::Part("dow")),
    ("weekday", 1, 1, Rewrite::Part("dow")),
    ("isodow", 1, 1, Rewrite::Part("isodow")),
    ("dayofyear", 1, 1, Rewrite::Part("doy")),
    ("isoyear", 1, 1, Rewrite::Part("isoyear")),
    ("hour", 1, 1, Rewrite::Part("hour")),
    ("minute", 1, 1, Rewrite::Part("minute")),
    ("second", 1, 1, Rewrite::Part("second")),
    ("millisecond", 1, 1, Rewrite::Part("millisecond")),
    ("microsecond", 1, 1, Rewrite::Part("microsecond")),
    ("decade", 1, 1, Rewrite::Part("decade")),
    ("century", 1, 1, Rewrite::Part("century")),
    ("millennium", 1, 1, Rewrite::Part("millennium")),
    ("dayname", 1, 1, Rewrite::Format("%A")),
    ("monthname", 1, 1, Rewrite::Format("%B")),
    ("to_years", 1, 1, Rewrite::Units(12, 0, 0)),
    ("to_quarters", 1, 1, Rewrite::Units(3, 0, 0)),
    ("to_months", 1, 1, Rewrite::Units(1, 0, 0)),
    ("to_weeks", 1, 1, Rewrite::Units(0, 7, 0)),
    ("to_days", 1, 1, Rewrite::Units(0, 1, 0)),
    ("to_hours", 1, 1, Rewrite::Units(0, 0, 3600 * NANOS_OF_SECOND)),
    ("to_minutes", 1, 1, Rewrite::Units(0, 0, 60 * NANOS_OF_SECOND)),
    ("to_seconds", 1, 1, Rewrite::Units(0, 0, NANOS_OF_SECOND)),
    ("to_milliseconds", 1, 1, Rewrite::Units(0, 0, 1_000_000)),
    ("to_microseconds", 1, 1, Rewrite::Units(0, 0, 1000)),
    ("if", 2, 3, Rewrite::If),
    ("iif", 2, 3, Rewrite::If),
    ("nvl2", 3, 3, Rewrite::IfNotNull),
    ("date", 1, 1, Rewrite::Cast(DataType::Date)),
    ("to_date", 1, 2, Rewrite::Cast(DataType::Date)),
    ("zeroifnull", 1, 1, Rewrite::ZeroIfNull),
    ("nullifzero", 1, 1, Rewrite::NullIfZero),
    ("typeof", 1, 1, Rewrite::TypeOf),
    ("pi", 0, 0, Rewrite::Number(std::f64::consts::PI)),
];

impl ExprBinder<'_, '_, '_> {
    /// What a name stands for, with these arguments; their number is right.
    pub(crate) fn rewritten(
        &mut self,
        rewrite: &Rewrite,
        upper: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Expr> {
        let text = |text: &str| {
            let expr = constant(Scalar::Varchar(text.to_owned()), span);
            Bound { expr, flex: Flex::Text }
        };
        match rewrite {
            Rewrite::If => return self.bind_if(arguments, upper, span),
            Rewrite::IfNotNull => return self.bind_nvl2(arguments, upper, span),
            Rewrite::Number(value) => return Ok(constant(Scalar::Double(*value), span)),
            _ => {}
        }
        let mut bound = self.bind_all(arguments)?;
        let first = bound.remove(0);
        match rewrite {
            Rewrite::Part(unit) => {
                self.built_in(Function::DatePart, upper, vec![text(unit), first], span)
            }
            Rewrite::Format(format) => {
                self.built_in(Function::DateFormat, upper, vec![first, text(format)], span)
            }
            Rewrite::Units(months, days, nanos) => {
                let unit = Scalar::Interval { months: *months, days: *days, nanos: *nanos };
                let unit = Bound { expr: constant(unit, span), flex: Flex::Fixed };
                self.built_in(Function::SpanTimes, upper, vec![unit, first], span)
            }
            Rewrite::Cast(to) => match bound.pop() {
                None => self.cast(first.expr, to, false),
                Some(format) => {
                    let time = vec![first, format];
                    let time = self.built_in(Function::Strptime, upper, time, span)?;
                    self.cast(time, to, false)
                }
            },
            Rewrite::ZeroIfNull | Rewrite::NullIfZero => {
                let zero = Bound { expr: constant(Scalar::Integer(0), span), flex: Flex::Integer };
                let function = match rewrite {
                    Rewrite::ZeroIfNull => Function::IfNull,
                    _ => Function::NullIf,
                };
                self.built_in(function, upper, vec![first, zero], span)
            }
            _ => {
                let name = match first.flex {
                    Flex::Null => "NULL".to_owned(),
                    _ => first.expr.data_type.to_string(),
                };
                Ok(constant(Scalar::Varchar(name), span))
            }
        }
    }

    fn bind_if(&mut self, arguments: &[&ast::Expr], upper: &str, span: Span) -> Bind<Expr> {
        let condition = self.bind_flexible(arguments[0])?;
        let condition = self.adapt(condition, &DataType::Boolean, upper)?;
        self.choice(condition, &arguments[1..], upper, span)
    }

    fn bind_nvl2(&mut self, arguments: &[&ast::Expr], upper: &str, span: Span) -> Bind<Expr> {
        let operand = Box::new(self.bind(arguments[0])?);
        let kind = ExprKind::Unary { op: UnaryOp::IsNotNull, operand };
        let condition = self.finish(Expr { kind, data_type: DataType::Boolean, span })?;
        self.choice(condition, &arguments[1..], upper, span)
    }

    /// `CASE WHEN condition THEN first [ELSE second] END`
    fn choice(
        &mut self,
        condition: Expr,
        results: &[&ast::Expr],
        upper: &str,
        span: Span,
    ) -> Bind<Expr> {
        self.laziness += 1;
        let results = self.bind_all(results).and_then(|results| self.adapt_all(results, upper));
        self.laziness -= 1;
        let (mut results, data_type) = results?;
        let first = results.remove(0);
        let otherwise = results.pop().map(Box::new);
        let kind = ExprKind::Case { branches: vec![(condition, first)], otherwise };
        self.finish(Expr { kind, data_type, span })
    }
}
