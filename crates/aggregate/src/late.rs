//! Records that came after the watermark had passed their place.

use tidemill_record::Offset;

/// A record that a stage could not take, or not everywhere it belongs, because the watermark had
/// passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Where the record starts.
    pub offset: Offset,
    /// What it is late for: the name of the window kind, or `OVER`.
    pub what: &'static str,
    /// It was in time for others of its windows, so that it is not lost.
    pub is_partly: bool,
}
