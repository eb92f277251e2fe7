//! Whether everything that a query computes can be prepared: a pattern, a path or a flag that no run
//! could use is an error of the script.

use tidemill_plan::{Expr, Relation};

use crate::report::Bind;
use crate::scope::Session;

/// Prepares every expression of a plan, and reports those that cannot be.
pub(crate) fn check_relation(session: &mut Session<'_>, relation: &Relation) -> Bind<()> {
    let mut result = Ok(());
    match relation {
        Relation::Scan(scan) => {
            if let Some(filter) = &scan.filter {
                result = check_expr(session, filter);
            }
        }
        Relation::Filter { predicate, .. } => result = check_expr(session, predicate),
        Relation::Project { columns, .. } => {
            for column in columns {
                result = result.and(check_expr(session, &column.expr));
            }
        }
        _ => {}
    }
    for input in relation.inputs() {
        result = result.and(check_relation(session, input));
    }
    result
}

/// Reports the smallest part of an expression that cannot be prepared.
pub(crate) fn check_expr(session: &mut Session<'_>, expr: &Expr) -> Bind<()> {
    let prepare = session.catalog.prepare;
    let Err(mut reason) = prepare(expr) else { return Ok(()) };
    let mut at = expr;
    while let Some((part, why)) =
        at.children().into_iter().find_map(|part| Some((part, prepare(part).err()?)))
    {
        (at, reason) = (part, why);
    }
    match reason.contains("JSON path") {
        true => {
            session.fail_with(at.span, reason, "a path begins with $: '$.key', '$.list[0].key'")
        }
        false => session.fail(at.span, reason),
    }
}
