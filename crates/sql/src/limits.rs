//! Declared columns of `VARCHAR(n)` and `TIMESTAMP(p)`: a query that reads one holds it to its limit.

use std::sync::Arc;

use tidemill_plan::{Expr, ExprKind, Function, Relation, Scalar, Scan, Span};
use tidemill_record::DataType;

use crate::fold::{conjunction, conjuncts};
use crate::tables::Tables;

/// Puts the limits of the columns that are read before every condition of a scan, so that a value
/// past its limit makes its record bad, whatever `WHERE` says of it.
pub(crate) fn hold_to_limits(relation: &mut Relation, tables: &Tables) {
    match relation {
        Relation::Scan(scan) => hold_scan(scan, tables),
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Aggregate { input, .. }
        | Relation::Over { input, .. }
        | Relation::TopN { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. } => hold_to_limits(input, tables),
        Relation::Union { inputs } => {
            inputs.iter_mut().for_each(|input| hold_to_limits(input, tables));
        }
    }
}

fn hold_scan(scan: &mut Scan, tables: &Tables) {
    // A file that is read by its path may be called as a source is.
    let declared = tables.sources.get(&scan.source.name);
    if !declared.is_some_and(|source| Arc::ptr_eq(source, &scan.source)) {
        return;
    }
    let Some(limits) = tables.limits.get(&scan.source.name) else { return };
    let mut terms = Vec::new();
    for (index, &column) in scan.columns.iter().enumerate() {
        let Some(&Some(limit)) = limits.get(column) else { continue };
        let field = &scan.source.schema.fields[column];
        let value = Expr::column(index, field.name.clone(), field.data_type.clone());
        let arguments = vec![value, Expr::literal(Scalar::BigInt(limit.into()))];
        terms.push(Expr {
            kind: ExprKind::Call { function: Function::Fits, arguments },
            data_type: DataType::Boolean,
            span: Span::default(),
        });
    }
    if terms.is_empty() {
        return;
    }
    terms.extend(scan.filter.take().map(conjuncts).unwrap_or_default());
    scan.filter = Some(conjunction(terms, Span::default()));
}
