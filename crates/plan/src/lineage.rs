//! Where a column comes from: the step that a locality proof is made of.

use crate::{Emit, ExprKind, OverOrder, Relation, SourceDef};

/// The column that an output column is an unchanged copy of, by number of the source; `None` where the
/// query computes it, or where the input is a union.
#[must_use]
pub fn source_column(relation: &Relation, column: usize) -> Option<usize> {
    origin(relation, column).map(|(_, column)| column)
}

/// As [`source_column`], with the source.
#[must_use]
pub fn origin(relation: &Relation, column: usize) -> Option<(&SourceDef, usize)> {
    match relation {
        Relation::Scan(scan) => {
            let at = *scan.columns.get(column)?;
            Some((&*scan.source, scan.source.original(at)))
        }
        Relation::Filter { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. } => origin(input, column),
        // Input columns come first.
        Relation::Over { input, .. } | Relation::TopN { input, .. } => {
            (column < input.schema().fields.len()).then(|| origin(input, column))?
        }
        Relation::Project { input, columns } => match columns.get(column)?.expr.kind {
            ExprKind::Column { index, .. } => origin(input, index),
            _ => None,
        },
        Relation::Aggregate { input, spec, .. } => {
            spec.keys.get(column).and_then(|&key| origin(input, key))
        }
        Relation::Transpose { .. } | Relation::Union { .. } => None,
    }
}

/// For each scan below, left to right, the source column that a column of event times is an unchanged
/// copy of; `None` where it is computed, or where a grouping, an order or a limit stands between, which
/// rows leave in an order of its own.
#[must_use]
pub fn event_time_columns(relation: &Relation, column: usize) -> Option<Vec<usize>> {
    match relation {
        Relation::Scan(scan) => Some(vec![scan.columns.get(column).copied()?]),
        Relation::Filter { input, .. } => event_time_columns(input, column),
        Relation::Over { input, .. } => {
            (column < input.schema().fields.len()).then(|| event_time_columns(input, column))?
        }
        Relation::Project { input, columns } => match columns.get(column)?.expr.kind {
            ExprKind::Column { index, .. } => event_time_columns(input, index),
            _ => None,
        },
        Relation::Union { inputs } => {
            let columns: Option<Vec<_>> =
                inputs.iter().map(|input| event_time_columns(input, column)).collect();
            Some(columns?.concat())
        }
        Relation::Aggregate { .. }
        | Relation::TopN { .. }
        | Relation::Transpose { .. }
        | Relation::Sort { .. }
        | Relation::Limit { .. } => None,
    }
}

/// Whether a column is an unchanged copy of the `window_end` of groupings whose rows leave once, when the
/// watermark reaches it.
#[must_use]
pub fn is_window_end(relation: &Relation, column: usize) -> bool {
    match relation {
        Relation::Scan(_)
        | Relation::Transpose { .. }
        | Relation::Sort { .. }
        | Relation::Limit { .. } => false,
        Relation::Filter { input, .. } => is_window_end(input, column),
        Relation::Over { input, spec, .. } => {
            spec.order == OverOrder::Arrival
                && column < spec.input_types.len()
                && is_window_end(input, column)
        }
        Relation::TopN { input, spec, .. } => {
            let is_its_own = spec.window_end.is_some_and(|at| spec.partition_by[at] == column);
            is_its_own && is_window_end(input, column)
        }
        Relation::Project { input, columns } => {
            columns.get(column).is_some_and(|named| match named.expr.kind {
                ExprKind::Column { index, .. } => is_window_end(input, index),
                _ => false,
            })
        }
        Relation::Aggregate { spec, .. } => spec.window.is_some_and(|window| {
            column == spec.keys.len() + 1
                && spec.emit == Emit::Final
                && window.allowed_lateness_us == 0
        }),
        Relation::Union { inputs } => inputs.iter().all(|input| is_window_end(input, column)),
    }
}
