//! Why an expression cannot be compiled, and why a function of the embedding program cannot be used.

use std::error::Error;
use std::fmt;

use tidemill_plan::HostError;

/// An expression that no row could evaluate. It names the expression as SQL text.
#[derive(Clone, Debug)]
pub enum ExprError {
    /// A constant regular expression that does not parse, or is too large compiled.
    Regex {
        /// The call.
        expression: String,
        /// What the regex library says.
        source: regex::Error,
    },
    /// A constant argument (flags, replacement, JSON path, format, unit, escape) that is malformed.
    Argument {
        /// The call.
        expression: String,
        /// What is wrong, lower case, without a final stop.
        reason: String,
    },
    /// Operand types that the operation does not take; the binder lets none such through.
    Types {
        /// The operation.
        expression: String,
        /// Which types it was given.
        reason: String,
    },
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Regex { expression, .. } => {
                write!(f, "invalid regular expression in {expression}")
            }
            Self::Argument { expression, reason } => write!(f, "{reason} in {expression}"),
            Self::Types { expression, reason } => {
                write!(f, "cannot evaluate {expression}: {reason}")
            }
        }
    }
}

impl Error for ExprError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Regex { source, .. } => Some(source),
            Self::Argument { .. } | Self::Types { .. } => None,
        }
    }
}

/// What a function of the embedding program did wrong, whatever it was given: it ends the job, and is not called
/// again.
#[derive(Debug)]
pub enum FunctionError {
    /// It panicked.
    Panicked {
        /// The function.
        function: String,
        /// What it said.
        message: String,
    },
    /// It gave more values than rows, or fewer.
    Length {
        /// The function.
        function: String,
        /// Values that it gave.
        given: usize,
        /// Rows that it was given.
        rows: usize,
    },
    /// It gave values that are not of its result type.
    Type {
        /// The function.
        function: String,
        /// Which, and of which type they should be.
        reason: String,
    },
    /// It failed as a whole.
    Failed {
        /// The function.
        function: String,
        /// With what.
        source: HostError,
    },
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked { function, message } => {
                write!(f, "function {function} panicked: {message}")
            }
            Self::Length { function, given, rows } => {
                write!(f, "function {function} gave {given} values for {rows} rows")
            }
            Self::Type { function, reason } => write!(f, "function {function} gave {reason}"),
            Self::Failed { function, .. } => write!(f, "function {function} failed"),
        }
    }
}

impl Error for FunctionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(&**source),
            Self::Panicked { .. } | Self::Length { .. } | Self::Type { .. } => None,
        }
    }
}
