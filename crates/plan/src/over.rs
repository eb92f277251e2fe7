//! Analytic functions: one value for each row, of the rows before it.

use std::fmt;

use tidemill_record::DataType;

use crate::options::duration_text;
use crate::{AggregateFunction, SortKey, Span};

/// `OVER` clauses that share their partition and order. The output is every input column, in order,
/// then one column for each call.
#[derive(Clone, Debug, PartialEq)]
pub struct OverSpec {
    /// Types of all input columns.
    pub input_types: Vec<DataType>,
    /// Input columns of `PARTITION BY`; may be empty.
    pub partition_by: Vec<usize>,
    /// The order of rows.
    pub order: OverOrder,
    /// With [`OverOrder::Sorted`] the input columns that rows come sorted by: rows equal in all are peers.
    pub sorted_by: Vec<usize>,
    /// The functions, in output order.
    pub calls: Vec<OverCall>,
    /// `idle.key.ttl`: a row whose key has been silent for longer than this, in microseconds of event
    /// time, finds no rows before it; `None` keeps all. Only with an order by event time.
    pub idle_key_ttl_us: Option<i64>,
    /// Where the first `OVER` stands.
    pub span: Span,
}

impl OverSpec {
    /// The column by which rows wait: that of event times, or, of rows that come sorted, one behind those of the
    /// input. `None` where they do not wait.
    #[must_use]
    pub fn waiting_column(&self) -> Option<usize> {
        match self.order {
            OverOrder::Arrival => None,
            OverOrder::EventTime { column } => Some(column),
            OverOrder::Sorted => Some(self.input_types.len()),
        }
    }
}

/// In which order rows are looked at, and leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverOrder {
    /// As they arrive (no `ORDER BY`). All rows of a key are peers.
    Arrival,
    /// By event time, ascending, ties in order of arrival. A row waits until the watermark has
    /// passed it, and is late when the watermark had passed it as it arrived.
    EventTime {
        /// Input column, `TIMESTAMP`, never NULL.
        column: usize,
    },
    /// As they arrive, which is sorted by [`OverSpec::sorted_by`]. Bounded input only.
    Sorted,
}

/// One function of an [`OverSpec`].
#[derive(Clone, Debug, PartialEq)]
pub struct OverCall {
    /// Which function.
    pub function: OverFunction,
    /// Input columns of the arguments; none for `COUNT(*)` and the ranking functions.
    pub arguments: Vec<usize>,
    /// `IGNORE NULLS`: rows whose argument is NULL are passed over.
    pub ignores_nulls: bool,
    /// Which rows it looks at. `LAG` and the ranking functions look at all rows before.
    pub frame: Frame,
    /// Type of the result.
    pub data_type: DataType,
    /// The call as SQL text, for messages and `EXPLAIN`.
    pub label: String,
}

/// The functions that `OVER` takes. Types are those of the aggregates of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum OverFunction {
    /// An aggregate of the frame: `COUNT`, `SUM`, `AVG`, `MIN`, `MAX`, `STDDEV` and its kin.
    Aggregate(AggregateFunction),
    /// `LAST_VALUE(x)`: of the last row of the frame, NULL included.
    LastValue,
    /// `NTH_VALUE(x, n)`: of the nth row of the frame, NULL where it is shorter. `FIRST_VALUE(x)` is
    /// the first.
    NthValue {
        /// Counted from one.
        n: u64,
    },
    /// `LAG(x, rows)`: of the row so many before, NULL where there is none.
    Lag {
        /// 0 is the row itself.
        rows: u64,
    },
    /// `ROW_NUMBER()`
    RowNumber,
    /// `RANK()`: 1 plus the rows before the row's peers.
    Rank,
    /// `DENSE_RANK()`: 1 plus the distinct order values before.
    DenseRank,
}

/// The rows a function looks at: up to and including the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// `ROWS BETWEEN n PRECEDING AND CURRENT ROW`: so many rows before; `None` is all of them.
    Rows(Option<u64>),
    /// `RANGE BETWEEN INTERVAL … PRECEDING AND CURRENT ROW`: rows whose event time is at most so
    /// many microseconds before; `None` is all. Rows of the same event time (peers) are in, also
    /// those after the current one. In arrival order only `None`, which is then `Rows(None)`.
    Range(Option<i64>),
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(Some(rows)) => write!(f, "ROWS {rows} PRECEDING"),
            Self::Rows(None) => f.write_str("ROWS UNBOUNDED PRECEDING"),
            Self::Range(Some(micros)) => write!(f, "RANGE {} PRECEDING", duration_text(*micros)),
            Self::Range(None) => f.write_str("RANGE UNBOUNDED PRECEDING"),
        }
    }
}

/// `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)` in an order other than that of event time, and how
/// many rows of each partition are wanted.
///
/// Rows leave at the end of bounded input, or when the watermark reaches the end of their window. The
/// output is every input column, then the row number, `BIGINT`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopNSpec {
    /// Types of all input columns.
    pub input_types: Vec<DataType>,
    /// Input columns of `PARTITION BY`; may be empty.
    pub partition_by: Vec<usize>,
    /// The order within a partition, most significant first, at least one; ties in order of arrival.
    pub order: Vec<SortKey>,
    /// How many rows of each partition stay; `None` keeps all.
    pub keep: Option<u64>,
    /// Place in `partition_by` of the `window_end` of a windowed grouping below: partitions leave, in
    /// order of window end, then of first appearance, as the watermark reaches it.
    pub window_end: Option<usize>,
    /// Where the `OVER` stands.
    pub span: Span,
}
