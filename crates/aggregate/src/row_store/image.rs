//! Rows as an image: in parts of so many, however they were cut where they came from.

use tidemill_record::image::{Image, ImageError};
use tidemill_record::{Batch, DataType};

use super::RowStore;

/// Rows of a part: so many are there once more while they are put.
pub(crate) const PART_ROWS: usize = 1 << 16;

/// Puts rows of these types, given in parts of [`PART_ROWS`] but for the last.
pub(crate) fn put_parts(
    image: &mut Image,
    types: &[DataType],
    parts: impl IntoIterator<Item = Batch>,
) {
    let parts = parts.into_iter().map(|rows| {
        let mut part = Image::new();
        part.put_batch("rows", &rows, types);
        part
    });
    image.put_images("parts", parts);
}

/// Takes rows that [`put_parts`] has put; fewer than can be numbered.
///
/// # Errors
/// [`ImageError`]
pub(crate) fn take_parts(image: &mut Image, types: &[DataType]) -> Result<Vec<Batch>, ImageError> {
    let mut parts = Vec::new();
    let mut row_count = 0;
    for (at, mut part) in image.take_images("parts")?.into_iter().enumerate() {
        let rows = part.take_batch("rows", types).and_then(|rows| part.end().map(|()| rows));
        let rows = rows.map_err(|error| error.within(&at.to_string()).within("parts"))?;
        row_count += rows.row_count();
        parts.push(rows);
    }
    match u32::try_from(row_count) {
        Ok(row_count) if row_count < u32::MAX => Ok(parts),
        _ => Err(ImageError::new("parts", "holds more rows than can be numbered")),
    }
}

impl RowStore {
    /// Puts these rows, in this order.
    pub(crate) fn export(&self, rows: &[u32], image: &mut Image) {
        put_parts(image, &self.input_types, rows.chunks(PART_ROWS).map(|rows| self.gather(rows)));
    }

    /// Takes over rows that were put, in their order; there are none yet.
    ///
    /// # Errors
    /// As [`take_parts`].
    pub(crate) fn import(&mut self, image: &mut Image) -> Result<(), ImageError> {
        take_parts(image, &self.input_types)?.into_iter().for_each(|rows| self.push(rows));
        Ok(())
    }
}
