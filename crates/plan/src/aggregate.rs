//! What a grouping computes, and when it speaks.

use std::fmt;

use tidemill_record::DataType;

use crate::{Span, WindowKind, WindowSpec};

/// An aggregate function, with its constant parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateFunction {
    /// `COUNT(*)` without an argument, `COUNT(x)` with one. `BIGINT`.
    Count,
    /// `SUM(x)`: integers to `BIGINT` (overflow of the sum is an error), `REAL` and `DOUBLE` to
    /// `DOUBLE`, `DECIMAL(p,s)` to `DECIMAL(38,s)`.
    Sum,
    /// `AVG(x)`: `DOUBLE`.
    Avg,
    /// `MIN(x)`: any ordered type.
    Min,
    /// `MAX(x)`
    Max,
    /// `STDDEV_POP(x)`; the argument is `DOUBLE`.
    StddevPop,
    /// `STDDEV(x)` and `STDDEV_SAMP(x)`: NULL for fewer than two values.
    StddevSamp,
    /// `VAR_POP(x)`
    VarPop,
    /// `VARIANCE(x)` and `VAR_SAMP(x)`
    VarSamp,
    /// `APPROX_COUNT_DISTINCT(x)`: HyperLogLog, `BIGINT`.
    ApproxCountDistinct,
    /// `FIRST_VALUE(x)`: of the first record of the group, NULL included.
    FirstValue,
    /// `LAST_VALUE(x)`: of the last record of the group, NULL included.
    LastValue,
    /// `STRING_AGG(x, separator)`: in record order, skips NULLs.
    StringAgg {
        /// Between the values.
        separator: String,
    },
    /// `ARRAY_AGG(x)`: in record order, NULLs included.
    ArrayAgg,
    /// `PERCENTILE_CONT(fraction) WITHIN GROUP (ORDER BY x)`, and `MEDIAN(x)` as 0.5. The
    /// argument is `DOUBLE`, and so is the result.
    PercentileCont {
        /// In `0.0..=1.0`.
        fraction: f64,
    },
    /// `BOOL_AND(x)`
    BoolAnd,
    /// `BOOL_OR(x)`
    BoolOr,
}

impl AggregateFunction {
    /// The name as the dialect spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::StddevPop => "STDDEV_POP",
            Self::StddevSamp => "STDDEV_SAMP",
            Self::VarPop => "VAR_POP",
            Self::VarSamp => "VAR_SAMP",
            Self::ApproxCountDistinct => "APPROX_COUNT_DISTINCT",
            Self::FirstValue => "FIRST_VALUE",
            Self::LastValue => "LAST_VALUE",
            Self::StringAgg { .. } => "STRING_AGG",
            Self::ArrayAgg => "ARRAY_AGG",
            Self::PercentileCont { .. } => "PERCENTILE_CONT",
            Self::BoolAnd => "BOOL_AND",
            Self::BoolOr => "BOOL_OR",
        }
    }
}

/// One aggregate of a grouping, over columns of the grouping's input.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Which function.
    pub function: AggregateFunction,
    /// `DISTINCT`: each value of the argument counts once a group.
    pub is_distinct: bool,
    /// Input column of the argument; `None` for `COUNT(*)`.
    pub argument: Option<usize>,
    /// Input column of the `FILTER (WHERE …)` condition, `BOOLEAN`; only TRUE rows count.
    pub filter: Option<usize>,
    /// Type of the result.
    pub data_type: DataType,
    /// The call as SQL text, for messages and `EXPLAIN`.
    pub label: String,
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
