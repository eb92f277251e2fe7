//! Records that all have the same fields, as positions without a look at each.

use super::slot::{Slot, Tag};

/// Where the fields of such records end, and which of them are needed.
pub(crate) struct Grid<'a> {
    /// The byte before the first record, then `row_count × field_count` ends of fields.
    pub(crate) stops: &'a [u32],
    /// Fields of a record, at least 1.
    pub(crate) field_count: usize,
    /// For each needed column where it is; `None` where no record has it.
    pub(crate) columns: &'a [Option<GridColumn>],
}

/// A needed column of a [`Grid`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct GridColumn {
    /// Its field, less than the count of fields.
    pub(crate) field: usize,
    /// Bytes of the field before the value.
    pub(crate) prefix_len: u32,
    /// Bytes of the field behind the value; a field is at least as long as both.
    pub(crate) suffix_len: u32,
    /// What the value is.
    pub(crate) tag: Tag,
    /// Whether nothing between stands for NULL.
    pub(crate) is_empty_null: bool,
}

impl Grid<'_> {
    /// Start and end of each record, without its newline.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let ends = self.stops[1..].iter().skip(self.field_count - 1).step_by(self.field_count);
        let starts = self.stops.iter().step_by(self.field_count);
        starts.zip(ends).map(|(before, end)| (before.wrapping_add(1), *end))
    }

    /// The slot of a column in each record.
    #[inline(always)]
    pub(crate) fn slots(&self, column: usize) -> impl Iterator<Item = Slot> {
        let column = self.columns[column];
        let field = column.map_or(0, |column| column.field);
        let pairs = self.stops[field..].windows(2).step_by(self.field_count);
        pairs.map(move |pair| {
            let (Some(column), [before, stop]) = (column, pair) else { return Slot::NULL };
            let start = before.wrapping_add(1) + column.prefix_len;
            let len = stop - column.suffix_len - start;
            if len == 0 && column.is_empty_null {
                return Slot::NULL;
            }
            Slot::at(column.tag, start, len)
        })
    }
}
