//! What may stand around a function with `OVER`, and aggregates of frames.

use sqlparser::ast::{self, FunctionArgumentClause};
use tidemill_plan::{Aggregate, Scalar, Span};

use crate::aggregates::{AroundCall, PendingCall, where_true};
use crate::bind_expr::ExprBinder;
use crate::calls::{inner_clauses, refuse_nulls, refuse_quantifier};
use crate::fold::constant;
use crate::over::OVER_ONLY;
use crate::report::Bind;

impl ExprBinder<'_, '_, '_> {
    /// Refuses what `LAG`, `NTH_VALUE` and numbers of rows do not take; whether they ignore NULLs.
    pub(crate) fn refuse_of_no_aggregate(
        &mut self,
        name: &str,
        upper: &str,
        span: Span,
        list: &ast::FunctionArgumentList,
        around: AroundCall<'_>,
    ) -> Bind<bool> {
        if around.filter.is_some() {
            let at = self.session.place(&["FILTER"], span);
            return self.session.fail(at, format!("not supported: FILTER of {upper} OVER"));
        }
        let takes_nulls = matches!(name, "lag" | "nth_value");
        let clauses = inner_clauses(self.session, list, upper, span, |clause| {
            takes_nulls && matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_))
        })?;
        if OVER_ONLY.contains(&name) {
            refuse_quantifier(self.session, list, upper, span)?;
        }
        let inner = clauses.iter().find_map(|clause| match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => Some(*nulls),
            _ => None,
        });
        match inner.or(around.nulls) {
            Some(nulls) if !takes_nulls && name != "lead" => {
                refuse_nulls(self.session, nulls, upper, span)
            }
            nulls => Ok(matches!(nulls, Some(ast::NullTreatment::IgnoreNulls))),
        }
    }

    /// An aggregate of a frame: `FILTER` leaves NULL in the place of what it leaves out, which they skip.
    pub(crate) fn bind_framed(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        span: Span,
        list: &ast::FunctionArgumentList,
        around: AroundCall<'_>,
    ) -> Bind<PendingCall> {
        let mut call = self.bind_call_parts(aggregate, upper, span, list, around)?;
        if call.is_distinct {
            let message = format!("not supported: {upper}(DISTINCT …) OVER");
            return self.session.fail(span, message);
        }
        if let Some(key) = call.order.first() {
            let message = format!("not supported: ORDER BY in {upper}(…) OVER");
            return self.session.fail(key.expr.span, message);
        }
        if let Some(filter) = call.filter.take() {
            if call.function.takes_nulls() {
                let at = self.session.place(&["FILTER"], span);
                return self.session.fail(at, format!("not supported: FILTER of {upper} OVER"));
            }
            let first = match call.arguments.first() {
                Some(argument) => argument.clone(),
                None => constant(Scalar::Boolean(true), span),
            };
            let filtered = where_true(filter, first);
            match call.arguments.first_mut() {
                Some(argument) => *argument = filtered,
                None => call.arguments.push(filtered),
            }
        }
        Ok(call)
    }
}
