//! How many rows a query keeps: `LIMIT`, `OFFSET`, `FETCH`, `TOP`.

use sqlparser::ast::{self, Spanned};
use tidemill_plan::{ExprKind, LimitSpec, Scalar, Span};
use tidemill_record::{DataType, Schema};

use crate::bind_expr::ExprBinder;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::Scope;

impl QueryBinder<'_, '_> {
    /// `LIMIT n OFFSET m`, `LIMIT m, n` and `OFFSET m ROWS FETCH FIRST n ROWS ONLY`.
    pub(crate) fn bind_limit(
        &mut self,
        clause: Option<&ast::LimitClause>,
        fetch: Option<&ast::Fetch>,
        body: Span,
    ) -> Bind<LimitSpec> {
        let (limit, offset) = match clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if let Some(by) = limit_by.first() {
                    let span = self.session.span(by.span());
                    return self.session.fail(span, "not supported: LIMIT … BY");
                }
                let offset = offset.as_ref().map(|ast::Offset { value, rows: _ }| value);
                (limit.as_ref(), offset)
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => {
                (Some(limit), Some(offset))
            }
        };
        let keep = limit.map(|limit| self.row_count(limit, "LIMIT")).transpose();
        let skip = offset.map(|offset| self.row_count(offset, "OFFSET")).transpose();
        let fetched = fetch.map(|fetch| self.bind_fetch(fetch, limit.is_some(), body)).transpose();
        let keep = keep?.flatten().or(fetched?);
        Ok(LimitSpec { keep, skip: skip?.flatten().unwrap_or(0) })
    }

    fn bind_fetch(&mut self, fetch: &ast::Fetch, has_limit: bool, body: Span) -> Bind<u64> {
        let ast::Fetch { with_ties, percent, quantity } = fetch;
        let at = self.session.place(&["FETCH"], body);
        if *with_ties || *percent {
            let what = if *percent { "PERCENT" } else { "WITH TIES" };
            let hint = "write FETCH FIRST n ROWS ONLY, or LIMIT n";
            return self.session.fail_with(at, format!("not supported: FETCH … {what}"), hint);
        }
        if has_limit {
            return self.session.fail_with(at, "FETCH beside LIMIT", "leave one of the two out");
        }
        match quantity {
            None => Ok(1),
            Some(quantity) => Ok(self.row_count(quantity, "FETCH")?.unwrap_or(u64::MAX)),
        }
    }

    /// `SELECT TOP n`, beside what the query says behind its body.
    pub(crate) fn bind_top(
        &mut self,
        top: &ast::Top,
        limit: LimitSpec,
        select: Span,
    ) -> Bind<LimitSpec> {
        let ast::Top { with_ties, percent, quantity } = top;
        let at = self.session.place(&["TOP"], select);
        if *with_ties || *percent {
            let what = if *percent { "PERCENT" } else { "WITH TIES" };
            return self.session.fail_with(
                at,
                format!("not supported: TOP … {what}"),
                "write LIMIT n",
            );
        }
        if limit != LimitSpec::default() {
            return self.session.fail_with(at, "TOP beside LIMIT", "leave one of the two out");
        }
        let keep = match quantity {
            None => None,
            Some(ast::TopQuantity::Constant(count)) => Some(*count),
            Some(ast::TopQuantity::Expr(expr)) => self.row_count(expr, "TOP")?,
        };
        Ok(LimitSpec { keep, skip: 0 })
    }

    /// A constant number of rows; NULL is no limit.
    fn row_count(&mut self, expr: &ast::Expr, clause: &'static str) -> Bind<Option<u64>> {
        let scope = Scope::new("", &Schema::default());
        let mut binder = ExprBinder::new(self.session, &scope, clause);
        let bound = binder.bind_flexible(expr)?;
        let span = bound.expr.span;
        let count = binder.adapt(bound, &DataType::BigInt, clause)?;
        match count.kind {
            ExprKind::Literal(Scalar::Null(_)) => Ok(None),
            ExprKind::Literal(Scalar::BigInt(count)) if count >= 0 => {
                Ok(Some(count.unsigned_abs()))
            }
            _ => {
                let message = format!("{clause} takes a constant number of rows");
                self.session.fail_with(span, message, "write a whole number from 0")
            }
        }
    }
}
