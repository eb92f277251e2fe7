//! Calls: built-in functions by name, the forms that have a syntax of their own, and the
//! functions of the embedding program.

use sqlparser::ast::{
    self, CeilFloorKind, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};
use tidemill_plan::{Expr, ExprKind, Family, Function, Kind, Scalar, Signature, Span};
use tidemill_record::DataType;

use crate::aggregates;
use crate::bind_expr::{Bound, ExprBinder, Flex, integer_value, leftmost_span};
use crate::built_in::is_lazy;
use crate::calls::{check_nulls, refuse_inner_clauses, refuse_quantifier};
use crate::fold::{constant, literal};
use crate::function_names::{PART_UNITS, REFUSED, RefusedForm, TRUNC_UNITS, refused_form};
use crate::functions_of_others::instead_of;
use crate::over::OVER_ONLY;
use crate::parse::fold_name;
use crate::position::union;
use crate::report::Bind;
use crate::suggest::nearest;

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
                    let hint = "write SUBSTRING(text, 2) or SUBSTRING(text FROM 2 FOR 3)";
                    return self.session.fail_with(span, "SUBSTRING needs a start", hint);
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
                let RefusedForm { what, head, hint } = refused_form(other);
                let at = match head {
                    [] => span,
                    // A tree without a place is somewhere in the statement.
                    head if span == Span::default() => self.session.place(head, span),
                    head => self.session.place_before(head, span),
                };
                let message = format!("not supported: {what}");
                Err(self.session.report.add(at, message, hint.map(str::to_owned)))
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
        if let Some(bound) = self.bind_bound_function(name, arguments, span)? {
            return Ok(bound);
        }
        if let Some(bound) = self.bind_row_bound(name, arguments, span)? {
            return Ok(bound);
        }
        let Some(function) = Function::by_name(name) else {
            return self.unknown_function(name, upper, span);
        };
        self.check_count(function, upper, arguments.len(), span)?;
        let mut bound = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let skippable = usize::from(is_lazy(function) && index > 0);
            self.laziness += skippable;
            bound.push(match self.bare_unit(function, index, argument) {
                Some(unit) => Ok(unit),
                None => self.bind_flexible(argument),
            });
            self.laziness -= skippable;
        }
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        self.built_in(function, upper, bound, span)
    }

    /// That some signature takes so many arguments.
    fn check_count(
        &mut self,
        function: Function,
        upper: &str,
        given: usize,
        span: Span,
    ) -> Bind<()> {
        let signatures = function.signatures();
        if signatures.iter().any(|signature| signature.takes(given)) {
            return Ok(());
        }
        let least = signatures.iter().map(|signature| signature.needed).min().unwrap_or(0);
        let most = signatures.iter().map(Signature::most).collect::<Option<Vec<usize>>>();
        let takes = match most.and_then(|most| most.into_iter().max()) {
            None => format!("at least {least}"),
            Some(most) if most == least => format!("{least}"),
            Some(most) => format!("{least} to {most}"),
        };
        let s = if takes == "1" || takes == "at least 1" { "" } else { "s" };
        self.session.fail(span, format!("{upper} takes {takes} argument{s}, not {given}"))
    }

    /// `DATE_TRUNC(hour, t)`: a unit without quotes, where no column has its name.
    fn bare_unit(
        &mut self,
        function: Function,
        index: usize,
        argument: &ast::Expr,
    ) -> Option<Bound> {
        let kinds = function.signatures().iter().map(|signature| signature.kind(index));
        let takes_unit =
            kinds.into_iter().any(|kind| matches!(kind, Kind::TruncUnit | Kind::PartUnit));
        let ast::Expr::Identifier(ident) = argument else { return None };
        let name = fold_name(ident, self.session.positions);
        let is_unit = TRUNC_UNITS.iter().chain(PART_UNITS).any(|unit| *unit == name.text);
        if !takes_unit || !is_unit || ident.quote_style.is_some() || self.scope.has(&name) {
            return None;
        }
        let expr = constant(Scalar::Varchar(name.text), name.span);
        Some(Bound { expr, flex: Flex::Text })
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
        let refused = REFUSED.iter().find(|entry| entry.0 == name).map(|entry| entry.1);
        if let Some(instead) = refused.or_else(|| instead_of(name)) {
            return self.session.fail_with(span, format!("not supported: {upper}"), instead);
        }
        let callable = Function::all().iter().filter(|one| one.family() != Family::Internal);
        let built_in = callable.flat_map(|function| function.names()).copied();
        let users = self.session.catalog.functions.keys().map(String::as_str);
        let mut known: Vec<&str> = aggregates::names().chain(built_in).collect();
        known.extend(users);
        let hint = match name {
            "cast" | "try_cast" => {
                Some(format!("AS stands between the value and its type: {upper}(x AS INTEGER)"))
            }
            _ => {
                nearest(name, known).map(|found| format!("did you mean {}?", found.to_uppercase()))
            }
        };
        let hint = hint.or_else(|| Some("docs/SQL.md lists the functions".to_owned()));
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
}
