//! Calls: built-in functions by name, the forms that have a syntax of their own, and the
//! functions of the embedding program.

use std::sync::Arc;

use sqlparser::ast::{
    self, CeilFloorKind, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};
use tidemill_plan::{Aggregate, Expr, ExprKind, Family, Function, Scalar, Signature, Span};
use tidemill_record::DataType;

use crate::aggregates::AroundCall;
use crate::bind_expr::{Bound, ExprBinder, Flex, integer_value, leftmost_span};
use crate::built_in::is_lazy;
use crate::calls::{refuse_inner_clauses, refuse_nulls, refuse_quantifier};
use crate::fold::{constant, literal, negation};
use crate::function_names::{REFUSED, RefusedForm, refused_form};
use crate::functions_of_others::instead_of;
use crate::over::OVER_ONLY;
use crate::report::Bind;
use crate::rewrites::REWRITES;
use crate::suggest::nearest;

/// An array of JSON within a text column.
struct JsonArray {
    /// The column.
    root: Expr,
    /// From there.
    path: String,
    /// What its elements are read as; an array where they are arrays.
    element: DataType,
}

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
            Sql::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut parts = vec![expr.as_ref(), overlay_what, overlay_from];
                parts.extend(overlay_for.as_deref());
                let arguments = self.bind_all(&parts)?;
                self.built_in(Function::Overlay, "OVERLAY", arguments, span)
            }
            Sql::IsJson { expr: operand, kind, unique_keys: None, negated } => {
                let kind = kind.as_ref().map_or_else(|| "VALUE".to_owned(), ToString::to_string);
                let kind = constant(Scalar::Varchar(kind), span);
                let operand = self.bind_flexible(operand)?;
                let arguments = vec![operand, Bound { expr: kind, flex: Flex::Fixed }];
                let is_json = self.built_in(Function::IsJson, "IS JSON", arguments, span)?;
                Ok(if *negated { negation(is_json, span) } else { is_json })
            }
            Sql::CompoundFieldAccess { root, access_chain } => {
                self.bind_subscripts(root, access_chain, span)
            }
            Sql::Array(ast::Array { elem, .. }) if !elem.is_empty() => {
                let elements: Vec<&ast::Expr> = elem.iter().collect();
                let arguments = self.bind_all(&elements)?;
                self.built_in(Function::ArrayValue, "ARRAY", arguments, span)
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

    /// `a[n]` and `a[from:to]`.
    fn bind_subscripts(
        &mut self,
        root: &ast::Expr,
        chain: &[ast::AccessExpr],
        span: Span,
    ) -> Bind<Expr> {
        // `a.b[1]` is an element of the member.
        let mut chain = chain;
        let mut parts: Vec<ast::Ident> = match root {
            ast::Expr::Identifier(ident) => vec![ident.clone()],
            ast::Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        while let (false, [ast::AccessExpr::Dot(ast::Expr::Identifier(part)), rest @ ..]) =
            (parts.is_empty(), chain)
        {
            parts.push(part.clone());
            chain = rest;
        }
        let mut at = match parts.len() {
            0 | 1 => self.bind(root)?,
            _ => self.bind(&ast::Expr::CompoundIdentifier(parts))?,
        };
        let mut within: Option<JsonArray> = None;
        for access in chain {
            let of = Bound { expr: at, flex: Flex::Fixed };
            let place = |bound: Option<Bound>, otherwise: i64| {
                let expr = constant(Scalar::BigInt(otherwise), span);
                bound.unwrap_or(Bound { expr, flex: Flex::Integer })
            };
            at = match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    if let Some(array) = within.take().or_else(|| self.json_array(&of.expr)) {
                        (at, within) = self.json_element(array, index, span)?;
                        continue;
                    }
                    let index = self.bind_flexible(index)?;
                    if of.expr.data_type == DataType::Varchar {
                        let arguments = vec![of, index, place(None, 1)];
                        at = self.built_in(Function::Substring, "[ ]", arguments, span)?;
                        continue;
                    }
                    self.built_in(Function::ArrayElement, "[ ]", vec![of, index], span)?
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    stride: None,
                }) => {
                    let mut end = |bound: &Option<ast::Expr>| {
                        bound.as_ref().map(|bound| self.bind_flexible(bound)).transpose()
                    };
                    let ends = (end(lower_bound)?, end(upper_bound)?);
                    let ends = [place(ends.0, 1), place(ends.1, -1)];
                    let arguments = std::iter::once(of).chain(ends).collect();
                    self.built_in(Function::ArraySlice, "[ : ]", arguments, span)?
                }
                ast::AccessExpr::Subscript(_) => {
                    return self.session.fail(span, "not supported: a slice with a step");
                }
                ast::AccessExpr::Dot(_) => {
                    let message = "not supported: access to a field of a STRUCT";
                    let hint = "of JSON, text ->> '$[0].name' reads a value; elements count from 0";
                    return self.session.fail_with(span, message, hint);
                }
            };
        }
        Ok(at)
    }

    /// A text column that is JSON arrays.
    fn json_array(&self, of: &Expr) -> Option<JsonArray> {
        let ExprKind::Column { index, .. } = of.kind else { return None };
        let element = self.scope.json_arrays.get(&index)?;
        Some(JsonArray { root: of.clone(), path: "$".to_owned(), element: element.clone() })
    }

    /// `a[n]` of JSON arrays: the element, of the type that was seen of it, as of an array; and, where it is an array again, that.
    fn json_element(
        &mut self,
        array: JsonArray,
        index: &ast::Expr,
        span: Span,
    ) -> Bind<(Expr, Option<JsonArray>)> {
        let JsonArray { root, path, element } = array;
        let bound = self.bind(index)?;
        let number = integer_value(&bound);
        let Some(number) = number.filter(|&number| number != 0) else {
            let message = "an element of a JSON array goes by a constant number, from 1 or negative from the end";
            let hint = "JSON_EXTRACT_STRING(text, n) takes any number, from 0";
            return self.session.fail_with(bound.span, message, hint);
        };
        let place = if number > 0 { number - 1 } else { number };
        let path = format!("{path}[{place}]");
        let arguments = vec![root.clone(), constant(Scalar::Varchar(path.clone()), bound.span)];
        let text = self.call(Function::JsonExtractString, arguments, DataType::Varchar, span)?;
        match element {
            DataType::Array(inner) => Ok((text, Some(JsonArray { root, path, element: *inner }))),
            element => Ok((self.read(text, &element, true)?, None)),
        }
    }

    pub(crate) fn bind_all(&mut self, exprs: &[&ast::Expr]) -> Bind<Vec<Bound>> {
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
            CeilFloorKind::DateTimeField(unit) => {
                let unit = unit.to_string().to_lowercase();
                let arguments = self.bind_all(&[operand])?;
                if function != Function::Floor {
                    let message =
                        format!("not supported: CEIL of a time TO {}", unit.to_uppercase());
                    let hint = format!(
                        "DATE_TRUNC('{unit}', time) + INTERVAL '1' {} is the end of what it lies in",
                        unit.to_uppercase()
                    );
                    return self.session.fail_with(span, message, hint);
                }
                // Flink's way to write it.
                let expr = constant(Scalar::Varchar(unit), span);
                let unit = Bound { expr, flex: Flex::Text };
                let arguments = std::iter::once(unit).chain(arguments).collect();
                return self.built_in(Function::DateTrunc, "FLOOR", arguments, span);
            }
            CeilFloorKind::Scale(_) => {
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
        if let Some(bound) = self.bind_json_clauses(call, &name, span) {
            return bound;
        }
        if let Some(cast) = returning_cast(call, &name) {
            return self.bind(&cast);
        }
        let upper = name.to_uppercase();
        if *uses_odbc_syntax || *parameters != FunctionArguments::None {
            return self.session.fail(span, format!("not supported: this form of {upper}"));
        }
        let list = match args {
            FunctionArguments::List(list) => Some(list),
            FunctionArguments::None => None,
            FunctionArguments::Subquery(_) => {
                return self.session.fail(span, "not supported: a subquery as an argument");
            }
        };
        if let Some(window) = over {
            if !within_group.is_empty() {
                let at = self.session.place(&["WITHIN", "GROUP"], span);
                let message = format!("not supported: WITHIN GROUP of {upper} OVER");
                return self.session.fail(at, message);
            }
            let (filter, nulls) = (filter.as_deref(), *null_treatment);
            let around = AroundCall { within_group: &[], filter, nulls };
            return self.bind_over(&name, span, list, around, window);
        }
        if OVER_ONLY.contains(&name.as_str()) {
            let hint = format!("write {upper}(…) OVER (PARTITION BY key ORDER BY time)");
            return self.session.fail_with(span, format!("{upper} needs OVER (…)"), hint);
        }
        if let Some(aggregate) = Aggregate::by_name(&name) {
            let (filter, nulls) = (filter.as_deref(), *null_treatment);
            let around = AroundCall { within_group, filter, nulls };
            return self.bind_aggregate(aggregate, &upper, span, list, around);
        }
        if let Some(nulls) = null_treatment {
            return refuse_nulls(self.session, *nulls, &upper, span);
        }
        if let Some(user) = self.session.catalog.aggregates.get(&name) {
            let (user, filter) = (Arc::clone(user), filter.as_deref());
            let around = AroundCall { within_group, filter, nulls: None };
            return self.bind_user_aggregate(user, &upper, span, list, around);
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
            return self.bind_user(user, upper, arguments, span);
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
        if let Some((_, least, most, rewrite)) = REWRITES.iter().find(|row| row.0 == name) {
            self.check_count((*least, Some(*most)), upper, arguments.len(), span)?;
            return self.rewritten(rewrite, upper, arguments, span);
        }
        let Some(function) = Function::by_name(name) else {
            return self.unknown_function(name, upper, span);
        };
        let signatures = function.signatures();
        if !signatures.iter().any(|signature| signature.takes(arguments.len())) {
            let least = signatures.iter().map(|signature| signature.needed).min().unwrap_or(0);
            let most = signatures.iter().map(Signature::most).collect::<Option<Vec<usize>>>();
            let most = most.and_then(|most| most.into_iter().max());
            self.check_count((least, most), upper, arguments.len(), span)?;
            let message = format!("{upper} does not take {} arguments", arguments.len());
            return self.session.fail(span, message);
        }
        let mut bound = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let takes_unit = |signature: &Signature| {
                signature.takes(arguments.len()) && signature.kind(index).is_unit()
            };
            if let Some(unit) = unit_word(argument).filter(|_| signatures.iter().any(takes_unit)) {
                let span = self.session.span(unit.span);
                let expr = constant(Scalar::Varchar(unit.value.clone()), span);
                bound.push(Ok(Bound { expr, flex: Flex::Text }));
                continue;
            }
            let skippable = usize::from(is_lazy(function) && index > 0);
            self.laziness += skippable;
            bound.push(self.bind_flexible(argument));
            self.laziness -= skippable;
        }
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        self.built_in(function, upper, bound, span)
    }

    /// That a number of arguments is one of those from the fewest to the most.
    fn check_count(
        &mut self,
        (least, most): (usize, Option<usize>),
        upper: &str,
        given: usize,
        span: Span,
    ) -> Bind<()> {
        if given >= least && most.is_none_or(|most| given <= most) {
            return Ok(());
        }
        let takes = match most {
            None => format!("at least {least}"),
            Some(most) if most == least => format!("{least}"),
            Some(most) => format!("{least} to {most}"),
        };
        let s = if takes == "1" || takes == "at least 1" { "" } else { "s" };
        self.session.fail(span, format!("{upper} takes {takes} argument{s}, not {given}"))
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
        let built_in = built_in.chain(REWRITES.iter().map(|row| row.0));
        let users = self.session.catalog.functions.keys().map(String::as_str);
        let aggregates = Aggregate::all().flat_map(Aggregate::names).copied();
        let mut known: Vec<&str> = aggregates.chain(built_in).collect();
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

/// A word that may be a unit of time: `DATE_DIFF(day, a, b)`. Where a unit is taken, no column can stand.
fn unit_word(argument: &ast::Expr) -> Option<&ast::Ident> {
    match argument {
        ast::Expr::Identifier(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// `JSON_VALUE(… RETURNING type)` as the `CAST` that it is.
fn returning_cast(call: &ast::Function, name: &str) -> Option<ast::Expr> {
    if name != "json_value" {
        return None;
    }
    let mut call = call.clone();
    let FunctionArguments::List(list) = &mut call.args else { return None };
    let place = list
        .clauses
        .iter()
        .position(|clause| matches!(clause, ast::FunctionArgumentClause::JsonReturningClause(_)))?;
    let ast::FunctionArgumentClause::JsonReturningClause(returning) = list.clauses.remove(place)
    else {
        return None;
    };
    Some(ast::Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(ast::Expr::Function(call)),
        data_type: returning.data_type,
        format: None,
    })
}
