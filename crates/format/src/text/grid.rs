//! Records that all have the same fields, as positions without a look at each.

/// Where the fields of such records end, and which of them are needed.
#[derive(Clone, Copy)]
pub(crate) struct Grid<'a> {
    /// The byte before the first record, then `row_count × field_count` ends of fields.
    pub(crate) stops: &'a [u32],
    /// Fields of a record, at least 1.
    pub(crate) field_count: usize,
    /// The field of each needed column.
    pub(crate) fields: &'a [usize],
    /// Whether all text of the records is known to be ASCII.
    pub(crate) is_ascii: bool,
}

impl Grid<'_> {
    /// Records.
    pub(crate) fn row_count(&self) -> usize {
        (self.stops.len() - 1) / self.field_count
    }

    /// Start and end of each record, without its newline.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let ends = self.stops[1..].iter().skip(self.field_count - 1).step_by(self.field_count);
        let starts = self.stops.iter().step_by(self.field_count);
        starts.zip(ends).map(|(before, end)| (before.wrapping_add(1), *end))
    }
}
