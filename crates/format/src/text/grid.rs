//! Records that all have the same fields, as positions without a look at each.

/// Where the fields of such records end, and which of them are needed.
///
/// A field begins behind the position in front of the one at which it ends. Of records that stand behind each
/// other each has as many positions as fields, since one begins where the one before ends.
#[derive(Clone, Copy)]
pub(crate) struct Grid<'a> {
    /// The byte before the first record, then `row_count × stride` positions.
    pub(crate) stops: &'a [u32],
    /// Positions of a record, at least 1.
    pub(crate) stride: usize,
    /// For each needed column, which of a record's positions stands before its field.
    pub(crate) fields: &'a [usize],
    /// Whether all text of the records is known to be ASCII.
    pub(crate) is_ascii: bool,
}

impl Grid<'_> {
    /// Records.
    pub(crate) fn row_count(&self) -> usize {
        (self.stops.len() - 1) / self.stride
    }

    /// Start and end of each record, without its newline, where they stand behind each other.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut before = self.stops[0];
        self.stops[1..].chunks_exact(self.stride).map(move |ends| {
            let start = before.wrapping_add(1);
            before = ends[ends.len() - 1];
            (start, before)
        })
    }
}
