//! The first rows of partitions, as an image.

use tidemill_record::image::{Image, ImageError};

use super::TopNTable;
use crate::sort_order::bytes_of;

impl TopNTable {
    /// What it holds, to be made again by [`Self::import`]: the rows that are among the first of their partitions, by
    /// partition in order of first appearance, and then in order.
    ///
    /// # Cost
    /// O(rows), and a sort of them.
    #[must_use]
    pub fn export(&self) -> Image {
        // Of keys without an order no row was ever taken in.
        let mut numbered = self.numbers().unwrap_or_default();
        if let Some(keep) = self.keep() {
            numbered.retain(|&(_, number)| number <= keep);
        }
        let rows: Vec<u32> = numbered.into_iter().map(|(row, _)| row).collect();
        let mut image = Image::new();
        self.rows.export(&rows, &mut image);
        image
    }

    /// Takes over what a table of the same query has exported; only while it has seen nothing.
    ///
    /// # Errors
    /// [`ImageError`]; the table is of no use then.
    ///
    /// # Panics
    /// If it has rows.
    ///
    /// # Cost
    /// O(rows)
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        assert_eq!(self.rows.row_count(), 0, "there are no rows yet");
        let parts = crate::row_store::take_parts(&mut image, &self.spec.input_types)?;
        image.end()?;
        // All of them are needed, and none is looked at whether it is.
        let budget_bytes = std::mem::replace(&mut self.budget_bytes, u64::MAX);
        self.kept_count = usize::MAX;
        let taken = parts.iter().try_for_each(|rows| self.update(rows));
        self.budget_bytes = budget_bytes;
        self.kept_count = self.rows.row_count();
        let bounded = taken.and_then(|()| self.bound_full_partitions());
        bounded.map_err(|error| ImageError::new("parts", error.to_string()))
    }

    /// Notes how far the first rows of partitions reach that have all of theirs; rows are in order.
    fn bound_full_partitions(&mut self) -> Result<(), crate::AggregateError> {
        let Some(last) = self.keep().and_then(|keep| keep.checked_sub(1)) else { return Ok(()) };
        let codes = self.rows.codes(&self.spec.order, None, 0)?;
        let mut start = 0;
        for rows in self.groups.chunk_by(|one, other| one == other) {
            if last < rows.len() {
                self.bytes_max[rows[0] as usize] = bytes_of(codes[start + last]);
            }
            start += rows.len();
        }
        Ok(())
    }
}
