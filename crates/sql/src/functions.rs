//! Calls: built-in functions by name, the forms that have a syntax of their own, and the
//! functions of the embedding program.

use sqlparser::ast::{
    self, CeilFloorKind, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};
use tidemill_plan::{Expr, ExprKind, Function, Scalar, Span};
use tidemill_record::DataType;

use crate::aggregates;
use crate::bind_expr::{Bound, ExprBinder, Flex, integer_value, leftmost_span};
use crate::calls::{check_nulls, refuse_inner_clauses, refuse_quantifier};
use crate::coercion::{is_ordered, rounded_decimal};
use crate::fold::{constant, literal};
use crate::function_names::{
    FUNCTIONS, PART_UNITS, REFUSED, RefusedForm, TRUNC_UNITS, refused_form,
};
use crate::over::OVER_ONLY;
use crate::position::union;
use crate::report::Bind;
use crate::suggest::did_you_mean;
use crate::time_format;

impl ExprBinder<'_, '_, '_> {
    /// Forms that call something, and everything that is not supported.
    pub(crate) fn bind_call(&mut self, expr: &ast::Expr) -> Bind<Expr> {
        use ast::Expr as Sql;
        let span = self.session.span(leftmost_span(expr));
        match expr {
            Sql::Function(function) => self.bind_function(function),
            Sql::Extract { field, syntax: _, expr: operand } => {
                let unit = Bound {
                    expr: constant(Scalar::Varchar(field.to_string().replace('\'', "")), span),
                    flex: Flex::Text,
                };
                let operand = self.bind_flexible(operand)?;
                self.built_in(Function::DatePart, "EXTRACT", vec![unit, operand], span)
            }
            Sql::Ceil { expr: operand, field } => {
                self.bind_rounding(Function::Ceil, operand, field, span)
            }
            Sql::Floor { expr: operand, field } => {
                self.bind_rounding(Function::Floor, operand, field, span)
            }
            Sql::Position { expr: needle, r#in } => {
                let arguments = self.bind_all(&[needle, r#in])?;
                self.built_in(Function::Position, "POSITION", arguments, span)
            }
            Sql::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                let (Some(from), length) = (substring_from, substring_for) else {
                    return self.session.fail(span, "SUBSTRING needs a start: FROM n");
                };
                let mut parts = vec![expr.as_ref(), from.as_ref()];
                parts.extend(length.as_deref());
                let arguments = self.bind_all(&parts)?;
                self.built_in(Function::Substring, "SUBSTRING", arguments, span)
            }
            Sql::Trim { trim_where, trim_what, expr, trim_characters } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => Function::Trim,
                    Some(TrimWhereField::Leading) => Function::Ltrim,
                    Some(TrimWhereField::Trailing) => Function::Rtrim,
                };
                let mut parts = vec![expr.as_ref()];
                parts.extend(trim_what.as_deref());
                parts.extend(trim_characters.iter().flatten());
                if parts.len() > 2 {
                    return self.session.fail(span, "TRIM takes text and characters");
                }
                let arguments = self.bind_all(&parts)?;
                self.built_in(function, "TRIM", arguments, span)
            }
            other => {
                let RefusedForm { what, head } = refused_form(other);
                let at = match head {
                    [] => span,
                    // A tree without a place is somewhere in the statement.
                    head if span == Span::default() => self.session.place(head, span),
                    head => self.session.place_before(head, span),
                };
                self.session.fail(at, format!("not supported: {what}"))
            }
        }
    }

    fn bind_all(&mut self, exprs: &[&ast::Expr]) -> Bind<Vec<Bound>> {
        let bound: Vec<Bind<Bound>> = exprs.iter().map(|expr| self.bind_flexible(expr)).collect();
        bound.into_iter().collect()
    }

    fn bind_rounding(
        &mut self,
        function: Function,
        operand: &ast::Expr,
        field: &CeilFloorKind,
        span: Span,
    ) -> Bind<Expr> {
        match field {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {}
            CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_) => {
                let name = function.name();
                return self.session.fail(span, format!("{name} takes one argument"));
            }
        }
        let arguments = self.bind_all(&[operand])?;
        self.built_in(function, function.name(), arguments, span)
    }

    /// Names that are functions without brackets.
    pub(crate) fn bind_niladic(&mut self, name: &str, span: Span) -> Bind<Option<Expr>> {
        let now = Expr {
            kind: ExprKind::Call { function: Function::Now, arguments: Vec::new() },
            data_type: DataType::Timestamp,
            span,
        };
        match name {
            "current_timestamp" | "localtimestamp" => Ok(Some(now)),
            "current_date" => self.cast(now, &DataType::Date, false).map(Some),
            _ => Ok(None),
        }
    }

    fn bind_function(&mut self, call: &ast::Function) -> Bind<Expr> {
        let ast::Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group,
            filter,
            null_treatment,
            over,
        } = call;
        let (name, span) = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(ident)] => {
                (ident.value.to_lowercase(), self.session.span(ident.span))
            }
            _ => {
                let span = self.session.span(leftmost_span(&ast::Expr::Function(call.clone())));
                return self.session.fail(span, "not supported: a function name of several parts");
            }
        };
        let upper = name.to_uppercase();
        if *uses_odbc_syntax || *parameters != FunctionArguments::None {
            return self.session.fail(span, format!("not supported: this form of {upper}"));
        }
        if let Some(nulls) = null_treatment {
            check_nulls(self.session, *nulls, &upper, span)?;
        }
        let list = match args {
            FunctionArguments::List(list) => Some(list),
            FunctionArguments::None => None,
            FunctionArguments::Subquery(_) => {
                return self.session.fail(span, "not supported: a subquery as an argument");
            }
        };
        if let Some(window) = over {
            if !within_group.is_empty() || filter.is_some() {
                let phrase = if filter.is_some() { &["FILTER"][..] } else { &["WITHIN", "GROUP"] };
                let at = self.session.place(phrase, span);
                let message = format!("not supported: {} of {upper} OVER", phrase.join(" "));
                return self.session.fail(at, message);
            }
            return self.bind_over(&name, span, list, window);
        }
        if OVER_ONLY.contains(&name.as_str()) {
            let hint = format!("write {upper}(…) OVER (PARTITION BY key ORDER BY time)");
            return self.session.fail_with(span, format!("{upper} needs OVER (…)"), hint);
        }
        if aggregates::is_aggregate(&name) {
            return self.bind_aggregate(&name, span, list, within_group, filter.as_deref());
        }
        if !within_group.is_empty() || filter.is_some() {
            let phrase = if filter.is_some() { &["FILTER"][..] } else { &["WITHIN", "GROUP"] };
            let at = self.session.place(phrase, span);
            let clause = phrase.join(" ");
            let message = format!("{clause} belongs to an aggregate, which {upper} is not");
            return self.session.fail(at, message);
        }
        let arguments = self.plain_arguments(list, &upper, span)?;
        self.bind_named(&name, &upper, &arguments, span)
    }

    fn bind_named(
        &mut self,
        name: &str,
        upper: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Expr> {
        if let Some(user) = self.session.catalog.functions.get(name) {
            let user = user.clone();
            let count = user.argument_types.len();
            if arguments.len() != count {
                let given = arguments.len();
                let s = if count == 1 { "" } else { "s" };
                let message = format!("{upper} takes {count} argument{s}, not {given}");
                return self.session.fail(span, message);
            }
            let bound = self.bind_all(arguments)?;
            let adapted: Vec<Bind<Expr>> = bound
                .into_iter()
                .zip(&user.argument_types)
                .map(|(bound, to)| self.adapt(bound, to, upper))
                .collect();
            let arguments = adapted.into_iter().collect::<Bind<Vec<Expr>>>()?;
            let span = arguments.iter().fold(span, |all, argument| union(all, argument.span));
            let data_type = user.return_type.clone();
            let kind = ExprKind::CallUser { function: user, arguments };
            return Ok(Expr { kind, data_type, span });
        }
        if name == "current_date"
            && arguments.is_empty()
            && let Some(today) = self.bind_niladic(name, span)?
        {
            return Ok(today);
        }
        if let ("current_timestamp" | "localtimestamp", [digits]) = (name, arguments)
            && let Some(now) = self.bind_niladic(name, span)?
        {
            return self.rounded_now(now, digits, upper);
        }
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|entry| entry.0 == name)
        else {
            return self.unknown_function(name, upper, span);
        };
        if !(*least..=*most).contains(&arguments.len()) {
            let takes = match (*least, *most) {
                (least, most) if least == most => format!("{least}"),
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            let given = arguments.len();
            let s = if takes == "1" || takes == "at least 1" { "" } else { "s" };
            let message = format!("{upper} takes {takes} argument{s}, not {given}");
            return self.session.fail(span, message);
        }
        let is_lazy = *function == Function::Coalesce;
        let mut bound = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let skippable = usize::from(is_lazy && index > 0);
            self.laziness += skippable;
            bound.push(self.bind_flexible(argument));
            self.laziness -= skippable;
        }
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        self.built_in(*function, upper, bound, span)
    }

    /// `CURRENT_TIMESTAMP(p)`: with so many digits of a second.
    fn rounded_now(&mut self, now: Expr, digits: &ast::Expr, upper: &str) -> Bind<Expr> {
        let digits = self.bind(digits)?;
        match literal(&digits).and_then(|_| integer_value(&digits)) {
            Some(6) => Ok(now),
            Some(known @ 0..=5) => {
                let (span, data_type) = (now.span, now.data_type.clone());
                let limit = constant(Scalar::BigInt(known), digits.span);
                self.call(Function::RoundTime, vec![now, limit], data_type, span)
            }
            _ => self.session.fail(digits.span, format!("{upper} takes a constant from 0 to 6")),
        }
    }

    fn unknown_function(&mut self, name: &str, upper: &str, span: Span) -> Bind<Expr> {
        if let Some((_, what)) = REFUSED.iter().find(|entry| entry.0 == name) {
            return self.session.fail(span, format!("not supported yet: {upper}: {what}"));
        }
        let known = FUNCTIONS.iter().map(|entry| entry.0).chain(aggregates::names());
        let catalog = self.session.catalog;
        let users = catalog.functions.keys().map(String::as_str);
        let mut known: Vec<&str> = known.collect();
        known.extend(users);
        let hint = did_you_mean(name, known);
        Err(self.session.report.add(span, format!("unknown function {upper}"), hint))
    }

    /// Positional arguments without any of the clauses an aggregate may have.
    fn plain_arguments<'e>(
        &mut self,
        list: Option<&'e ast::FunctionArgumentList>,
        upper: &str,
        span: Span,
    ) -> Bind<Vec<&'e ast::Expr>> {
        let Some(list) = list else { return Ok(Vec::new()) };
        refuse_quantifier(self.session, list, upper, span)?;
        refuse_inner_clauses(self.session, list, upper, span)?;
        self.positional(&list.args, upper, span)
    }

    /// Arguments that are expressions.
    pub(crate) fn positional<'e>(
        &mut self,
        args: &'e [FunctionArg],
        upper: &str,
        span: Span,
    ) -> Bind<Vec<&'e ast::Expr>> {
        let mut exprs = Vec::with_capacity(args.len());
        for argument in args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                FunctionArg::Unnamed(_) => {
                    return self.session.fail(span, format!("{upper} does not take *"));
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    let at = self.session.place(&["=>"], span);
                    return self.session.fail(at, "not supported: named arguments (=>)");
                }
            }
        }
        Ok(exprs)
    }

    /// Types the arguments of a built-in function, and its result.
    fn built_in(
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
