//! Tables that are cut: exported, and made again from the image by a fresh one that goes on in their place.
//!
//! Outputs are compared as images, which hold every bit of them. [`damage`] has images that nothing exported.

mod damage;
mod gathering;
mod over;
mod rows;
pub(crate) mod stages;
mod tables;
mod windows;

use tidemill_record::image::Image;
use tidemill_record::{Batch, DataType};

use crate::values::Random;

/// Rows of these types as an image, in which nothing that differs is equal.
pub(crate) fn image_of(types: &[DataType], rows: Option<&Batch>) -> Image {
    let mut image = Image::new();
    if let Some(rows) = rows {
        image.put_batch("rows", rows, types);
    }
    image
}

/// The same rows in batches of so many.
pub(crate) fn cut_by(whole: &Batch, batch_rows: usize) -> Vec<Batch> {
    let starts = (0..whole.row_count()).step_by(batch_rows);
    starts.map(|start| whole.slice(start, batch_rows.min(whole.row_count() - start))).collect()
}

/// Calls `go_on` with each batch, and `cut` in between at random.
pub(crate) fn with_cuts<T>(
    random: &mut Random,
    mut table: T,
    batches: &[Batch],
    mut go_on: impl FnMut(&mut T, &Batch),
    mut cut: impl FnMut(T) -> T,
) -> T {
    for batch in batches {
        if random.below(3) == 0 {
            table = cut(table);
        }
        go_on(&mut table, batch);
    }
    cut(table)
}
