//! Columns without members, read from their pages straight into the types of SQL.
//!
//! [`shape`] says which. Pages are unpacked to memory of pages before ([`crate::unpack`]); what they hold is looked at here: definition levels and codes
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
use ::parquet::schema::types::ColumnDescriptor;
use tidemill_record::recycled::{PartMemory, Validity};

use self::pages::{NULL, Next, OfRows, Pages};
use self::store::Store;
use super::stored::StoredPages;
use crate::arrow::values::Converted;
use crate::unpack::Unpacker;

/// One column of the row group at hand.
pub(super) struct FlatColumn {
    pages: Pages,
    values: Store,
    kept: Kept,
}

/// What a column of a row group leaves to that of the next one.
#[derive(Default)]
pub(super) struct Kept {
    /// What pages were unpacked to.
    memory: PartMemory,
    of_rows: OfRows,
    /// Codes of the rows that are read.
    codes: Vec<u32>,
}

impl FlatColumn {
    pub(super) fn new(
        shape: Shape,
        pages: StoredPages,
        leaf: &ColumnDescriptor,
        kept: Kept,
    ) -> Self {
        Self { pages: Pages::new(pages, leaf), values: Store::new(shape), kept }
    }

    /// What the same column of another row group can use.
    pub(super) fn into_kept(self) -> Kept {
        self.kept
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
        unpacker: &mut Unpacker,
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
            let count = match self.pages.next(unpacker, &mut self.kept)? {
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
                let run = self.pages.run(count, of_run, first, &mut self.kept.of_rows)?;
                if let Some(places) = run.places {
                    validity.set_nulls(kept_before, places, |place| *place == NULL);
                }
                self.values.append(run, &mut self.kept.codes)?;
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
