//! Syntax trees of expressions to typed expressions: the walk, names, literals and casts.
//!
//! Operators are in `bind_operators`, functions in `functions`, aggregates in `aggregates`.

use std::collections::HashMap;

use sqlparser::ast::{self, Spanned, Value};
use tidemill_plan::{Expr, ExprKind, Function, Scalar, Span};
use tidemill_record::DataType;

use crate::advice::cast_of;
use crate::aggregates::AggregateCalls;
use crate::coercion::{is_castable, unify};
use crate::equality::node_count;
use crate::fold::{constant, folded};
use crate::literal;
use crate::over::OverCalls;
use crate::parse::fold_name;
use crate::position::union;
use crate::report::Bind;
use crate::scan::PATH_QUOTE;
use crate::scope::{Scope, Session};
use crate::spelling::PLAIN;
use crate::syntax::Name;

/// Deepest expression: the plan's readers recurse too.
const DEPTH_MAX: usize = 300;

/// Aliases that stand for one another in a row.
const ALIAS_DEPTH_MAX: usize = 16;

/// A bound expression, and how freely its type may still be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) expr: Expr,
    pub(crate) flex: Flex,
}

/// Literals take the type of what they meet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Flex {
    /// Not a literal: only the widening casts.
    Fixed,
    /// NULL: any type.
    Null,
    /// A string: any type it can be read as.
    Text,
    /// An integer: any numeric type that holds it.
    Integer,
    /// A number with a point or an exponent, as written: `DOUBLE`, unless it meets another.
    Point(String),
}

/// What may be named besides columns.
pub(crate) type Aliases<'q> = HashMap<String, &'q ast::Expr>;

/// Binds expressions over one scope.
pub(crate) struct ExprBinder<'b, 'a, 'q> {
    pub(crate) session: &'b mut Session<'a>,
    pub(crate) scope: &'b Scope,
    /// Aliases of the SELECT list, where they may be used.
    pub(crate) aliases: Option<&'b Aliases<'q>>,
    /// Where aggregates go; `None` where none may stand.
    pub(crate) aggregates: Option<&'b mut AggregateCalls>,
    /// Where analytic functions go; `None` where none may stand.
    pub(crate) overs: Option<&'b mut OverCalls>,
    /// The clause, for messages.
    pub(crate) clause: &'static str,
    /// How deep the walk is.
    pub(crate) depth: usize,
    /// In how many aliases.
    pub(crate) alias_depth: usize,
    /// In how many constructs that may never evaluate what is inside.
    pub(crate) laziness: usize,
}

impl<'b, 'a, 'q> ExprBinder<'b, 'a, 'q> {
    /// A binder for a clause without aggregates or aliases.
    pub(crate) fn new(
        session: &'b mut Session<'a>,
        scope: &'b Scope,
        clause: &'static str,
    ) -> Self {
        Self {
            session,
            scope,
            aliases: None,
            alias_depth: 0,
            aggregates: None,
            overs: None,
            clause,
            depth: 0,
            laziness: 0,
        }
    }

    /// Binds an expression with the type it has by itself.
    pub(crate) fn bind(&mut self, expr: &ast::Expr) -> Bind<Expr> {
        Ok(self.bind_flexible(expr)?.expr)
    }

    /// Binds a condition.
    pub(crate) fn bind_condition(&mut self, expr: &ast::Expr) -> Bind<Expr> {
        let bound = self.bind_flexible(expr)?;
        self.adapt(bound, &DataType::Boolean, self.clause)
    }

    /// Binds an expression whose type its surroundings may still choose.
    pub(crate) fn bind_flexible(&mut self, expr: &ast::Expr) -> Bind<Bound> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            let span = self.session.span(leftmost_span(expr));
            return self.session.fail_with(
                span,
                format!("the expression nests deeper than {DEPTH_MAX} levels"),
                "compute parts of it in a subquery",
            );
        }
        let bound = self.session.spend(1, Span::default()).and_then(|()| self.bind_node(expr));
        self.depth -= 1;
        bound
    }

    fn bind_node(&mut self, expr: &ast::Expr) -> Bind<Bound> {
        use ast::Expr as Sql;
        let fixed = match expr {
            Sql::Nested(inner) => return self.bind_flexible(inner),
            Sql::Value(value) => return self.bind_value(value),
            Sql::Identifier(ident) => return self.bind_identifier(ident),
            Sql::UnaryOp { op, expr: operand } => return self.bind_unary(*op, operand, expr),
            Sql::CompoundIdentifier(parts) => self.bind_qualified(parts),
            Sql::BinaryOp { .. } => return self.bind_binary(expr),
            Sql::IsNull(operand)
            | Sql::IsNotNull(operand)
            | Sql::IsTrue(operand)
            | Sql::IsNotTrue(operand)
            | Sql::IsFalse(operand)
            | Sql::IsNotFalse(operand)
            | Sql::IsUnknown(operand)
            | Sql::IsNotUnknown(operand) => self.bind_is(expr, operand),
            Sql::IsDistinctFrom(left, right) => self.bind_distinct(left, right, false),
            Sql::IsNotDistinctFrom(left, right) => self.bind_distinct(left, right, true),
            Sql::InList { expr: operand, list, negated } => {
                self.bind_in_list(operand, list, *negated)
            }
            Sql::Between { expr: operand, negated, low, high } => {
                self.bind_between(operand, low, high, *negated)
            }
            Sql::Like { negated, any, expr: operand, pattern, escape_char } => {
                self.bind_like(operand, pattern, escape_char.as_deref(), *any, [*negated, false])
            }
            Sql::ILike { negated, any, expr: operand, pattern, escape_char } => {
                self.bind_like(operand, pattern, escape_char.as_deref(), *any, [*negated, true])
            }
            Sql::Case { case_token, end_token, operand, conditions, else_result } => {
                let span = self.session.span(case_token.0.span.union(&end_token.0.span));
                self.bind_case(operand.as_deref(), conditions, else_result.as_deref(), span)
            }
            Sql::Cast { kind, expr: operand, data_type, format } => {
                self.bind_cast(kind, operand, data_type, format.as_ref())
            }
            Sql::TypedString(typed) => self.bind_typed_string(typed),
            Sql::Interval(interval) => self.bind_interval(interval),
            _ => self.bind_call(expr),
        };
        Ok(Bound { expr: fixed?, flex: Flex::Fixed })
    }

    fn bind_value(&mut self, value: &ast::ValueWithSpan) -> Bind<Bound> {
        let span = self.session.span(value.span);
        let (scalar, flex) = match &value.value {
            Value::Null => (Scalar::Null(DataType::Integer), Flex::Null),
            Value::Boolean(value) => (Scalar::Boolean(*value), Flex::Fixed),
            Value::SingleQuotedString(text) => (Scalar::Varchar(text.clone()), Flex::Text),
            Value::HexStringLiteral(text) => match literal::hex(text) {
                Some(bytes) => (Scalar::Varbinary(bytes), Flex::Fixed),
                None => return self.session.fail(span, "X'…' takes two hexadecimal digits a byte"),
            },
            Value::Number(text, false) => return self.bind_number(text, span),
            Value::Placeholder(text) => return self.bind_parameter(text, span),
            other => {
                let what = match other {
                    Value::NationalStringLiteral(_) => "N'…'".to_owned(),
                    Value::DollarQuotedString(_) => "$$…$$".to_owned(),
                    other => format!("the literal {other}"),
                };
                let message = format!("not supported: {what}");
                return self.session.fail_with(span, message, PLAIN);
            }
        };
        Ok(Bound { expr: constant(scalar, span), flex })
    }

    fn bind_number(&mut self, text: &str, span: Span) -> Bind<Bound> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match literal::integer(text) {
                Some(value) => {
                    let is_integer = value.data_type().is_integer();
                    let flex = if is_integer { Flex::Integer } else { Flex::Fixed };
                    Ok(Bound { expr: constant(value, span), flex })
                }
                None => self.session.fail(span, "the number has more than 38 digits"),
            };
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Bound {
                expr: constant(Scalar::Double(value), span),
                flex: Flex::Point(text.to_owned()),
            }),
            _ => self.session.fail(span, format!("not a number in the range of DOUBLE: {text}")),
        }
    }

    fn bind_identifier(&mut self, ident: &ast::Ident) -> Bind<Bound> {
        let name = fold_name(ident, self.session.positions);
        if ident.quote_style == Some(PATH_QUOTE) {
            let expr = constant(Scalar::Varchar(name.text), name.span);
            return Ok(Bound { expr, flex: Flex::Text });
        }
        if !self.scope.has(&name) {
            if let Some(alias) = self.aliases.and_then(|aliases| aliases.get(&name.text)) {
                return self.bind_alias(alias, name.span);
            }
            if ident.quote_style.is_none()
                && let Some(expr) = self.bind_bound_name(&name.text, name.span)?
            {
                return Ok(Bound { expr, flex: Flex::Fixed });
            }
            if ident.quote_style.is_none()
                && let Some(expr) = self.bind_niladic(&name.text, name.span)?
            {
                return Ok(Bound { expr, flex: Flex::Fixed });
            }
        }
        let expr = match self.scope.resolve(self.session, None, &name, name.span) {
            Ok(expr) => expr,
            // One that differs in case only is what was meant.
            Err(reported)
                if ident.quote_style == Some('"')
                    && !self.scope.has(&Name::folded(ident.value.clone(), name.span)) =>
            {
                let meant = format!("text stands in single quotes: '{}'", name.text);
                self.session.report.hint_first(name.span, &meant);
                return Err(reported);
            }
            Err(reported) => return Err(reported),
        };
        Ok(Bound { expr, flex: Flex::Fixed })
    }

    /// What an alias stands for, which may name others: those that stand for each other end at the last.
    fn bind_alias(&mut self, alias: &ast::Expr, span: Span) -> Bind<Bound> {
        let aliases = self.aliases;
        if self.alias_depth == ALIAS_DEPTH_MAX {
            self.aliases = None;
        }
        self.alias_depth += 1;
        let bound = self.bind_flexible(alias);
        self.alias_depth -= 1;
        self.aliases = aliases;
        let bound = bound?;
        self.session.spend(node_count(&bound.expr), span)?;
        Ok(bound)
    }

    fn bind_qualified(&mut self, parts: &[ast::Ident]) -> Bind<Expr> {
        let names: Vec<_> =
            parts.iter().map(|part| fold_name(part, self.session.positions)).collect();
        match names.as_slice() {
            [table, column] => {
                let span = union(table.span, column.span);
                self.scope.resolve(self.session, Some(&table.text), column, span)
            }
            _ => {
                let span = names.iter().fold(Span::default(), |all, name| union(all, name.span));
                self.scope.resolve_parts(self.session, &names, span)
            }
        }
    }

    /// An explicit cast.
    pub(crate) fn cast(&mut self, operand: Expr, to: &DataType, is_try: bool) -> Bind<Expr> {
        if operand.data_type == *to {
            return Ok(operand);
        }
        let span = operand.span;
        if !is_castable(&operand.data_type, to) {
            let from = &operand.data_type;
            return self.session.fail(span, format!("no cast from {from} to {to}"));
        }
        let kind = ExprKind::Cast { operand: Box::new(operand), is_try };
        self.finish(Expr { kind, data_type: to.clone(), span })
    }

    /// What a text within a record stands for, as a decoder reads a field.
    pub(crate) fn read(&mut self, text: Expr, to: &DataType, is_inferred: bool) -> Bind<Expr> {
        if text.data_type == *to {
            return Ok(text);
        }
        let span = text.span;
        let kind = ExprKind::Read { operand: Box::new(text), is_inferred };
        self.finish(Expr { kind, data_type: to.clone(), span })
    }

    /// Gives an expression a type without being asked: literals adapt, others only widen.
    pub(crate) fn adapt(&mut self, bound: Bound, to: &DataType, what: &str) -> Bind<Expr> {
        let Bound { expr, flex } = bound;
        if expr.data_type == *to {
            return Ok(expr);
        }
        let (span, from) = (expr.span, expr.data_type.clone());
        match flex {
            Flex::Null => return Ok(constant(Scalar::Null(to.clone()), span)),
            Flex::Text if is_castable(&from, to) => return self.cast(expr, to, false),
            Flex::Integer if to.is_numeric() => return self.cast(expr, to, false),
            Flex::Point(text) if to.is_numeric() && !to.is_integer() => {
                let exact = literal::decimal(&text);
                return match (to, exact) {
                    (DataType::Decimal { .. }, Some(exact)) => {
                        self.cast(constant(exact, span), to, false)
                    }
                    _ => self.cast(expr, to, false),
                };
            }
            _ => {}
        }
        if unify(&from, to).as_ref() == Some(to) {
            return self.cast(expr, to, false);
        }
        let message = format!("{what} takes {to}, but this is {from}");
        let hint = match to {
            DataType::Boolean => {
                Some("a condition compares: column = value, column IS NOT NULL".to_owned())
            }
            _ => is_castable(&from, to)
                .then(|| format!("write {} if it is meant", cast_of(&expr, to))),
        };
        Err(self.session.report.add(span, message, hint))
    }

    /// Gives several expressions their common type.
    pub(crate) fn adapt_all(
        &mut self,
        bounds: Vec<Bound>,
        what: &str,
    ) -> Bind<(Vec<Expr>, DataType)> {
        let common = match supertype(&bounds) {
            Ok(common) => common,
            Err(at) => {
                let found = &bounds[at].expr;
                let (span, found) = (found.span, found.data_type.clone());
                let others = bounds.iter().enumerate().filter(|(i, _)| *i != at);
                let other = others.map(|(_, bound)| &bound.expr.data_type).next();
                let other = other.map_or_else(String::new, |other| format!(" and {other}"));
                let hint = format!(
                    "convert one, for example {}",
                    cast_of(&bounds[at].expr, &DataType::Varchar)
                );
                let message = format!("{what} of different types: {found}{other}");
                return self.session.fail_with(span, message, hint);
            }
        };
        let adapted: Vec<Bind<Expr>> =
            bounds.into_iter().map(|bound| self.adapt(bound, &common, what)).collect();
        Ok((adapted.into_iter().collect::<Bind<Vec<Expr>>>()?, common))
    }

    /// Folds a node whose children are done.
    pub(crate) fn finish(&mut self, expr: Expr) -> Bind<Expr> {
        folded(self.session, expr, self.laziness > 0)
    }

    /// A built-in function's call.
    pub(crate) fn call(
        &mut self,
        function: Function,
        arguments: Vec<Expr>,
        data_type: DataType,
        span: Span,
    ) -> Bind<Expr> {
        let span = arguments.iter().fold(span, |all, argument| union(all, argument.span));
        let kind = ExprKind::Call { function, arguments };
        self.finish(Expr { kind, data_type, span })
    }
}

/// The type that all can take; else the index of the first that does not fit those before it.
pub(crate) fn supertype(bounds: &[Bound]) -> Result<DataType, usize> {
    let mut common: Option<DataType> = None;
    for (at, bound) in bounds.iter().enumerate().filter(|(_, b)| b.flex == Flex::Fixed) {
        let found = &bound.expr.data_type;
        common = Some(match &common {
            None => found.clone(),
            Some(so_far) => unify(so_far, found).ok_or(at)?,
        });
    }
    for (at, bound) in bounds.iter().enumerate() {
        if let Some(needed) = number_type(bound, common.as_ref()) {
            match &common {
                None => common = Some(needed),
                Some(so_far) => common = Some(unify(so_far, &needed).ok_or(at)?),
            }
        }
    }
    let text = bounds.iter().find(|bound| bound.flex == Flex::Text);
    Ok(match (common, text) {
        (Some(common), _) => common,
        (None, Some(_)) => DataType::Varchar,
        (None, None) => DataType::Integer,
    })
}

/// The type a number literal needs among others of a type; `None` for what is not one.
fn number_type(bound: &Bound, among: Option<&DataType>) -> Option<DataType> {
    let is_decimal = matches!(among, Some(DataType::Decimal { .. }));
    match (&bound.flex, among) {
        (Flex::Integer, Some(DataType::Real | DataType::Double)) => among.cloned(),
        (Flex::Integer, Some(integer)) if integer.is_integer() => {
            let value = integer_value(&bound.expr)?;
            let fits = match integer {
                DataType::TinyInt => i8::try_from(value).is_ok(),
                DataType::SmallInt => i16::try_from(value).is_ok(),
                DataType::Integer => i32::try_from(value).is_ok(),
                _ => true,
            };
            Some(if fits { integer.clone() } else { bound.expr.data_type.clone() })
        }
        (Flex::Integer, _) if is_decimal => {
            Some(literal::decimal(&integer_value(&bound.expr)?.to_string())?.data_type())
        }
        (Flex::Integer, _) => Some(bound.expr.data_type.clone()),
        (Flex::Point(_), Some(DataType::Real)) => Some(DataType::Real),
        (Flex::Point(text), _) if is_decimal => {
            Some(literal::decimal(text).map_or(DataType::Double, |exact| exact.data_type()))
        }
        (Flex::Point(_), _) => Some(DataType::Double),
        (Flex::Fixed | Flex::Null | Flex::Text, _) => None,
    }
}

/// The value of an integer constant.
pub(crate) fn integer_value(expr: &Expr) -> Option<i64> {
    match expr.kind {
        ExprKind::Literal(Scalar::TinyInt(value)) => Some(i64::from(value)),
        ExprKind::Literal(Scalar::SmallInt(value)) => Some(i64::from(value)),
        ExprKind::Literal(Scalar::Integer(value)) => Some(i64::from(value)),
        ExprKind::Literal(Scalar::BigInt(value)) => Some(value),
        _ => None,
    }
}

/// Where an expression starts, found without walking all of it: chains are long on the left.
pub(crate) fn leftmost_span(expr: &ast::Expr) -> sqlparser::tokenizer::Span {
    let mut at = expr;
    loop {
        at = match at {
            ast::Expr::BinaryOp { left, .. } => left,
            ast::Expr::Nested(inner)
            | ast::Expr::UnaryOp { expr: inner, .. }
            | ast::Expr::IsNull(inner)
            | ast::Expr::IsNotNull(inner)
            | ast::Expr::Cast { expr: inner, .. } => inner,
            ast::Expr::Value(value) => return value.span,
            other => return other.span(),
        };
    }
}
