//! The columns that a sink declares: what is inserted has them by place, under their names and types.

use tidemill_plan::{Expr, ExprKind, Function, NamedExpr, Relation, Scalar, Span};
use tidemill_record::{DataType, Field};

use crate::coercion::unify;
use crate::fold::constant;
use crate::report::Bind;
use crate::scope::Session;
use crate::syntax::{ColumnKind, ColumnSyntax};
use crate::types::{NamedType, named_type};

/// A column that a sink declares, and the characters or digits that its values have at most.
pub(crate) type SinkColumn = (Field, Option<u32>);

/// The names and types that a sink declares.
pub(crate) fn declared(
    session: &mut Session<'_>,
    columns: &[ColumnSyntax],
) -> Bind<Vec<SinkColumn>> {
    let mut fields: Vec<SinkColumn> = Vec::with_capacity(columns.len());
    for ColumnSyntax { name, kind } in columns {
        let ColumnKind::Recorded { data_type, .. } = kind else {
            let hint = "compute it in the query that writes the sink";
            let message = match kind {
                ColumnKind::Path { .. } => "a sink has no paths",
                _ => "a sink has no computed columns",
            };
            return session.fail_with(name.span, message, hint);
        };
        if fields.iter().any(|(field, _)| field.name == name.text) {
            let message = format!("the column \"{}\" is declared twice", name.text);
            return session.fail_with(name.span, message, "leave one of the two out");
        }
        match named_type(&data_type.name) {
            Ok(NamedType { data_type, limit }) => {
                fields.push((Field::nullable(&name.text, data_type), limit));
            }
            Err((message, hint)) => return Err(session.report.add(data_type.span, message, hint)),
        }
    }
    Ok(fields)
}

/// The results of a query as the columns of a sink: text is cut to its length, and times are rounded, as a `CAST` does.
pub(crate) fn as_declared(
    session: &mut Session<'_>,
    relation: Relation,
    fields: &[SinkColumn],
    span: Span,
) -> Bind<Relation> {
    let found = relation.schema().fields;
    if found.len() != fields.len() {
        let message = format!(
            "the sink declares {} columns, and the query gives {}",
            fields.len(),
            found.len()
        );
        let hint = "columns go by their place: select as many";
        return session.fail_with(span, message, hint);
    }
    let is_same = |(found, (field, limit)): (&Field, &SinkColumn)| {
        found.name == field.name && found.data_type == field.data_type && limit.is_none()
    };
    if found.iter().zip(fields).all(is_same) {
        return Ok(relation);
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (index, (found, (field, limit))) in found.into_iter().zip(fields).enumerate() {
        let (from, to) = (found.data_type, &field.data_type);
        let column = Expr::column(index, found.name.clone(), from.clone());
        let expr = match from == *to {
            true => column,
            false if converts(&from, to) => {
                let kind = ExprKind::Cast { operand: Box::new(column), is_try: false };
                Expr { kind, data_type: to.clone(), span }
            }
            false => {
                let message = format!(
                    "column {} of the sink is {to}, but the query gives {from}",
                    field.name
                );
                let hint = format!("write CAST({} AS {to}) in the query", found.name);
                return session.fail_with(span, message, hint);
            }
        };
        let expr = match limit {
            None => expr,
            Some(limit) => cut(expr, *limit),
        };
        columns.push(NamedExpr { name: field.name.clone(), expr });
    }
    Ok(Relation::Project { input: Box::new(relation), columns })
}

/// What a type with a length leaves of text, and one with a precision of a time.
fn cut(expr: Expr, limit: u32) -> Expr {
    let (span, data_type) = (expr.span, expr.data_type.clone());
    let function = match data_type {
        DataType::Varchar => Function::Left,
        _ => Function::RoundTime,
    };
    let arguments = vec![expr, constant(Scalar::BigInt(limit.into()), span)];
    Expr { kind: ExprKind::Call { function, arguments }, data_type, span }
}

fn converts(from: &DataType, to: &DataType) -> bool {
    unify(from, to).as_ref() == Some(to)
}
