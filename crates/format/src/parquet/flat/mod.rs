//! Columns without members, read from their pages straight into the types of SQL.
//!
//! [`shape`] says which. A file's pages are unpacked by `parquet`; what they hold is looked at here: definition levels and codes
//! ([`hybrid`]), numbers ([`fixed`]) and texts ([`texts`]), and made into arrays ([`store`]). Of rows that a filter has left out nothing is
//! made, and pages without another row are not even unpacked ([`pages`]). What has members, repeats or is
//! packed otherwise is left to `parquet`'s own reader.

mod fixed;
mod hybrid;
mod pages;
mod shape;
mod store;
mod texts;

pub(super) use self::shape::Shape;

use ::parquet::errors::ParquetError;
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::ColumnDescriptor;
use tidemill_record::recycled::Validity;

use self::pages::{NULL, Next, Pages};
use self::store::Store;
use super::chunks::Chunks;
use crate::arrow::values::Converted;

/// One column of the row group at hand.
pub(super) struct FlatColumn {
    pages: Pages,
    values: Store,
    /// Codes of the rows that are read; reused.
    codes: Vec<u32>,
}

impl FlatColumn {
    pub(super) fn new(
        shape: Shape,
        pages: SerializedPageReader<Chunks>,
        leaf: &ColumnDescriptor,
    ) -> Self {
        let values = Store::new(shape);
        Self { pages: Pages::new(pages, leaf), values, codes: Vec::new() }
    }

    /// Reads of the next `row_count` rows those that are `kept`, ascending; or all.
    ///
    /// # Errors
    /// The pages contradict themselves, or end before. The column is of no use afterwards.
    ///
    /// # Cost
    /// O(rows), and for texts of plain pages, O(rows before the last one that is kept).
    pub(super) fn read(
        &mut self,
        row_count: usize,
        kept: Option<&[u32]>,
    ) -> Result<Converted, ParquetError> {
        let kept_count = kept.map_or(row_count, <[u32]>::len);
        let mut validity = Validity::new(kept_count);
        self.values.reserve(kept_count);
        // Rows that are behind, and how many of them were kept.
        let (mut first, mut kept_before) = (0, 0);
        while first < row_count {
            let left = row_count - first;
            if kept.is_some_and(|kept| kept_before == kept.len()) {
                self.pages.skip(left);
                break;
            }
            let count = match self.pages.next()? {
                Next::Rows(count) => count.min(left),
                Next::Dictionary(bytes, count) => {
                    self.values.set_dictionary(&bytes, count)?;
                    continue;
                }
            };
            let end = first + count;
            let of_run = kept.map(|kept| {
                let rest = &kept[kept_before..];
                &rest[..rest.partition_point(|row| (*row as usize) < end)]
            });
            let run_rows = of_run.map_or(count, <[u32]>::len);
            if run_rows == 0 {
                self.pages.skip(count);
            } else {
                let run = self.pages.run(count, of_run, first)?;
                if let Some(places) = run.places
                    && places.contains(&NULL)
                {
                    let nulls =
                        places.iter().zip(kept_before..).filter(|(place, _)| **place == NULL);
                    nulls.for_each(|(_, row)| validity.set_null(row));
                }
                self.values.append(run, &mut self.codes)?;
            }
            first = end;
            kept_before += run_rows;
        }
        Ok(self.values.finish(validity.finish()))
    }

    /// Leaves out rows.
    pub(super) fn skip(&mut self, row_count: usize) {
        self.pages.skip(row_count);
    }

    /// Bytes of the pages at hand, as they were unpacked.
    pub(super) fn held_bytes(&self) -> usize {
        self.pages.held_bytes()
    }

    /// Whether all rows are behind.
    ///
    /// # Errors
    /// A page cannot be read.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ParquetError> {
        self.pages.is_at_end()
    }
}
