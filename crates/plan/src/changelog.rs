//! Which columns of a changelog say whose row is replaced.

use crate::{Emit, ExprKind, Relation};

/// The output columns that tell the groups of a changelog apart: of two rows that agree in them the later one
/// counts. `None` where the rows are no changelog, or the output lacks some of the group key.
#[must_use]
pub fn changelog_key(relation: &Relation) -> Option<Vec<usize>> {
    let GroupColumns { keys, window, has_window } = group_columns(relation)?;
    if has_window && window.is_empty() {
        return None;
    }
    Some(keys.into_iter().chain(window).collect())
}

/// Where the parts of a group key stand in the output.
struct GroupColumns {
    /// All columns of `GROUP BY`.
    keys: Vec<usize>,
    /// Of the window's bounds those that are there: one tells windows of one kind apart.
    window: Vec<usize>,
    has_window: bool,
}

fn group_columns(relation: &Relation) -> Option<GroupColumns> {
    match relation {
        Relation::Aggregate { spec, .. } if spec.emit != Emit::Final => {
            let (count, has_window) = (spec.keys.len(), spec.window.is_some());
            let bounds = if has_window { count..count + 2 } else { count..count };
            Some(GroupColumns { keys: (0..count).collect(), window: bounds.collect(), has_window })
        }
        Relation::Filter { input, .. } => group_columns(input),
        Relation::Project { input, columns } => {
            let copy_of = |key: usize| {
                columns.iter().position(|column| {
                    matches!(column.expr.kind, ExprKind::Column { index, .. } if index == key)
                })
            };
            let GroupColumns { keys, window, has_window } = group_columns(input)?;
            let keys = keys.into_iter().map(copy_of).collect::<Option<_>>()?;
            let window = window.into_iter().filter_map(copy_of).collect();
            Some(GroupColumns { keys, window, has_window })
        }
        _ => None,
    }
}
