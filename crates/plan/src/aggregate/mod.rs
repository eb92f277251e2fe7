//! What a grouping computes, and when it speaks.

mod function;
mod table;

use std::fmt;

use tidemill_record::DataType;

pub use function::{AggregateFunction, PairStatistic};
pub use table::{Aggregate, Takes};

use crate::{SortKey, Span, WindowKind, WindowSpec};

/// One aggregate of a grouping, over columns of the grouping's input.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Which function.
    pub function: AggregateFunction,
    /// `DISTINCT`: each value of the arguments counts once a group.
    pub is_distinct: bool,
    /// Input columns of the arguments; none for `COUNT(*)`.
    pub arguments: Vec<usize>,
    /// `ORDER BY` of the call: the order in which it takes records, ties in order of arrival. In order
    /// of arrival where it is empty.
    pub order: Vec<SortKey>,
    /// Input column of the `FILTER (WHERE …)` condition, `BOOLEAN`; only TRUE rows count.
    pub filter: Option<usize>,
    /// Type of the result.
    pub data_type: DataType,
    /// The call as SQL text, for messages and `EXPLAIN`.
    pub label: String,
}

impl AggregateCall {
    /// The input columns that it looks at, beside its filter: the arguments, then those of the order that
    /// are no arguments.
    pub fn inputs(&self) -> impl Iterator<Item = usize> {
        let arguments = self.arguments.iter().copied();
        let order = self.order.iter().map(|key| key.column);
        arguments.chain(order.filter(|column| !self.arguments.contains(column)))
    }
}

/// When a grouping's results leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Emit {
    /// Once, when the window closes; without a window, when the input ends.
    Final,
    /// One row for every record that changed a group, in input order. A record of several windows
    /// gives one for each, in order of window end.
    Changes,
    /// The last change of each group among every `n` records of a partition (`n ≥ 1`), in order of
    /// first change. `n` counts the records of the partition that reach the grouping.
    ChangesEvery(u64),
}

impl fmt::Display for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Final => f.write_str("EMIT FINAL"),
            Self::Changes => f.write_str("EMIT CHANGES"),
            Self::ChangesEvery(n) => write!(f, "EMIT CHANGES EVERY {n} ROWS"),
        }
    }
}

/// A grouping: keys and aggregates over the columns of its input. Its output is the keys, in
/// order, then `window_start` and `window_end` (`TIMESTAMP`) where there is a window, then one column
/// per call. Without keys there is exactly one group, even of no rows; with a window, one for each
/// window that has a row.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateSpec {
    /// Types of all input columns.
    pub input_types: Vec<DataType>,
    /// Input columns of the group key.
    pub keys: Vec<usize>,
    /// The window that belongs to the key, if any.
    pub window: Option<WindowSpec>,
    /// The aggregates, in output order.
    pub calls: Vec<AggregateCall>,
    /// When results leave.
    pub emit: Emit,
    /// Where the `GROUP BY` (or the first aggregate) stands.
    pub span: Span,
}

impl AggregateSpec {
    /// Whether groups lie in sessions.
    #[must_use]
    pub fn is_by_session(&self) -> bool {
        self.window.is_some_and(|window| matches!(window.kind, WindowKind::Session { .. }))
    }

    /// Types of the output columns: keys, the window's bounds, then calls.
    #[must_use]
    pub fn output_types(&self) -> Vec<DataType> {
        let keys = self.keys.iter().map(|&key| self.input_types[key].clone());
        let bound_count = if self.window.is_some() { 2 } else { 0 };
        let bounds = std::iter::repeat_n(DataType::Timestamp, bound_count);
        keys.chain(bounds).chain(self.calls.iter().map(|call| call.data_type.clone())).collect()
    }
}
