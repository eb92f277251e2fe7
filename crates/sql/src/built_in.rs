//! Built-in functions: which of their signatures a call means, the types of arguments and results, and what
//! their constants must be.

use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, Kind, Returns, Scalar, Signature, Span};
use tidemill_record::DataType;

use crate::advice;
use crate::bind_expr::{Bound, ExprBinder, Flex, integer_value};
use crate::coercion::{is_castable, is_ordered, rounded_decimal, unify};
use crate::fold::{constant, literal};
use crate::function_names::{PART_UNITS, STEP_UNITS, TRUNC_UNITS};
use crate::report::Bind;
use crate::suggest::did_you_mean;
use crate::time_format;

impl ExprBinder<'_, '_, '_> {
    /// Types the arguments of a built-in function, of which there are as many as one of its signatures takes,
    /// and its result.
    pub(crate) fn built_in(
        &mut self,
        function: Function,
        upper: &str,
        arguments: Vec<Bound>,
        span: Span,
    ) -> Bind<Expr> {
        if function == Function::Mod {
            let [left, right] = <[Bound; 2]>::try_from(arguments).expect("its signature has two");
            return self.arithmetic(BinaryOp::Modulo, left, right);
        }
        if let (Function::DateAdd | Function::DateSub, 2) = (function, arguments.len()) {
            return self.moved(function, upper, arguments);
        }
        if let Some(length) = self.json_length(function, &arguments, span)? {
            return Ok(length);
        }
        let signature = self.signature_of(function, upper, &arguments, span)?;
        let is_lazy = is_lazy(function);
        self.laziness += usize::from(is_lazy);
        let fitted = self.fitted(signature, upper, arguments);
        self.laziness -= usize::from(is_lazy);
        let (arguments, common) = fitted?;
        let result = match signature.returns {
            Returns::Text => DataType::Varchar,
            Returns::Integer => DataType::BigInt,
            Returns::Tiny => DataType::TinyInt,
            Returns::Double => DataType::Double,
            Returns::Boolean => DataType::Boolean,
            Returns::Bytes => DataType::Varbinary,
            Returns::Time => DataType::Timestamp,
            Returns::Day => DataType::Date,
            Returns::Span => DataType::Interval,
            Returns::Texts => DataType::Array(Box::new(DataType::Varchar)),
            Returns::First => arguments[0].data_type.clone(),
            Returns::Item => item_type(&arguments[0]),
            Returns::SameArray => DataType::Array(Box::new(common)),
            Returns::Same if !is_ordered(&common) => {
                let message = format!("{upper}: values of {common} do not compare");
                return self.session.fail(span, message);
            }
            Returns::Same => common,
            Returns::Bound if is_lazy => return self.coalesce(arguments, common, span),
            Returns::Bound => rounded_type(&arguments),
        };
        self.call(function, arguments, result, span)
    }

    fn is_json_array(&self, of: &Expr) -> bool {
        matches!(of.kind, ExprKind::Column { index, .. } if self.scope.json_arrays.contains_key(&index))
    }

    /// How many elements, of a text column that is JSON arrays.
    fn json_length(
        &mut self,
        function: Function,
        arguments: &[Bound],
        span: Span,
    ) -> Bind<Option<Expr>> {
        let Some(Bound { expr: of, .. }) = arguments.first() else { return Ok(None) };
        match function {
            Function::Length | Function::ArrayLength if self.is_json_array(of) => {
                let arguments = vec![of.clone()];
                self.call(Function::JsonArrayLength, arguments, DataType::BigInt, span).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// `DATE_ADD(time, span)` and `DATE_SUB(time, span)`: as `+` and `-`, but that text is a time.
    fn moved(&mut self, function: Function, upper: &str, arguments: Vec<Bound>) -> Bind<Expr> {
        let [mut time, span] = <[Bound; 2]>::try_from(arguments).expect("it has two");
        if time.flex == Flex::Text {
            let expr = self.adapt(time, &DataType::Timestamp, upper)?;
            time = Bound { expr, flex: Flex::Fixed };
        }
        let is_addition = function == Function::DateAdd;
        let op = if is_addition { BinaryOp::Add } else { BinaryOp::Subtract };
        self.arithmetic(op, time, span)
    }

    /// The signature that fits best.
    fn signature_of(
        &mut self,
        function: Function,
        upper: &str,
        arguments: &[Bound],
        span: Span,
    ) -> Bind<&'static Signature> {
        let signatures = function.signatures().iter();
        let candidates: Vec<&Signature> =
            signatures.filter(|signature| signature.takes(arguments.len())).collect();
        if let [only] = candidates.as_slice() {
            return Ok(only);
        }
        let total_cost = |signature: &Signature| {
            let mut costs = arguments.iter().enumerate();
            costs.try_fold(0, |sum, (at, bound)| Some(sum + cost(bound, signature.kind(at))?))
        };
        let costs = candidates.iter().filter_map(|one| Some((total_cost(one)?, *one)));
        if let Some((_, best)) = costs.min_by_key(|(cost, _)| *cost) {
            return Ok(best);
        }
        // The first argument that no signature takes.
        for (at, bound) in arguments.iter().enumerate() {
            let kinds = candidates.iter().map(|signature| signature.kind(at));
            if kinds.clone().any(|kind| cost(bound, kind).is_some()) {
                continue;
            }
            let mut names: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
            names.dedup();
            let message = format!(
                "{upper} takes {}, but this is {}",
                names.join(" or "),
                bound.expr.data_type
            );
            return self.session.fail(bound.expr.span, message);
        }
        let given: Vec<String> =
            arguments.iter().map(|bound| bound.expr.data_type.to_string()).collect();
        self.session.fail(span, format!("{upper} does not take {} together", given.join(", ")))
    }

    /// The arguments as a signature wants them, and the common type of those that have one.
    fn fitted(
        &mut self,
        signature: &Signature,
        upper: &str,
        arguments: Vec<Bound>,
    ) -> Bind<(Vec<Expr>, DataType)> {
        let (mut alike, mut fitted) = (Vec::new(), Vec::with_capacity(arguments.len()));
        let item = arguments.first().map_or(DataType::Varchar, |first| item_type(&first.expr));
        for (at, bound) in arguments.into_iter().enumerate() {
            match signature.kind(at) {
                Kind::Same => {
                    alike.push(bound);
                    fitted.push(None);
                }
                Kind::Item => fitted.push(Some(self.adapt(bound, &item, upper))),
                kind => fitted.push(Some(self.fit(kind, bound, upper))),
            }
        }
        let (alike, common) = if alike.is_empty() {
            (Vec::new(), DataType::Varchar)
        } else {
            self.adapt_all(alike, upper)?
        };
        let mut alike = alike.into_iter().map(Ok);
        let all = fitted.into_iter().map(|one| {
            one.unwrap_or_else(|| alike.next().expect("one for each that was taken out"))
        });
        Ok((all.collect::<Bind<Vec<Expr>>>()?, common))
    }

    /// An argument as a parameter wants it.
    fn fit(&mut self, kind: Kind, bound: Bound, upper: &str) -> Bind<Expr> {
        let is_number = bound.expr.data_type.is_numeric();
        match kind {
            Kind::Number => self.number(bound, upper),
            Kind::Wide => {
                let number = self.number(bound, upper)?;
                let is_integer = number.data_type.is_integer();
                if is_integer { self.cast(number, &DataType::BigInt, false) } else { Ok(number) }
            }
            Kind::Plain | Kind::Same if !is_ordered(&bound.expr.data_type) => {
                let message = format!("{upper} takes no {}", bound.expr.data_type);
                self.session.fail(bound.expr.span, message)
            }
            Kind::Plain | Kind::Same => Ok(bound.expr),
            Kind::Shown if bound.flex != Flex::Null => {
                self.cast(bound.expr, &DataType::Varchar, false)
            }
            // Numbers of any kind are numbers to a function of DOUBLE.
            Kind::Double if is_number && bound.flex != Flex::Null => {
                self.cast(bound.expr, &DataType::Double, false)
            }
            Kind::TruncUnit => self.unit(bound, upper, TRUNC_UNITS, &[]),
            Kind::PartUnit => self.unit(bound, upper, TRUNC_UNITS, PART_UNITS),
            Kind::StepUnit => self.unit(bound, upper, TRUNC_UNITS, STEP_UNITS),
            Kind::Array if bound.flex == Flex::Null => {
                let texts = DataType::Array(Box::new(DataType::Varchar));
                Ok(constant(Scalar::Null(texts), bound.expr.span))
            }
            Kind::Array if is_ordered(&bound.expr.data_type) => {
                let message =
                    format!("{upper} takes an array, but this is {}", bound.expr.data_type);
                match self.is_json_array(&bound.expr) {
                    true => self.session.fail_with(
                        bound.expr.span,
                        message,
                        "it is text with JSON arrays: a[1] is an element, LEN(a) how many there are, CONTAINS(a, '\"x\"') whether a text is one",
                    ),
                    false => self.session.fail(bound.expr.span, message),
                }
            }
            Kind::Array => Ok(bound.expr),
            Kind::WriteFormat | Kind::ReadFormat => {
                let format = self.adapt(bound, &DataType::Varchar, upper)?;
                self.check_time_format(upper, &format)?;
                Ok(format)
            }
            _ => {
                let to = kind.data_type().expect("other kinds are above");
                self.adapt(bound, &to, upper)
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
            _ => self.not_a_number(&bound.expr, upper),
        }
    }

    /// Refuses an argument that should be a number.
    pub(crate) fn not_a_number<T>(&mut self, found: &Expr, upper: &str) -> Bind<T> {
        let message = format!("{upper} takes a number, but this is {}", found.data_type);
        self.session.fail_with(found.span, message, advice::as_number(found))
    }

    /// A unit, which must be a constant that is known; it is given in lower case and singular.
    fn unit(&mut self, bound: Bound, upper: &str, units: &[&str], further: &[&str]) -> Bind<Expr> {
        let unit = self.adapt(bound, &DataType::Varchar, upper)?;
        let span = unit.span;
        let Some(Scalar::Varchar(text)) = literal(&unit) else {
            return self.session.fail(span, format!("{upper} takes its unit as a constant"));
        };
        let lower = text.to_lowercase();
        let lower = lower.strip_prefix("sql_tsi_").unwrap_or(&lower).to_owned();
        let known = || units.iter().chain(further).copied();
        let singular = match lower.as_str() {
            "dayofweek" | "weekday" => "dow",
            "dayofyear" => "doy",
            "isoweek" => "week",
            "millenium" => "millennium",
            "centuries" => "century",
            "millennia" => "millennium",
            other => other.strip_suffix('s').unwrap_or(other),
        };
        let found = known().find(|unit| *unit == lower || *unit == singular);
        if let Some(found) = found {
            return Ok(constant(Scalar::Varchar(found.to_owned()), span));
        }
        let hint = did_you_mean(&lower, known())
            .unwrap_or_else(|| format!("units are {}", known().collect::<Vec<_>>().join(", ")));
        self.session.fail_with(span, format!("{upper} knows no unit {lower}"), hint)
    }
}

/// Whether later arguments may not be evaluated.
pub(crate) fn is_lazy(function: Function) -> bool {
    matches!(function, Function::Coalesce | Function::IfNull)
}

/// How far an argument is from what a parameter takes; `None` if it does not.
fn cost(bound: &Bound, kind: Kind) -> Option<u32> {
    let Bound { expr, flex } = bound;
    let from = &expr.data_type;
    if *flex == Flex::Null || kind.holds(from) || kind == Kind::Wide && from.is_numeric() {
        return Some(0);
    }
    if kind == Kind::Item {
        return Some(1);
    }
    let to = kind.data_type()?;
    let widens =
        kind == Kind::Shown && is_castable(from, &to) || kind == Kind::Double && from.is_numeric();
    if widens { Some(1) } else { adapting_cost(bound, &to).map(|_| 1) }
}

/// How much an argument has to change to be of a type: 0 if it is, 1 if it is cast on its own account, `None` if
/// it is not.
pub(crate) fn adapting_cost(bound: &Bound, to: &DataType) -> Option<u32> {
    let Bound { expr, flex } = bound;
    let from = &expr.data_type;
    if *flex == Flex::Null || from == to {
        return Some(0);
    }
    let adapts = match flex {
        Flex::Text => is_castable(from, to),
        Flex::Integer => to.is_numeric(),
        Flex::Point(_) => to.is_numeric() && !to.is_integer(),
        Flex::Fixed | Flex::Null => false,
    };
    (adapts || unify(from, to).as_ref() == Some(to)).then_some(1)
}

/// The type of an array's elements; that of NULL alone is text.
fn item_type(array: &Expr) -> DataType {
    match &array.data_type {
        DataType::Array(item) => (**item).clone(),
        _ => DataType::Varchar,
    }
}

/// The type of `ROUND`, `FLOOR` and `CEIL`.
fn rounded_type(arguments: &[Expr]) -> DataType {
    match &arguments[0].data_type {
        DataType::Decimal { precision, scale } => {
            let known = arguments.get(1).map_or(Some(0), integer_value);
            rounded_decimal(*precision, *scale, known)
        }
        other => other.clone(),
    }
}
