//! Everything that can stop a grouping, a sort or a limit.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tidemill_plan::HostError;
use tidemill_record::{DataType, Moment};

/// Why a table cannot go on. Each ends the pipeline: the table's contents are unspecified
/// afterwards, though still safe to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AggregateError {
    /// A grouping's state passed its memory budget.
    BudgetExceeded {
        /// Bytes the table holds.
        state_bytes: u64,
        /// Bytes it may hold.
        budget_bytes: u64,
        /// Groups it holds.
        group_count: usize,
    },
    /// The rows that a sort or a limit must keep passed its memory budget.
    RowBudgetExceeded {
        /// Bytes the table holds.
        state_bytes: u64,
        /// Bytes it may hold.
        budget_bytes: u64,
        /// Rows it holds.
        row_count: usize,
    },
    /// A sum that is about to leave does not fit its result type.
    SumOverflow {
        /// The aggregate call as SQL text.
        label: String,
        /// The result type.
        data_type: DataType,
        /// The group's key values as SQL literals, separated by commas; empty without keys.
        group_key: String,
        /// The record without which it would not leave yet; `None` at the end of the input.
        moment: Option<Box<Moment>>,
    },
    /// More groups, or more distinct values of one `DISTINCT` aggregate, than a `u32` can number.
    TooManyGroups,
    /// More rows to sort than a `u32` can number.
    TooManyRows,
    /// A key or argument of a type that the operation is not defined for.
    Unsupported {
        /// The operation: `GROUP BY`, `ORDER BY`, or an aggregate call as SQL text.
        what: String,
        /// The type it was given.
        data_type: DataType,
    },
    /// An aggregate function of the embedding program failed.
    Function(FunctionFault),
}

/// What an aggregate function of the embedding program failed with.
#[derive(Clone, Debug)]
pub struct FunctionFault {
    function: String,
    /// The text of a panic.
    panic: Option<String>,
    source: Option<Arc<HostError>>,
}

impl FunctionFault {
    pub(crate) fn failed(function: &str, source: HostError) -> Self {
        Self { function: function.to_owned(), panic: None, source: Some(Arc::new(source)) }
    }

    pub(crate) fn panicked(function: &str, panic: &(dyn Any + Send)) -> Self {
        Self { function: function.to_owned(), panic: Some(Self::said(panic)), source: None }
    }

    /// The text of a panic.
    pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("without a message").to_owned()
    }
}

/// Two errors of a program are the same where they are one.
impl PartialEq for FunctionFault {
    fn eq(&self, other: &Self) -> bool {
        let is_one = match (&self.source, &other.source) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_one && self.function == other.function && self.panic == other.panic
    }
}

impl Eq for FunctionFault {}

impl AggregateError {
    /// Whether there was no room for what was to be held.
    #[must_use]
    pub fn is_of_memory(&self) -> bool {
        matches!(self, Self::BudgetExceeded { .. } | Self::RowBudgetExceeded { .. })
    }

    /// The same, of a result that was about to leave with this record.
    pub(crate) fn at(mut self, leaving_with: Moment) -> Self {
        if let Self::SumOverflow { moment, .. } = &mut self {
            *moment = Some(Box::new(leaving_with));
        }
        self
    }
}

impl fmt::Display for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BudgetExceeded { state_bytes, budget_bytes, group_count } => write!(
                f,
                "the state of {group_count} groups takes {state_bytes} bytes, over its budget of \
                 {budget_bytes} bytes"
            ),
            Self::RowBudgetExceeded { state_bytes, budget_bytes, row_count } => write!(
                f,
                "the {row_count} rows kept take {state_bytes} bytes, over their budget of \
                 {budget_bytes} bytes"
            ),
            Self::SumOverflow { label, data_type, group_key, .. } if group_key.is_empty() => {
                write!(f, "{label} is out of range for {data_type}")
            }
            Self::SumOverflow { label, data_type, group_key, .. } => {
                write!(f, "{label} is out of range for {data_type} in group ({group_key})")
            }
            Self::TooManyGroups => {
                write!(f, "more groups or distinct values than the {} supported", u32::MAX)
            }
            Self::TooManyRows => write!(f, "more rows to sort than the {} supported", u32::MAX),
            Self::Unsupported { what, data_type } => {
                write!(f, "{what} is not supported for type {data_type}")
            }
            Self::Function(FunctionFault { function, panic, .. }) => match panic {
                Some(text) => write!(f, "the aggregate function {function} panicked: {text}"),
                None => write!(f, "the aggregate function {function} failed"),
            },
        }
    }
}

impl std::error::Error for AggregateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Function(FunctionFault { source: Some(source), .. }) => Some(&***source),
            _ => None,
        }
    }
}
