//! Rows that stay, and columns cut to them.

use std::cell::LazyCell;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, Int64Array, UInt32Array, UInt64Array};
use arrow_select::filter::{FilterBuilder, prep_null_mask_filter};
use arrow_select::take::take;
use tidemill_record::recycled::{Rows, pick};
use tidemill_record::{Batch, Columns, Places};

/// Rows of one batch after the other that stay. Its memory stays, too.
#[derive(Default)]
pub(crate) struct Selection {
    /// Their numbers, where rows that stay and rows that go alternate.
    rows: Vec<u32>,
    /// Else their runs.
    runs: Vec<Range<usize>>,
}

impl Selection {
    /// Runs shorter than this on average cost more to copy than their rows one by one.
    const RUN_ROWS_MIN: usize = 16;

    /// The rows of a batch for which `mask` is TRUE.
    pub(crate) fn keep(&mut self, batch: Batch, mask: &BooleanArray) -> Batch {
        let without_nulls;
        let mask = if mask.null_count() > 0 {
            without_nulls = prep_null_mask_filter(mask);
            &without_nulls
        } else {
            mask
        };
        if mask.true_count() == batch.row_count() {
            return batch;
        }
        self.select(mask);
        // What Arrow has to cut, it cuts by these.
        let filter = LazyCell::new(|| FilterBuilder::new(mask).optimize().build());
        let numbers = LazyCell::new(|| UInt32Array::from_iter_values(self.rows.iter().copied()));
        let cut = |array: &dyn Array| {
            if self.rows.is_empty() {
                return pick(&[array], Rows::Runs(&self.runs)).unwrap_or_else(|| {
                    filter.filter(array).expect("the mask has one value a row")
                });
            }
            pick(&[array], Rows::Of(&self.rows))
                .unwrap_or_else(|| take(array, &*numbers, None).expect("rows of this array"))
        };
        let columns: Columns = batch.columns().iter().map(|column| cut(&**column)).collect();
        let offsets: UInt64Array = cut(batch.offsets()).as_primitive().clone();
        let watermarks = batch.watermarks().map(|watermarks| {
            let watermarks = cut(&Int64Array::new(watermarks.clone(), None));
            watermarks.as_primitive::<Int64Type>().values().clone()
        });
        let places = batch.places().values(batch.row_count()).map_or(Places::None, |places| {
            let places = cut(&Int64Array::new(places, None));
            Places::Each(places.as_primitive::<Int64Type>().values().clone())
        });
        Batch::new(columns, offsets).with_watermarks(watermarks).with_places(places)
    }

    /// Notes the rows; `mask` has no NULLs.
    fn select(&mut self, mask: &BooleanArray) {
        self.rows.clear();
        self.runs.clear();
        let words = mask.values().bit_chunks();
        // A run begins at each bit that is set behind one that is not.
        let run_count: usize =
            words.iter_padded().map(|word| (word & !(word << 1)).count_ones() as usize).sum();
        if mask.len() > run_count * Self::RUN_ROWS_MIN || mask.len() > u32::MAX as usize {
            self.runs.extend(mask.values().set_slices().map(|(start, end)| start..end));
            return;
        }
        self.rows.resize(mask.len(), 0);
        let (mut row, mut count) = (0, 0);
        for mut word in words.iter_padded() {
            let left = mask.len() - row as usize;
            for _ in 0..left.min(64) {
                // Written whether it stays or not: a branch could not be foreseen.
                self.rows[count] = row;
                count += usize::from(word & 1 == 1);
                word >>= 1;
                row += 1;
            }
        }
        self.rows.truncate(count);
    }
}
