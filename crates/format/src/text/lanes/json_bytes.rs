//! Bytes that mean something in JSON.

/// Which of 64 bytes mean something in JSON, in strings or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonBytes {
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
    /// Brackets of both kinds, colons and commas.
    pub(crate) marks: u64,
    /// Spaces, tabulators, carriage returns, newlines.
    pub(crate) blanks: u64,
    pub(crate) newlines: u64,
    /// Below a space, blanks among them.
    pub(crate) controls: u64,
    /// Beyond ASCII.
    pub(crate) beyond: u64,
}
