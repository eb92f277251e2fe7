//! Readers that make columns themselves, so that there is nothing to decode.

use tidemill_record::{Batch, Image, ImageError, Polled};
use tidemill_rt::Wake;

use crate::SourceError;

/// A reader of columns: the generator, numbers, and batches of the embedding program.
pub trait ColumnReader {
    /// Gives the next rows, at most `rows_max` (at least 1) and never none.
    ///
    /// # Errors
    /// Every error ends this reader.
    ///
    /// # Cost
    /// O(rows). Does not await.
    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError>;

    /// Where reading goes on, for [`Self::import`] of a reader that is made in the same way. `None` while it cannot say; it is asked again
    /// after the next batch.
    ///
    /// # Errors
    /// [`SourceError::NotResumable`] by name, unless the reader says otherwise.
    fn export(&self) -> Result<Option<Image>, SourceError> {
        Err(not_resumable("a source of the embedding program"))
    }

    /// Goes on where another one was as it exported this; only before the first batch.
    ///
    /// # Errors
    /// As [`Self::export`]; [`SourceError::Image`].
    fn import(&mut self, _: Image) -> Result<(), SourceError> {
        Err(not_resumable("a source of the embedding program"))
    }

    /// What makes it worth to ask again after `NotReady`.
    fn wake(&self) -> Wake<'static> {
        Wake::NOW
    }
}

pub(crate) fn not_resumable(what: &str) -> SourceError {
    SourceError::NotResumable {
        what: what.to_owned(),
        reason: "it does not say where it is; write what it gives to files, and read those"
            .to_owned(),
    }
}

/// The position of a reader that needs to know no more of itself.
pub(crate) fn export_position(position: u64) -> Image {
    let mut image = Image::new();
    image.put_one("position", position);
    image
}

/// Takes one of at most `row_count` from an image, of which nothing else is left.
pub(crate) fn import_position(
    mut image: Image,
    row_count: u64,
    what: &str,
) -> Result<u64, SourceError> {
    let position = image.take_one("position").and_then(|position| {
        image.end()?;
        match position > row_count {
            true => Err(ImageError::new("position", "is behind the last row")),
            false => Ok(position),
        }
    });
    position.map_err(|source| SourceError::Image { what: what.to_owned(), source })
}
