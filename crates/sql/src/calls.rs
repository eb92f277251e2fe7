//! What the expressions of one `SELECT` leave to stages below them, and the clauses that a call may
//! have in SQL but not here.

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArgumentClause, FunctionArguments, NullTreatment,
};
use tidemill_plan::Span;

use crate::aggregates::AggregateCalls;
use crate::over::OverCalls;
use crate::report::Bind;
use crate::scope::{Scope, Session};

/// Calls that are collected while expressions are bound.
pub(crate) struct Calls {
    pub(crate) aggregates: AggregateCalls,
    pub(crate) overs: OverCalls,
}

impl Calls {
    /// None yet.
    pub(crate) fn new(scope: &Scope) -> Self {
        let aggregates = AggregateCalls::new(scope.len());
        Self { aggregates, overs: OverCalls::new(scope) }
    }
}

/// Refuses a clause between the brackets of a call that takes none.
pub(crate) fn refuse_inner_clauses(
    session: &mut Session<'_>,
    list: &ast::FunctionArgumentList,
    upper: &str,
    span: Span,
) -> Bind<()> {
    inner_clauses(session, list, upper, span, |_| false).map(|_| ())
}

/// The clauses between the brackets of a call; refuses those that it does not take.
pub(crate) fn inner_clauses<'e>(
    session: &mut Session<'_>,
    list: &'e ast::FunctionArgumentList,
    upper: &str,
    span: Span,
    takes: impl Fn(&FunctionArgumentClause) -> bool,
) -> Bind<&'e [FunctionArgumentClause]> {
    let ast::FunctionArgumentList { duplicate_treatment: _, args: _, clauses } = list;
    let Some(clause) = clauses.iter().find(|clause| !takes(clause)) else { return Ok(clauses) };
    let (phrase, hint): (&[&str], Option<&str>) = match clause {
        FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => {
            return refuse_nulls(session, *nulls, upper, span);
        }
        FunctionArgumentClause::Where(_) => {
            (&["WHERE"], Some("write FILTER (WHERE …) behind the bracket"))
        }
        FunctionArgumentClause::OrderBy(_) => (&["ORDER", "BY"], None),
        FunctionArgumentClause::Limit(_) => (&["LIMIT"], None),
        FunctionArgumentClause::OnOverflow(_) => (&["ON", "OVERFLOW"], None),
        FunctionArgumentClause::Having(_) => (&["HAVING"], None),
        FunctionArgumentClause::Separator(_) => {
            (&["SEPARATOR"], Some("write STRING_AGG(text, separator)"))
        }
        FunctionArgumentClause::JsonNullClause(_) => (&["ON", "NULL"], None),
        FunctionArgumentClause::JsonReturningClause(_) => {
            (&["RETURNING"], Some("write CAST(… AS type)"))
        }
    };
    let at = session.place(phrase, span);
    let message = format!("not supported: {} in {upper}(…)", phrase.join(" "));
    Err(session.report.add(at, message, hint.map(str::to_owned)))
}

/// Refuses `DISTINCT` or `ALL` between the brackets of what is no aggregate.
pub(crate) fn refuse_quantifier(
    session: &mut Session<'_>,
    list: &ast::FunctionArgumentList,
    upper: &str,
    span: Span,
) -> Bind<()> {
    let word = match list.duplicate_treatment {
        None => return Ok(()),
        Some(DuplicateTreatment::Distinct) => "DISTINCT",
        Some(DuplicateTreatment::All) => "ALL",
    };
    let at = session.place(&[word], span);
    session.fail(at, format!("{word} belongs to an aggregate, which {upper} is not"))
}

/// Refuses `IGNORE NULLS` and `RESPECT NULLS` of a function that does either without being asked, or
/// that no values come to.
pub(crate) fn refuse_nulls<T>(
    session: &mut Session<'_>,
    nulls: NullTreatment,
    upper: &str,
    span: Span,
) -> Bind<T> {
    let word = match nulls {
        NullTreatment::RespectNulls => "RESPECT",
        NullTreatment::IgnoreNulls => "IGNORE",
    };
    let at = session.place(&[word, "NULLS"], span);
    session.fail(at, format!("not supported: {word} NULLS of {upper}"))
}

/// Refuses everything that a call may have around its brackets, of one that has arguments alone.
pub(crate) fn refuse_outer_clauses(
    session: &mut Session<'_>,
    call: &ast::Function,
    upper: &str,
    span: Span,
) -> Bind<()> {
    let ast::Function {
        name: _,
        uses_odbc_syntax,
        parameters,
        args: _,
        within_group,
        filter,
        null_treatment,
        over,
    } = call;
    let refused: [(bool, &[&str]); 5] = [
        (!within_group.is_empty(), &["WITHIN", "GROUP"]),
        (filter.is_some(), &["FILTER"]),
        (null_treatment.is_some(), &["NULLS"]),
        (over.is_some(), &["OVER"]),
        (*uses_odbc_syntax || *parameters != FunctionArguments::None, &[]),
    ];
    match refused.iter().find(|(is_there, _)| *is_there) {
        None => Ok(()),
        Some((_, [])) => session.fail(span, format!("not supported: this form of {upper}")),
        Some((_, phrase)) => {
            let at = session.place(phrase, span);
            session.fail(at, format!("not supported: {} of {upper}", phrase.join(" ")))
        }
    }
}
