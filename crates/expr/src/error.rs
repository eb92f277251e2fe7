//! Why an expression cannot be compiled.

use std::error::Error;
use std::fmt;

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
