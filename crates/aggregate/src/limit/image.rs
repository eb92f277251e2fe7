//! First rows, and how many more there may be, as images.

use tidemill_record::image::{Image, ImageError};

use super::{Limit, LimitTable};
use crate::compact::woven;
use crate::row_store::{PART_ROWS, put_parts, take_parts};

impl Limit {
    /// What is left of it, to be made again by [`Self::import`].
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("skip", self.skip);
        image.put_option("keep", self.keep);
        image
    }

    /// Goes on where one of the same query was; only before the first row.
    ///
    /// # Errors
    /// [`ImageError`]
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let skip = image.take_one("skip")?;
        let keep = image.take_option("keep")?;
        image.end()?;
        // `None` is less than any number.
        if skip > self.skip || keep > self.keep || keep.is_some() != self.keep.is_some() {
            return Err(ImageError::new("keep", "is not what is left of this limit"));
        }
        *self = Self { skip, keep };
        Ok(())
    }
}

impl LimitTable {
    /// What it holds, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// O(rows)
    #[must_use]
    pub fn export(&self) -> Image {
        let batches = self.batches.iter().enumerate();
        let places =
            batches.flat_map(|(at, batch)| (0..batch.row_count()).map(move |row| (at, row)));
        let places: Vec<(usize, usize)> = places.collect();
        let parts = places.chunks(PART_ROWS).map(|places| woven(&self.batches, places));
        let mut image = Image::new();
        put_parts(&mut image, &self.input_types, parts);
        image
    }

    /// Takes over what a table of the same query has exported; only while it has seen nothing.
    ///
    /// # Errors
    /// [`ImageError`], also for more rows than matter.
    ///
    /// # Panics
    /// If it has rows.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        assert_eq!(self.row_count, 0, "there are no rows yet");
        take_parts(&mut image, &self.input_types)?.into_iter().for_each(|rows| self.push(rows));
        image.end()?;
        if self.spec.needed().is_some_and(|needed| self.row_count > needed) {
            return Err(ImageError::new("parts", "holds more rows than the limit"));
        }
        Ok(())
    }
}
