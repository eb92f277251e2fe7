//! Rows of a record batch that a filter keeps.
//!
//! The columns that it reads are converted, it says which rows stay, and of the other columns these rows alone are
//! converted. Record batches are as long as their writer liked, so that rows of several steps make a batch.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::DataType as ArrowType;
use arrow_select::concat::concat;
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use tidemill_record::{BadRecord, Batch, Columns};

use super::convert::{Fault, bad_record, without_faults};
use super::decode::ArrowDecoder;
use super::values::{Converted, Found};
use crate::parquet::sieve::Sieve;
use crate::{Filtered, FormatError, RowFilter};

/// Steps whose rows make one batch, at most.
const STEPS_MAX: usize = 16;

/// If fewer rows than one of so many stay, a text is copied and not seen where it is, as one of few.
const COPIED_ROWS: usize = 8;

impl ArrowDecoder {
    /// As [`crate::Decoder::filter_rows`].
    pub(crate) fn filter_by(&mut self, columns: &[usize], filter: Box<dyn RowFilter>) {
        self.sieve = Some(Sieve::new(filter, columns, self.columns.len()));
    }

    /// As [`crate::Decoder::take_filtered`].
    pub(crate) fn take_filtered(&mut self) -> Option<Filtered> {
        self.sieve.as_mut().map(Sieve::take_filtered)
    }

    /// The next rows of the record batch at hand that stay; `None` at its end.
    pub(super) fn next_kept(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        let (mut pieces, mut kept_count): (Vec<Batch>, usize) = (Vec::new(), 0);
        while pieces.len() < STEPS_MAX && kept_count <= self.batch_rows / 2 {
            let Some((rows, given)) = &self.rows else { break };
            let row_count = (self.batch_rows - kept_count).min(rows.num_rows() - given);
            if row_count == 0 {
                self.rows = None;
                break;
            }
            let piece = self.kept_of(row_count, bad)?;
            if piece.row_count() > 0 {
                kept_count += piece.row_count();
                pieces.push(piece);
            }
        }
        if pieces.len() <= 1 {
            return Ok(pieces.pop());
        }
        let joined = |of: &dyn Fn(&Batch) -> &dyn Array| {
            let arrays: Vec<&dyn Array> = pieces.iter().map(of).collect();
            concat(&arrays).expect("arrays of one type, of few rows")
        };
        let columns =
            (0..self.columns.len()).map(|place| joined(&|piece| piece.column(place).as_ref()));
        let columns: Columns = columns.collect();
        let offsets = joined(&|piece| piece.offsets()).as_primitive().clone();
        Ok(Some(Batch::new(columns, offsets)))
    }

    /// Those of the next `row_count` rows that stay.
    fn kept_of(
        &mut self,
        row_count: usize,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, FormatError> {
        let (start, column_count) = (self.row_count, self.columns.len());
        let found = (0..column_count).map(|place| self.found(place, row_count));
        let found: Vec<Option<ArrayRef>> = found.collect::<Result<_, _>>()?;
        let sieve = self.sieve.as_mut().expect("there is a filter");
        let conversion = self.conversion.as_mut().expect("record batches come behind the schema");
        let mut faults: Vec<Fault> = Vec::new();
        let mut values = Columns::new();
        for &place in sieve.columns() {
            let from = found[place].as_ref().map(Found::plain);
            let converted = conversion.convert(place, from, row_count, start)?;
            values.push(conversion.noted(place, converted, &mut faults));
        }
        let kept = BooleanArray::from(sieve.judge(&values, &faults, row_count, start));
        // Of several faults of a row, that of the first column counts.
        faults.sort_by_key(|(row, ..)| *row);
        faults.dedup_by_key(|(row, ..)| *row);
        let at_fault = faults.drain(..);
        let mut bad_here: Vec<BadRecord> = at_fault
            .map(|(row, column, reason)| bad_record(start + row as u64, column, reason))
            .collect();
        let kept_count = kept.true_count();
        let picked = Picked::new(&kept, kept_count);
        let mut others = Columns::new();
        for &place in sieve.others() {
            let from = found[place].as_ref().map(|array| picked.before(array));
            let from = from.transpose().map_err(|source| FormatError::Arrow {
                what: "leaving out rows of Arrow".to_owned(),
                position: start,
                source,
            })?;
            let count = from.as_ref().map_or(kept_count, |array| array.len());
            let converted =
                conversion.convert(place, from.as_ref().map(Found::plain), count, start)?;
            let converted = picked.behind(converted, kept_count);
            others.push(conversion.noted(place, converted, &mut faults));
        }
        let offsets = kept.values().set_indices().map(|row| start + row as u64);
        let offsets: UInt64Array = offsets.collect::<Vec<_>>().into();
        let values: Vec<ArrayRef> = values.iter().map(|value| picked.rows(value)).collect();
        let columns = sieve.in_order(values, others);
        let batch = without_faults(columns, offsets, faults, &mut bad_here);
        bad_here.sort_by_key(|bad| bad.offset);
        bad.append(&mut bad_here);
        if let Some((_, given)) = &mut self.rows {
            *given += row_count;
        }
        self.row_count += row_count as u64;
        Ok(batch)
    }
}

/// Rows that stay.
struct Picked {
    /// `None` where all do.
    predicate: Option<FilterPredicate>,
    is_few: bool,
}

impl Picked {
    fn new(kept: &BooleanArray, kept_count: usize) -> Self {
        let is_few = kept_count < kept.len() / COPIED_ROWS;
        let predicate =
            (kept_count < kept.len()).then(|| FilterBuilder::new(kept).optimize().build());
        Self { predicate, is_few }
    }

    /// What is to be converted of a column: the rows that stay, or all of them, of a text that then is not copied. No text is out of a
    /// range, so that rows which do not stay are no faults.
    fn before(&self, array: &ArrayRef) -> Result<ArrayRef, arrow_schema::ArrowError> {
        let is_copied = matches!(
            array.data_type(),
            ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Binary | ArrowType::LargeBinary
        );
        match &self.predicate {
            Some(predicate) if self.is_few || !is_copied => predicate.filter(array),
            _ => Ok(ArrayRef::clone(array)),
        }
    }

    /// The rows that stay of what has been converted of that.
    fn behind(&self, converted: Converted, kept_count: usize) -> Converted {
        if converted.array.len() == kept_count {
            return converted;
        }
        Converted::whole(self.rows(&converted.array))
    }

    fn rows(&self, array: &ArrayRef) -> ArrayRef {
        match &self.predicate {
            Some(predicate) => predicate.filter(array).expect("as many rows as the filter"),
            None => ArrayRef::clone(array),
        }
    }
}
