//! Columns of one partition's records, in offset order.

use arrow_array::{ArrayRef, UInt64Array};
use arrow_buffer::ScalarBuffer;

use smallvec::SmallVec;

use crate::{Cause, EventTime, Places};

/// Columns of one batch; a few of them are no allocation.
pub type Columns = SmallVec<[ArrayRef; 8]>;

/// Columns of records of one partition, in offset order.
///
/// Every column and `offsets` hold exactly `row_count` rows. A batch may have no columns at all
/// (`SELECT COUNT(*)`), so the row count is kept beside them. Column types are those that
/// [`crate::DataType::arrow`] gives for the schema that the stage's plan states; the batch itself
/// carries no names.
#[derive(Clone, Debug)]
pub struct Batch {
    columns: Columns,
    offsets: UInt64Array,
    /// One value a row where there are any.
    watermarks: Option<ScalarBuffer<i64>>,
    places: Places,
    cause: Cause,
}

impl Batch {
    /// Makes a batch from columns and the source offset of each row (never NULL).
    ///
    /// # Panics
    /// If a column's length is not that of `offsets`.
    #[must_use]
    pub fn new(columns: impl Into<Columns>, offsets: UInt64Array) -> Self {
        let columns = columns.into();
        for column in &columns {
            assert_eq!(column.len(), offsets.len(), "every column has one value a row");
        }
        let (places, cause) = (Places::None, Cause::Own);
        Self { columns, offsets, watermarks: None, places, cause }
    }

    /// The same rows, each with the watermark of its partition as the row arrived: what the records
    /// before it made, in microseconds ([`EventTime`]); `i64::MIN` while there is none.
    ///
    /// # Panics
    /// If there is not one for each row.
    #[must_use]
    pub fn with_watermarks(mut self, watermarks: Option<ScalarBuffer<i64>>) -> Self {
        if let Some(watermarks) = &watermarks {
            assert_eq!(watermarks.len(), self.offsets.len(), "every row has one watermark");
        }
        self.watermarks = watermarks;
        self
    }

    /// The same rows, with the place of each among those that have left tables.
    ///
    /// # Panics
    /// If there is not one for each row.
    #[must_use]
    pub fn with_places(mut self, places: Places) -> Self {
        self.set_places(places);
        self
    }

    /// As [`Self::with_places`], in place.
    ///
    /// # Panics
    /// As there.
    pub fn set_places(&mut self, places: Places) {
        if let Places::Each(places) = &places {
            assert_eq!(places.len(), self.offsets.len(), "every row has one place");
            debug_assert!(places.is_sorted(), "rows stand in the order in which they left");
        }
        self.places = places;
    }

    /// The same rows, made known by other records than those at their offsets.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Where the rows stand among those that have left tables.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Takes out what made the rows known; it is that of rows that have just left a table, and no stage
    /// behind it keeps it.
    #[must_use]
    pub fn take_cause(&mut self) -> Cause {
        std::mem::take(&mut self.cause)
    }

    /// Number of rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.offsets.len()
    }

    /// The columns, in schema order.
    #[must_use]
    pub fn columns(&self) -> &[ArrayRef] {
        &self.columns
    }

    /// One column.
    ///
    /// # Panics
    /// If there are not more than `index` columns.
    #[must_use]
    pub fn column(&self, index: usize) -> &ArrayRef {
        &self.columns[index]
    }

    /// For each row, the [`crate::Offset`] of the input record that caused it.
    ///
    /// Rows that no single record caused (a group's final row) carry the offset of the last record
    /// before they left; it is for addresses in messages, never for results.
    #[must_use]
    pub fn offsets(&self) -> &UInt64Array {
        &self.offsets
    }

    /// For each row, the watermark as it arrived, never descending; `None` where no stage asked
    /// for them, or where no record made the rows. A row is late by its own entry alone, so that
    /// lateness does not depend on how records were cut into batches.
    #[must_use]
    pub fn watermarks(&self) -> Option<&ScalarBuffer<i64>> {
        self.watermarks.as_ref()
    }

    /// The watermark as a row arrived; [`EventTime::MIN`] where there is none.
    #[must_use]
    #[inline]
    pub fn watermark_before(&self, row: usize) -> EventTime {
        self.watermarks.as_ref().map_or(EventTime::MIN, |watermarks| EventTime(watermarks[row]))
    }

    /// Takes the batch apart: columns and offsets.
    #[must_use]
    pub fn into_parts(self) -> (Columns, UInt64Array) {
        (self.columns, self.offsets)
    }

    /// Rows `[start, start + row_count)`, sharing the same buffers.
    #[must_use]
    pub fn slice(&self, start: usize, row_count: usize) -> Self {
        Self {
            columns: self.columns.iter().map(|c| c.slice(start, row_count)).collect(),
            offsets: self.offsets.slice(start, row_count),
            watermarks: self.watermarks.as_ref().map(|w| w.slice(start, row_count)),
            places: self.places.slice(start, row_count),
            cause: Cause::Own,
        }
    }
}
