//! Lines whose fields are the named groups of a regular expression.

use regex::{CaptureLocations, Regex, RegexBuilder};
use tidemill_plan::lines::ascii_classes;

use super::decode::{Line, fields_of};
use crate::text::Slot;
use crate::text::misfit::not_text;
use crate::text::slot::{RowSlots, Tag};
use crate::{DecoderSpec, FormatError};

/// A pattern, and the groups that are needed.
pub(super) struct Groups {
    pattern: Regex,
    /// For each column that is needed its group.
    groups: Vec<usize>,
    locations: CaptureLocations,
}

impl Groups {
    /// Of records of several lines `.` is also a line end.
    pub(super) fn new(
        pattern: &str,
        is_of_lines: bool,
        spec: &DecoderSpec<'_>,
    ) -> Result<Self, FormatError> {
        let pattern = RegexBuilder::new(&ascii_classes(pattern))
            .dot_matches_new_line(is_of_lines)
            .build()
            .map_err(|error| FormatError::Options { reason: error.to_string() })?;
        let groups = fields_of(spec, pattern.capture_names())?;
        Ok(Self { groups, locations: pattern.capture_locations(), pattern })
    }

    pub(super) fn take_apart(
        &mut self,
        line: Line<'_>,
        slots: &mut RowSlots<'_>,
    ) -> Result<(), String> {
        let text = &line.bytes[line.start..line.end];
        let text = simdutf8::compat::from_utf8(text)
            .map_err(|error| not_text(text, error.valid_up_to()))?;
        if self.pattern.captures_read(&mut self.locations, text).is_none() {
            return Err("the line does not match the option 'regex'".to_owned());
        }
        for (place, &group) in self.groups.iter().enumerate() {
            if let Some((from, to)) = self.locations.get(group) {
                slots.set(place, Slot::new(Tag::Text, line.start + from, line.start + to));
            }
        }
        Ok(())
    }
}
