//! Rows that are put in order, as an image.

use tidemill_record::image::{Image, ImageError};

use super::SortTable;
use crate::sort_order::{bytes_of, row_of};

impl SortTable {
    /// What it holds, to be made again by [`Self::import`]: all rows as they came, or with a limit those that are needed,
    /// in order.
    ///
    /// # Cost
    /// O(rows), and with a limit a sort of them.
    #[must_use]
    pub fn export(&self) -> Image {
        let needed = self.needed.map(|needed| self.first_rows(needed));
        let rows = match needed {
            Some(Ok(codes)) => codes.into_iter().map(row_of).collect(),
            // A key without an order is refused when rows are put in order.
            None | Some(Err(_)) => (0..).take(self.rows.row_count()).collect::<Vec<u32>>(),
        };
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
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        assert_eq!(self.rows.row_count(), 0, "there are no rows yet");
        self.rows.import(&mut image)?;
        image.end()?;
        let last = self.needed.and_then(|needed| needed.checked_sub(1));
        let last = last.filter(|&last| last < self.rows.row_count());
        if let Some(last) = last.and_then(|last| u32::try_from(last).ok()) {
            let code = self.rows.code(&self.spec.keys, last).ok();
            self.bytes_max = code.map(bytes_of);
        }
        Ok(())
    }
}
