//! Operators: arithmetic, comparison, truth, `IN`, `BETWEEN`, `LIKE`, `CASE`.

use sqlparser::ast::{self, BinaryOperator, UnaryOperator};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex, leftmost_span};
use crate::coercion::{decimal_result, decimal_shape, is_ordered};
use crate::fold::{conjunction, constant, disjunction, literal, negation};
use crate::literal;
use crate::position::union;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
    /// A binary operator; chains of `AND` and `OR` without recursion.
    pub(crate) fn bind_binary(&mut self, expr: &ast::Expr) -> Bind<Expr> {
        let ast::Expr::BinaryOp { left, op, right } = expr else {
            return self.session.fail(Span::default(), "not an operator");
        };
        let op = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.bind_chain(expr, op),
            BinaryOperator::StringConcat => return self.bind_concat(left, right),
            BinaryOperator::Plus => BinaryOp::Add,
            BinaryOperator::Minus => BinaryOp::Subtract,
            BinaryOperator::Multiply => BinaryOp::Multiply,
            BinaryOperator::Divide => BinaryOp::Divide,
            BinaryOperator::Modulo => BinaryOp::Modulo,
            BinaryOperator::Eq => BinaryOp::Equal,
            BinaryOperator::NotEq => BinaryOp::NotEqual,
            BinaryOperator::Lt => BinaryOp::Less,
            BinaryOperator::LtEq => BinaryOp::LessOrEqual,
            BinaryOperator::Gt => BinaryOp::Greater,
            BinaryOperator::GtEq => BinaryOp::GreaterOrEqual,
            other => {
                let span = self.session.span(leftmost_span(expr));
                return self.session.fail(span, format!("not supported: the operator {other}"));
            }
        };
        let left = self.bind_flexible(left);
        let right = self.bind_flexible(right);
        let (left, right) = (left?, right?);
        if op.is_comparison() {
            self.comparison(op, left, right)
        } else {
            self.arithmetic(op, left, right)
        }
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
        let Ok(common) = crate::bind_expr::common_type(&pair) else {
            let message = format!("cannot compare {l} {} {r}", op.symbol());
            return self.session.fail_with(span, message, "convert one side with CAST");
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
            let hint = "arithmetic works on numbers; convert text with CAST".to_owned();
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
        use BinaryOp::{Add, Subtract};
        use DataType::{Date, Interval, Timestamp};
        let types = (left.data_type.clone(), right.data_type.clone());
        let data_type = match (op, &types.0, &types.1) {
            (Add | Subtract, Timestamp | Date, Interval) | (Add, Interval, Timestamp | Date) => {
                Timestamp
            }
            (Subtract, Timestamp, Timestamp | Date) | (Subtract, Date, Timestamp) => Interval,
            (Add | Subtract, Interval, Interval) => Interval,
            _ => {
                let message = format!("no operator {} {} {}", types.0, op.symbol(), types.1);
                let hint = match (&types.0, &types.1) {
                    (Date, Date) => "convert both to TIMESTAMP for an INTERVAL",
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
            UnaryOperator::Plus => {
                let message = format!("no operator + {}", bound.expr.data_type);
                self.session.fail(bound.expr.span, message)
            }
            other => {
                let span = self.session.span(leftmost_span(whole));
                self.session.fail(span, format!("not supported: the operator {other}"))
            }
        }
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

    /// `IS [NOT] NULL | TRUE | FALSE | UNKNOWN`.
    pub(crate) fn bind_is(&mut self, whole: &ast::Expr, operand: &ast::Expr) -> Bind<Expr> {
        let op = match whole {
            ast::Expr::IsNull(_) | ast::Expr::IsUnknown(_) => UnaryOp::IsNull,
            ast::Expr::IsNotNull(_) | ast::Expr::IsNotUnknown(_) => UnaryOp::IsNotNull,
            ast::Expr::IsTrue(_) => UnaryOp::IsTrue,
            ast::Expr::IsNotTrue(_) => UnaryOp::IsNotTrue,
            ast::Expr::IsFalse(_) => UnaryOp::IsFalse,
            _ => UnaryOp::IsNotFalse,
        };
        let bound = self.bind_flexible(operand)?;
        let is_null_test = matches!(whole, ast::Expr::IsNull(_) | ast::Expr::IsNotNull(_));
        let operand = if is_null_test {
            bound.expr
        } else {
            self.adapt(bound, &DataType::Boolean, "IS TRUE, FALSE or UNKNOWN")?
        };
        let span = operand.span;
        let kind = ExprKind::Unary { op, operand: Box::new(operand) };
        self.finish(Expr { kind, data_type: DataType::Boolean, span })
    }

    /// `a IS [NOT] DISTINCT FROM b`.
    pub(crate) fn bind_distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        is_negated: bool,
    ) -> Bind<Expr> {
        let left = self.bind_flexible(left);
        let right = self.bind_flexible(right);
        let op = match is_negated {
            true => BinaryOp::IsNotDistinctFrom,
            false => BinaryOp::IsDistinctFrom,
        };
        self.comparison(op, left?, right?)
    }

    /// `x BETWEEN low AND high` is `x >= low AND x <= high`.
    pub(crate) fn bind_between(
        &mut self,
        operand: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        is_negated: bool,
    ) -> Bind<Expr> {
        let operand = self.bind_flexible(operand);
        let (low, high) = (self.bind_flexible(low), self.bind_flexible(high));
        let (operand, low, high) = (operand?, low?, high?);
        self.session.spend(crate::equality::node_count(&operand.expr), operand.expr.span)?;
        let span = union(operand.expr.span, high.expr.span);
        let least = self.comparison(BinaryOp::GreaterOrEqual, operand.clone(), low);
        let most = self.comparison(BinaryOp::LessOrEqual, operand, high);
        let both = conjunction(vec![least?, most?], span);
        Ok(if is_negated && !literal(&both).is_some_and(Scalar::is_null) {
            negation(both, span)
        } else {
            both
        })
    }

    /// `x [NOT] IN (a, b, …)`.
    pub(crate) fn bind_in_list(
        &mut self,
        operand: &ast::Expr,
        list: &[ast::Expr],
        is_negated: bool,
    ) -> Bind<Expr> {
        let operand = self.bind_flexible(operand);
        let items: Vec<Bind<Bound>> = list.iter().map(|item| self.bind_flexible(item)).collect();
        let operand = operand?;
        let span = operand.expr.span;
        let mut bounds = vec![operand];
        bounds.extend(items.into_iter().collect::<Bind<Vec<Bound>>>()?);
        if bounds.len() == 1 {
            return self.session.fail(span, "IN needs at least one value");
        }
        let (mut items, data_type) = self.adapt_all(bounds, "IN")?;
        if !is_ordered(&data_type) {
            return self.session.fail(span, format!("values of {data_type} do not compare"));
        }
        let operand = items.remove(0);
        let constants: Option<Vec<Scalar>> =
            items.iter().map(|item| literal(item).cloned()).collect();
        if let Some(list) = constants {
            let kind = ExprKind::InList { operand: Box::new(operand), list, is_negated };
            return self.finish(Expr { kind, data_type: DataType::Boolean, span });
        }
        let nodes = crate::equality::node_count(&operand) * items.len();
        self.session.spend(nodes, span)?;
        let mut terms = Vec::with_capacity(items.len());
        for item in items {
            let (left, right) = (Box::new(operand.clone()), Box::new(item));
            let kind = ExprKind::Binary { op: BinaryOp::Equal, left, right };
            terms.push(self.finish(Expr { kind, data_type: DataType::Boolean, span })?);
        }
        let any = disjunction(terms, span);
        Ok(if is_negated { negation(any, span) } else { any })
    }

    /// `x [NOT] [I]LIKE pattern [ESCAPE c]`; the flags are negation and case-insensitivity.
    pub(crate) fn bind_like(
        &mut self,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        any: bool,
        [is_negated, is_case_insensitive]: [bool; 2],
    ) -> Bind<Expr> {
        let operand = self.bind_flexible(operand);
        let pattern = self.bind_flexible(pattern);
        let (operand, pattern) = (operand?, pattern?);
        let span = union(operand.expr.span, pattern.expr.span);
        if any {
            return self.session.fail(span, "not supported: LIKE ANY");
        }
        let escape = match escape {
            None => None,
            Some(escape) => {
                let bound = self.bind_flexible(escape)?;
                let mut chars = match literal(&bound.expr) {
                    Some(Scalar::Varchar(text)) => text.chars(),
                    _ => "".chars(),
                };
                match (chars.next(), chars.next()) {
                    (Some(escape), None) => Some(escape),
                    _ => {
                        let span = bound.expr.span;
                        return self.session.fail(span, "ESCAPE takes one character");
                    }
                }
            }
        };
        let operand = Box::new(self.adapt(operand, &DataType::Varchar, "LIKE")?);
        let pattern = Box::new(self.adapt(pattern, &DataType::Varchar, "LIKE")?);
        let kind = ExprKind::Like { operand, pattern, is_negated, is_case_insensitive, escape };
        self.finish(Expr { kind, data_type: DataType::Boolean, span })
    }

    /// `CASE`, with or without an operand.
    pub(crate) fn bind_case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        span: Span,
    ) -> Bind<Expr> {
        let operand = operand.map(|operand| self.bind_flexible(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for (index, when) in conditions.iter().enumerate() {
            let ast::CaseWhen { condition, result } = when;
            self.laziness += usize::from(index > 0);
            let test = self.bind_flexible(condition).and_then(|test| match &operand {
                None => self.adapt(test, &DataType::Boolean, "WHEN"),
                Some(operand) => {
                    let nodes = crate::equality::node_count(&operand.expr);
                    self.session.spend(nodes, span)?;
                    self.comparison(BinaryOp::Equal, operand.clone(), test)
                }
            });
            self.laziness -= usize::from(index > 0);
            tests.push(test);
            self.laziness += 1;
            results.push(self.bind_flexible(result));
            self.laziness -= 1;
        }
        self.laziness += 1;
        let last = otherwise.map(|otherwise| self.bind_flexible(otherwise));
        self.laziness -= 1;
        let has_otherwise = last.is_some();
        results.extend(last);
        let tests = tests.into_iter().collect::<Bind<Vec<Expr>>>()?;
        let results = results.into_iter().collect::<Bind<Vec<Bound>>>()?;
        self.laziness += 1;
        let adapted = self.adapt_all(results, "CASE");
        self.laziness -= 1;
        let (mut results, data_type) = adapted?;
        let otherwise = if has_otherwise { results.pop().map(Box::new) } else { None };
        let branches = tests.into_iter().zip(results).collect();
        self.finish(Expr { kind: ExprKind::Case { branches, otherwise }, data_type, span })
    }
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
