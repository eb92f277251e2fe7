//! A stretch of the SQL text.

/// Byte range `[start, end)` of the SQL text that a piece of the plan came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}
