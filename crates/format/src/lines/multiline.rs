//! Records of several lines: a message of a log with its stack trace.

use regex::bytes::Regex;
use tidemill_plan::lines::ascii_classes;

use super::decode::line_at;
use crate::FormatError;

/// Which lines begin a record. Lines before the first of them are a record, too.
pub(super) struct Starts(Regex);

impl Starts {
    pub(super) fn new(pattern: &str) -> Result<Self, FormatError> {
        let pattern = Regex::new(&ascii_classes(pattern));
        Ok(Self(pattern.map_err(|error| FormatError::Options { reason: error.to_string() })?))
    }

    /// Where the record at `start` ends, without its last line end and blank lines before that, and where the next one
    /// begins. `None` while that is not known: only the line that begins the next one, or the end, tells.
    ///
    /// # Cost
    /// O(its bytes), and one match a line.
    pub(super) fn record_at(
        &self,
        bytes: &[u8],
        start: usize,
        is_last: bool,
    ) -> Option<(usize, usize)> {
        let (mut end, mut next) = line_at(bytes, start, is_last)?;
        while next < bytes.len() {
            let (line_end, behind) = line_at(bytes, next, is_last)?;
            let line = &bytes[next..line_end];
            if self.0.is_match(line.strip_suffix(b"\r").unwrap_or(line)) {
                return Some((end, next));
            }
            if !line.trim_ascii().is_empty() {
                end = line_end;
            }
            next = behind;
        }
        is_last.then_some((end, next))
    }
}
