//! Records that all have the same fields, as positions without a look at each.

use super::slot::{Slot, Tag};

/// Where the fields of such records end, and which of them are needed.
pub(crate) struct Grid<'a> {
    /// The byte before the first record, then `row_count × field_count` ends of fields.
    pub(crate) stops: &'a [u32],
    /// Fields of a record, at least 1.
    pub(crate) field_count: usize,
    /// The field of each needed column.
    pub(crate) fields: &'a [usize],
}

impl Grid<'_> {
    /// Start and end of each record, without its newline.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let ends = self.stops[1..].iter().skip(self.field_count - 1).step_by(self.field_count);
        let starts = self.stops.iter().step_by(self.field_count);
        starts.zip(ends).map(|(before, end)| (before.wrapping_add(1), *end))
    }

    /// Appends the slot of a column in each record: text or, where there is none, NULL.
    pub(crate) fn slots(&self, column: usize, out: &mut Vec<Slot>) {
        let row_count = (self.stops.len() - 1) / self.field_count;
        let first = out.len();
        out.resize(first + row_count, Slot::NULL);
        let mut at = self.fields[column];
        for slot in &mut out[first..] {
            let start = self.stops[at].wrapping_add(1);
            let len = self.stops[at + 1].wrapping_sub(start);
            *slot = if len == 0 { Slot::NULL } else { Slot::at(Tag::Text, start, len) };
            at += self.field_count;
        }
    }
}
