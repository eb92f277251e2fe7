//! Operators between two operands and before one: arithmetic, comparison, truth, `||`.

use sqlparser::ast::{self, BinaryOperator, UnaryOperator};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::advice;
use crate::bind_expr::{Bound, ExprBinder, Flex, leftmost_span};
use crate::coercion::{decimal_result, decimal_shape, is_ordered};
use crate::fold::{conjunction, constant, disjunction, literal, negation};
use crate::literal;
use crate::position::union;
use crate::report::Bind;
use crate::spelling::instead_of_operator;

impl ExprBinder<'_, '_, '_> {
    /// A binary operator; chains of `AND` and `OR` without recursion.
    pub(crate) fn bind_binary(&mut self, expr: &ast::Expr) -> Bind<Bound> {
        let ast::Expr::BinaryOp { left, op, right } = expr else {
            return self.session.fail(Span::default(), "not an operator");
        };
        let fixed = |expr: Expr| Bound { expr, flex: Flex::Fixed };
        let op = match op {
            BinaryOperator::And | BinaryOperator::Or => {
                return self.bind_chain(expr, op).map(fixed);
            }
            BinaryOperator::StringConcat => return self.bind_concat(left, right).map(fixed),
            operator if let Some(function) = function_of(operator) => {
                let arguments = self.bind_all(&[left, right])?;
                let ends = arguments.iter().map(|bound| bound.expr.span);
                let span = ends.fold(Span::default(), union);
                let symbol = operator.to_string();
                return self.built_in(function, &symbol, arguments, span).map(fixed);
            }
            BinaryOperator::Plus => BinaryOp::Add,
            BinaryOperator::Minus => BinaryOp::Subtract,
            BinaryOperator::Multiply => BinaryOp::Multiply,
            // `//` of integers leaves the fraction out, as `/` does here.
            BinaryOperator::Divide | BinaryOperator::DuckIntegerDivide => BinaryOp::Divide,
            BinaryOperator::Modulo => BinaryOp::Modulo,
            BinaryOperator::Eq => BinaryOp::Equal,
            BinaryOperator::NotEq => BinaryOp::NotEqual,
            BinaryOperator::Lt => BinaryOp::Less,
            BinaryOperator::LtEq => BinaryOp::LessOrEqual,
            BinaryOperator::Gt => BinaryOp::Greater,
            BinaryOperator::GtEq => BinaryOp::GreaterOrEqual,
            other => {
                let span = self.session.span(leftmost_span(expr));
                let text = other.to_string();
                return self.refuse_operator(&text, span);
            }
        };
        let (left_tree, right_tree) = (left, right);
        let left = self.bind_flexible(left);
        let right = self.bind_flexible(right);
        if op.is_comparison() {
            self.advise_quotes(left.as_ref().ok(), right_tree);
            self.advise_quotes(right.as_ref().ok(), left_tree);
        }
        let (left, right) = (left?, right?);
        if op.is_comparison() {
            return self.comparison(op, left, right).map(fixed);
        }
        let flex = literal_arithmetic(op, &left, &right);
        let expr = self.arithmetic(op, left, right)?;
        let holds = match (&flex, literal(&expr)) {
            (Flex::Integer, Some(value)) => value.data_type().is_integer(),
            (Flex::Point(_), Some(Scalar::Double(_))) => true,
            _ => false,
        };
        Ok(Bound { expr, flex: if holds { flex } else { Flex::Fixed } })
    }

    /// `symbol = ACME`: a name that is no column, beside text, was most likely meant to be text.
    fn advise_quotes(&mut self, text: Option<&Bound>, name: &ast::Expr) {
        let is_text = text.is_some_and(|bound| bound.expr.data_type == DataType::Varchar);
        let ast::Expr::Identifier(ident) = name else { return };
        if !is_text || ident.quote_style.is_some() {
            return;
        }
        let span = self.session.span(ident.span);
        let meant = format!("text stands in single quotes: '{}'", ident.value);
        self.session.report.hint_first(span, &meant);
    }

    /// The terms of `a AND b AND …`, which `sqlparser` nests to the left.
    fn bind_chain(&mut self, expr: &ast::Expr, chained: &BinaryOperator) -> Bind<Expr> {
        let mut terms = Vec::new();
        let mut at = expr;
        loop {
            match at {
                ast::Expr::BinaryOp { left, op, right } if op == chained => {
                    terms.push(right.as_ref());
                    at = left;
                }
                ast::Expr::Nested(inner) if is_operator(inner, chained) => at = inner,
                _ => break,
            }
        }
        terms.push(at);
        let what = if *chained == BinaryOperator::And { "AND" } else { "OR" };
        let mut bound = Vec::with_capacity(terms.len());
        for (index, term) in terms.into_iter().rev().enumerate() {
            // A later term may never be evaluated.
            self.laziness += usize::from(index > 0);
            let term = self.bind_flexible(term);
            let term = term.and_then(|term| self.adapt(term, &DataType::Boolean, what));
            self.laziness -= usize::from(index > 0);
            bound.push(term);
        }
        let bound = bound.into_iter().collect::<Bind<Vec<Expr>>>()?;
        let span = bound.iter().fold(Span::default(), |all, term| union(all, term.span));
        Ok(match chained {
            BinaryOperator::And => conjunction(bound, span),
            _ => disjunction(bound, span),
        })
    }

    /// `a || b`: text with anything that can be shown as text.
    fn bind_concat(&mut self, left: &ast::Expr, right: &ast::Expr) -> Bind<Expr> {
        let left = self.bind_flexible(left);
        let right = self.bind_flexible(right);
        let (left, right) = (left?, right?);
        let span = union(left.expr.span, right.expr.span);
        let is_text = |bound: &Bound| bound.expr.data_type == DataType::Varchar;
        if !is_text(&left) && !is_text(&right) && left.flex != Flex::Null {
            let (l, r) = (&left.expr.data_type, &right.expr.data_type);
            let message = format!("|| joins text, but these are {l} and {r}");
            return self.session.fail(span, message);
        }
        let mut arguments = Vec::new();
        for bound in [left, right] {
            arguments.push(match bound.flex {
                Flex::Null => constant(Scalar::Null(DataType::Varchar), bound.expr.span),
                _ => self.cast(bound.expr, &DataType::Varchar, false)?,
            });
        }
        // `a || b || c` is one call.
        if let ExprKind::Call { function: Function::ConcatOperator, arguments: inner } =
            &mut arguments[0].kind
        {
            let mut all = std::mem::take(inner);
            all.extend(arguments.drain(1..));
            arguments = all;
        }
        self.call(Function::ConcatOperator, arguments, DataType::Varchar, span)
    }

    /// A comparison of two operands, once they have one type.
    pub(crate) fn comparison(&mut self, op: BinaryOp, left: Bound, right: Bound) -> Bind<Expr> {
        let span = union(left.expr.span, right.expr.span);
        let (l, r) = (left.expr.data_type.clone(), right.expr.data_type.clone());
        let pair = vec![left, right];
        let Ok(common) = crate::bind_expr::supertype(&pair) else {
            let message = format!("cannot compare {l} {} {r}", op.symbol());
            let hint = advice::comparison(&pair[0].expr, &pair[1].expr);
            return self.session.fail_with(span, message, hint);
        };
        if !is_ordered(&common) {
            return self.session.fail(span, format!("values of {common} do not compare"));
        }
        let (mut operands, _) = self.adapt_all(pair, op.symbol())?;
        let right = Box::new(operands.remove(1));
        let left = Box::new(operands.remove(0));
        let kind = ExprKind::Binary { op, left, right };
        self.finish(Expr { kind, data_type: DataType::Boolean, span })
    }

    /// Arithmetic, with the casts and the result type it needs.
    pub(crate) fn arithmetic(&mut self, op: BinaryOp, left: Bound, right: Bound) -> Bind<Expr> {
        use DataType::{Date, Decimal, Interval, Timestamp};
        let span = union(left.expr.span, right.expr.span);
        let types = (left.expr.data_type.clone(), right.expr.data_type.clone());
        let is_null = left.flex == Flex::Null || right.flex == Flex::Null;
        let has_time =
            [&types.0, &types.1].iter().any(|t| matches!(t, Date | Timestamp | Interval));
        if has_time && !is_null {
            return self.temporal(op, left.expr, right.expr, span);
        }
        let (left_number, right_number) = (
            types.0.is_numeric() || left.flex == Flex::Null,
            types.1.is_numeric() || right.flex == Flex::Null,
        );
        let is_decimal = matches!(types.0, Decimal { .. }) || matches!(types.1, Decimal { .. });
        if is_null && has_time {
            return Ok(constant(Scalar::Null(Timestamp), span));
        }
        if !left_number || !right_number {
            let message = format!("no operator {} {} {}", types.0, op.symbol(), types.1);
            let hint = advice::arithmetic(op, &left.expr, &right.expr);
            return Err(self.session.report.add(span, message, Some(hint)));
        }
        if is_decimal
            && !is_null
            && let Some(expr) = self.decimal_arithmetic(op, &left, &right, span)
        {
            return expr;
        }
        let (mut operands, data_type) = self.adapt_all(vec![left, right], op.symbol())?;
        let right = Box::new(operands.remove(1));
        let left = Box::new(operands.remove(0));
        let data_type = match decimal_shape(&data_type) {
            Some(shape) if matches!(data_type, Decimal { .. }) => {
                decimal_result(op, shape, shape).unwrap_or(data_type)
            }
            _ => data_type,
        };
        self.finish(Expr { kind: ExprKind::Binary { op, left, right }, data_type, span })
    }

    /// Arithmetic of two exact numbers, each with its own scale; `None` if one is a float.
    fn decimal_arithmetic(
        &mut self,
        op: BinaryOp,
        left: &Bound,
        right: &Bound,
        span: Span,
    ) -> Option<Bind<Expr>> {
        let (left, right) = (exact(left)?, exact(right)?);
        let shapes = (decimal_shape(&left.data_type)?, decimal_shape(&right.data_type)?);
        let Some(data_type) = decimal_result(op, shapes.0, shapes.1) else {
            let (l, r) = (&left.data_type, &right.data_type);
            let message =
                format!("the result of {l} {} {r} has more than 38 decimal places", op.symbol());
            let hint = "convert one side to a smaller scale or to DOUBLE";
            return Some(self.session.fail_with(span, message, hint));
        };
        let mut as_decimal = |expr: Expr, (precision, scale): (u8, u8)| {
            self.cast(expr, &DataType::Decimal { precision, scale }, false)
        };
        let left = as_decimal(left, shapes.0);
        let right = as_decimal(right, shapes.1);
        Some(left.and_then(|left| {
            let kind = ExprKind::Binary { op, left: Box::new(left), right: Box::new(right?) };
            self.finish(Expr { kind, data_type, span })
        }))
    }

    /// Arithmetic of dates, timestamps and intervals.
    fn temporal(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Bind<Expr> {
        use BinaryOp::{Add, Multiply, Subtract};
        use DataType::{Date, Interval, Timestamp};
        let types = (left.data_type.clone(), right.data_type.clone());
        let counts = (types.0.is_integer(), types.1.is_integer());
        let function = match (op, &types.0, &types.1) {
            (Subtract, Date, Date) => Some((Function::DaysBetween, DataType::BigInt)),
            (Add, Date, _) | (Add, _, Date) if counts.0 || counts.1 => {
                Some((Function::AddDays, Date))
            }
            (Subtract, Date, _) if counts.1 => Some((Function::SubtractDays, Date)),
            (Multiply, Interval, _) | (Multiply, _, Interval) if counts.0 || counts.1 => {
                Some((Function::SpanTimes, Interval))
            }
            _ => None,
        };
        if let Some((function, data_type)) = function {
            // The number stands behind, whatever the order.
            let operands = if counts.0 { [right, left] } else { [left, right] };
            let mut arguments = Vec::with_capacity(2);
            for operand in operands {
                let is_count = operand.data_type.is_integer();
                arguments.push(match is_count {
                    true => self.cast(operand, &DataType::BigInt, false)?,
                    false => operand,
                });
            }
            return self.call(function, arguments, data_type, span);
        }
        let data_type = match (op, &types.0, &types.1) {
            (Add | Subtract, Timestamp | Date, Interval) | (Add, Interval, Timestamp | Date) => {
                Timestamp
            }
            (Subtract, Timestamp, Timestamp | Date) | (Subtract, Date, Timestamp) => Interval,
            (Add | Subtract, Interval, Interval) => Interval,
            _ => {
                let message = format!("no operator {} {} {}", types.0, op.symbol(), types.1);
                let hint = match (&types.0, &types.1) {
                    (_, DataType::Varchar) | (DataType::Varchar, _) => {
                        "write INTERVAL '…' or TIMESTAMP '…' before the text"
                    }
                    _ => "time takes + and - with an INTERVAL, such as INTERVAL '1' DAY",
                };
                return self.session.fail_with(span, message, hint);
            }
        };
        let mut widened = Vec::new();
        for operand in [left, right] {
            widened.push(match operand.data_type {
                Date => self.cast(operand, &Timestamp, false)?,
                _ => operand,
            });
        }
        let right = Box::new(widened.remove(1));
        let left = Box::new(widened.remove(0));
        self.finish(Expr { kind: ExprKind::Binary { op, left, right }, data_type, span })
    }

    /// `-x`, `+x`, `NOT x`.
    pub(crate) fn bind_unary(
        &mut self,
        op: UnaryOperator,
        operand: &ast::Expr,
        whole: &ast::Expr,
    ) -> Bind<Bound> {
        let bound = self.bind_flexible(operand)?;
        match op {
            UnaryOperator::Not => {
                let operand = self.adapt(bound, &DataType::Boolean, "NOT")?;
                let span = operand.span;
                let is_null = literal(&operand).is_some_and(Scalar::is_null);
                let expr = if is_null { operand } else { negation(operand, span) };
                Ok(Bound { expr, flex: Flex::Fixed })
            }
            UnaryOperator::Plus if bound.expr.data_type.is_numeric() => Ok(bound),
            UnaryOperator::Minus => self.negate(bound),
            UnaryOperator::BitwiseNot => {
                let span = bound.expr.span;
                let expr = self.built_in(Function::BitNot, "~", vec![bound], span)?;
                Ok(Bound { expr, flex: Flex::Fixed })
            }
            UnaryOperator::Plus => {
                let message = format!("no operator + {}", bound.expr.data_type);
                self.session.fail(bound.expr.span, message)
            }
            other => {
                let span = self.session.span(leftmost_span(whole));
                // The operator stands before its operand.
                let at = self.session.place_before(&[&other.to_string()], span);
                self.refuse_operator(&other.to_string(), at)
            }
        }
    }

    /// An operator of another dialect, at or behind `from`.
    fn refuse_operator<T>(&mut self, text: &str, from: Span) -> Bind<T> {
        let at = self.session.place(&[text], from);
        let hint = instead_of_operator(text).map(str::to_owned);
        let message = format!("not supported: the operator {text}");
        Err(self.session.report.add(at, message, hint))
    }

    fn negate(&mut self, bound: Bound) -> Bind<Bound> {
        let Bound { expr, flex } = bound;
        let span = expr.span;
        let negated = match (&flex, literal(&expr)) {
            (Flex::Null, _) => return Ok(Bound { expr, flex }),
            (Flex::Integer, Some(value)) => literal::integer(&format!("-{value}")),
            (Flex::Point(_), Some(Scalar::Double(value))) => Some(Scalar::Double(-value)),
            (_, Some(Scalar::Decimal { value, precision, scale })) => {
                // The magnitude of the least BIGINT is a DECIMAL until its sign is known.
                match i64::try_from(-value) {
                    Ok(least) if *scale == 0 && least == i64::MIN => Some(Scalar::BigInt(least)),
                    _ => Some(Scalar::Decimal {
                        value: -value,
                        precision: *precision,
                        scale: *scale,
                    }),
                }
            }
            (_, Some(Scalar::Interval { months, days, nanos })) => {
                let parts = (months.checked_neg(), days.checked_neg(), nanos.checked_neg());
                match parts {
                    (Some(months), Some(days), Some(nanos)) => {
                        Some(Scalar::Interval { months, days, nanos })
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(value) = negated {
            let flex = match flex {
                Flex::Point(text) => match text.strip_prefix('-') {
                    Some(text) => Flex::Point(text.to_owned()),
                    None => Flex::Point(format!("-{text}")),
                },
                other => other,
            };
            return Ok(Bound { expr: constant(value, span), flex });
        }
        let data_type = expr.data_type.clone();
        if !data_type.is_numeric() && data_type != DataType::Interval {
            return self.session.fail(span, format!("no operator - {data_type}"));
        }
        let kind = ExprKind::Unary { op: UnaryOp::Negate, operand: Box::new(expr) };
        let expr = self.finish(Expr { kind, data_type, span })?;
        Ok(Bound { expr, flex: Flex::Fixed })
    }
}

/// How freely the result of arithmetic is still typed: a constant made of literals adapts as one of
/// them would, `0.06 - 0.01` as `0.05`.
fn literal_arithmetic(op: BinaryOp, left: &Bound, right: &Bound) -> Flex {
    let digits = |bound: &Bound| match &bound.flex {
        Flex::Integer => {
            literal::decimal(&crate::bind_expr::integer_value(&bound.expr)?.to_string())
        }
        Flex::Point(text) => literal::decimal(text),
        Flex::Fixed | Flex::Null | Flex::Text => None,
    };
    if left.flex == Flex::Integer && right.flex == Flex::Integer {
        return Flex::Integer;
    }
    match (digits(left), digits(right)) {
        (Some(left), Some(right)) => {
            let exact = literal::exact_arithmetic(op, &left, &right);
            exact.map_or(Flex::Fixed, |exact| Flex::Point(exact.to_string()))
        }
        _ => Flex::Fixed,
    }
}

/// The function that an operator is.
fn function_of(operator: &BinaryOperator) -> Option<Function> {
    Some(match operator {
        BinaryOperator::BitwiseAnd => Function::BitAnd,
        BinaryOperator::BitwiseOr => Function::BitOr,
        BinaryOperator::PGBitwiseShiftLeft => Function::ShiftLeft,
        BinaryOperator::PGBitwiseShiftRight => Function::ShiftRight,
        // `^`, which is no operator of bits here.
        BinaryOperator::BitwiseXor => Function::Power,
        BinaryOperator::Arrow => Function::JsonExtract,
        BinaryOperator::LongArrow => Function::JsonExtractString,
        _ => return None,
    })
}

fn is_operator(expr: &ast::Expr, expected: &BinaryOperator) -> bool {
    matches!(expr, ast::Expr::BinaryOp { op, .. } if op == expected)
        || matches!(expr, ast::Expr::Nested(inner) if is_operator(inner, expected))
}

/// An exact number: decimals and integers as they are, literals with the digits they have.
fn exact(bound: &Bound) -> Option<Expr> {
    let span = bound.expr.span;
    match &bound.flex {
        Flex::Integer => {
            let value = crate::bind_expr::integer_value(&bound.expr)?;
            Some(constant(literal::decimal(&value.to_string())?, span))
        }
        Flex::Point(text) => Some(constant(literal::decimal(text)?, span)),
        _ => decimal_shape(&bound.expr.data_type).map(|_| bound.expr.clone()),
    }
}
