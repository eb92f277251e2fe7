//! A record that does not decode, does not fit its types, or fails an expression.

use crate::Offset;

/// One bad record, with its address. Not an error of the pipeline: the source's `bad.records`
/// option decides whether it ends the job, is counted, or is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Where the record starts in its partition.
    pub offset: Offset,
    /// The column or expression at fault, where one can be named.
    pub field: Option<String>,
    /// What is wrong, lower case, without a final stop.
    pub reason: String,
    /// The record's own bytes where the source is text, whole.
    pub raw: Option<Vec<u8>>,
    /// Where the row stands among those that have left tables ([`crate::Places`]); `None` of a record.
    pub place: Option<u64>,
}

impl BadRecord {
    /// The record's bytes as text, clipped to 120 characters for a message.
    #[must_use]
    pub fn sample(&self) -> Option<String> {
        const SAMPLE_CHARS_MAX: usize = 120;
        let raw = self.raw.as_deref()?;
        let text = String::from_utf8_lossy(raw);
        let mut sample: String = text.chars().take(SAMPLE_CHARS_MAX).collect();
        if text.chars().nth(SAMPLE_CHARS_MAX).is_some() {
            sample.push('…');
        }
        Some(sample)
    }
}
