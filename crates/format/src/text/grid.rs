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
        let mut before = self.stops[0];
        self.stops[1..].chunks_exact(self.field_count).map(move |ends| {
            let start = before.wrapping_add(1);
            before = ends[ends.len() - 1];
            (start, before)
        })
    }
}
