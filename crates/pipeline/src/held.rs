//! What a pipeline holds in memory, as plain numbers.

/// One of the things that a pipeline holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is, as a person calls it.
    pub what: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Groups, keys or rows; 0 where there are none.
    pub groups: u64,
}

pub(crate) fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}
