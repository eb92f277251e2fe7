//! Conditions with a syntax of their own: `IS`, `IN`, `BETWEEN`, `LIKE`, `CASE`.

use sqlparser::ast;
use tidemill_plan::{BinaryOp, Expr, ExprKind, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder};
use crate::coercion::is_ordered;
use crate::equality::node_count;
use crate::fold::{conjunction, disjunction, literal, negation};
use crate::position::union;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
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
        self.session.spend(node_count(&operand.expr), operand.expr.span)?;
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
            let hint = "write IN ('a', 'b'); nothing is in an empty list";
            return self.session.fail_with(span, "IN needs at least one value", hint);
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
        let nodes = node_count(&operand) * items.len();
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
        let quantifier = match pattern {
            _ if any => Some("ANY"),
            ast::Expr::Function(call) => {
                let name = call.name.to_string().to_uppercase();
                ["ALL", "SOME"].into_iter().find(|quantifier| name == *quantifier)
            }
            _ => None,
        };
        if let Some(quantifier) = quantifier {
            let like = if is_case_insensitive { "ILIKE" } else { "LIKE" };
            let span = operand?.expr.span;
            let at = self.session.place(&[like, quantifier], span);
            let message = format!("not supported: {like} {quantifier}");
            return self.session.fail_with(at, message, "join single ones with OR or AND");
        }
        let pattern = self.bind_flexible(pattern);
        let (operand, pattern) = (operand?, pattern?);
        let span = union(operand.expr.span, pattern.expr.span);
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
                    let nodes = node_count(&operand.expr);
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
