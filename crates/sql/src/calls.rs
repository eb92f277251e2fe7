//! What the expressions of one `SELECT` leave to stages below them.

use crate::aggregates::AggregateCalls;
use crate::over::OverCalls;
use crate::scope::Scope;

/// Calls that are collected while expressions are bound.
pub(crate) struct Calls {
    pub(crate) aggregates: AggregateCalls,
    pub(crate) overs: OverCalls,
}

impl Calls {
    /// None yet.
    pub(crate) fn new(scope: &Scope) -> Self {
        let aggregates = AggregateCalls { base: scope.len(), calls: Vec::new() };
        Self { aggregates, overs: OverCalls::new(scope) }
    }
}
