//! What names a type: casts, `DATE '…'` and its like, and `INTERVAL`.

use sqlparser::ast::{self, Value};
use tidemill_plan::{Expr, Function, Scalar, Span};
use tidemill_record::DataType;

use crate::bind_expr::{ExprBinder, Flex, leftmost_span};
use crate::fold::constant;
use crate::literal;
use crate::report::Bind;
use crate::types::{NamedType, named_type};

impl ExprBinder<'_, '_, '_> {
    /// `CAST(x AS type)`, `TRY_CAST`, `x::type`.
    pub(crate) fn bind_cast(
        &mut self,
        kind: &ast::CastKind,
        operand: &ast::Expr,
        target: &ast::DataType,
        format: Option<&ast::CastFormat>,
    ) -> Bind<Expr> {
        let bound = self.bind_flexible(operand)?;
        let span = bound.expr.span;
        if format.is_some() {
            let at = self.session.place(&["FORMAT"], span);
            return self.session.fail(at, "not supported: CAST … FORMAT");
        }
        let is_try = match kind {
            ast::CastKind::Cast | ast::CastKind::DoubleColon => false,
            ast::CastKind::TryCast | ast::CastKind::SafeCast => true,
        };
        let NamedType { data_type: target, limit } = self.named_type(target, span)?;
        if bound.flex == Flex::Null {
            return Ok(constant(Scalar::Null(target), span));
        }
        if let (Flex::Point(text), DataType::Decimal { .. }) = (&bound.flex, &target)
            && let Some(exact) = literal::decimal(text)
        {
            return self.cast(constant(exact, span), &target, is_try);
        }
        let cast = self.cast(bound.expr, &target, is_try)?;
        self.cut(cast, limit)
    }

    /// A type by its name, which stands behind `operand`.
    pub(crate) fn named_type(&mut self, name: &ast::DataType, operand: Span) -> Bind<NamedType> {
        named_type(name).map_err(|(message, hint)| {
            let text = name.to_string().to_uppercase();
            let first = text.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            let within = Span { start: operand.end, end: operand.end };
            let at = match self.session.place(&[first.unwrap_or_default()], within) {
                at if at == within => operand,
                at => at,
            };
            self.session.report.add(at, message, hint)
        })
    }

    /// What a cast to `VARCHAR(n)` leaves of text, and one to `TIMESTAMP(p)` of a time.
    fn cut(&mut self, expr: Expr, limit: Option<u32>) -> Bind<Expr> {
        let Some(limit) = limit else { return Ok(expr) };
        let (span, data_type) = (expr.span, expr.data_type.clone());
        let function = match data_type {
            DataType::Varchar => Function::Left,
            _ => Function::RoundTime,
        };
        let limit = constant(Scalar::BigInt(limit.into()), span);
        self.call(function, vec![expr, limit], data_type, span)
    }

    /// `DATE '…'`, `TIMESTAMP '…'`.
    pub(crate) fn bind_typed_string(&mut self, typed: &ast::TypedString) -> Bind<Expr> {
        let ast::TypedString { data_type: name, value, uses_odbc_syntax } = typed;
        let span = self.session.span(value.span);
        let text = match &value.value {
            Value::SingleQuotedString(text) if !uses_odbc_syntax => text.clone(),
            other => {
                return self.session.fail(span, format!("not supported: the literal {other}"));
            }
        };
        let NamedType { data_type: target, limit } = match named_type(name) {
            Ok(target) => target,
            Err((message, hint)) => return Err(self.session.report.add(span, message, hint)),
        };
        let cast = self.cast(constant(Scalar::Varchar(text), span), &target, false)?;
        self.cut(cast, limit)
    }

    /// `INTERVAL '…' unit`
    pub(crate) fn bind_interval(&mut self, interval: &ast::Interval) -> Bind<Expr> {
        let ast::Interval {
            value,
            leading_field,
            leading_precision,
            last_field,
            fractional_seconds_precision,
        } = interval;
        let span = self.session.span(leftmost_span(value));
        if leading_precision.or(*fractional_seconds_precision).is_some() || last_field.is_some() {
            return self.session.fail(span, "not supported: INTERVAL … TO, and precisions");
        }
        let (text, is_negative) = match value.as_ref() {
            ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => (expr.as_ref(), true),
            other => (other, false),
        };
        let text = match text {
            ast::Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) | Value::Number(text, false) => text,
                _ => return self.session.fail(span, "INTERVAL takes a constant in quotes"),
            },
            _ => return self.session.fail(span, "not supported: INTERVAL of a computed amount"),
        };
        let text = if is_negative { format!("-{text}") } else { text.clone() };
        let unit = leading_field.as_ref().map(ToString::to_string);
        match literal::interval(&text, unit.as_deref()) {
            Some(value) => Ok(constant(value, span)),
            None => self.session.fail_with(
                span,
                "not an interval",
                "write INTERVAL '5' SECOND or INTERVAL '1 day 2 hours'",
            ),
        }
    }
}
