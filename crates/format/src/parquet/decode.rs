//! Row groups to batches: some thousand rows of all columns at a time.
//!
//! With a filter its columns come first, and of the others only the rows that it keeps. Where those are few, the
//! rows of several such steps make one batch.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, UInt64Array};
use arrow_select::concat::concat;
use arrow_select::filter::filter;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{BadRecord, Batch, Columns, FrameBytes, Frames};

use super::chunks::{Chunks, LentGroup};
use super::group::{Group, GroupKept, Needed, Rows, contradicts};
use super::sieve::Sieve;
use super::{Footer, Selection};
use crate::arrow::convert::{Fault, bad_record, without_faults};
use crate::caught::caught;
use crate::lost::{take_counts, take_place};
use crate::row_filter::{Filtered, RowFilter};
use crate::{DecoderSpec, FormatError, LeftOut, lost};

/// Steps whose rows make one batch at most: as long, what they are views of is held.
const STEPS_MAX: usize = 16;

/// Decodes the row groups of one file.
pub(crate) struct ParquetDecoder {
    // Fixed at construction.
    footer: Arc<Footer>,
    needed: Needed,
    batch_rows: usize,
    /// Bytes that a row group may take.
    group_bytes_max: usize,
    left_out: Vec<LeftOut>,
    /// Rows of the file that are read of its row groups.
    rows: Range<u64>,
    // Changes with every row group.
    selection: Selection,
    sieve: Option<Sieve>,
    group: Option<Group>,
    /// Of the row group before.
    kept_of_group: GroupKept,
    /// Of the row group that was begun last: the row number behind its rows, and the place behind it.
    end_row: u64,
    ended_count: usize,
    /// What makes the next batch.
    pieces: Vec<Batch>,
    /// Rows of a step that are kept; reused.
    kept: Vec<u32>,
}

impl ParquetDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, footer: Arc<Footer>) -> Result<Self, FormatError> {
        let selection = match spec.is_union {
            true => footer.selection_of_union(spec.schema, spec.columns)?,
            false => footer.selection(spec.schema, spec.columns)?,
        };
        let needed = footer.needed(&selection)?;
        let left_out = match spec.is_inferred {
            true => lost::found_beside(footer.found(), spec.schema),
            false => Vec::new(),
        };
        Ok(Self {
            footer,
            needed,
            batch_rows: spec.batch_rows.max(1),
            group_bytes_max: usize::MAX,
            left_out,
            rows: 0..u64::MAX,
            selection,
            sieve: None,
            group: None,
            kept_of_group: GroupKept::default(),
            end_row: 0,
            ended_count: 0,
            pieces: Vec::new(),
            kept: Vec::new(),
        })
    }

    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn limit_parts(&mut self, bytes_max: usize) {
        self.group_bytes_max = bytes_max;
    }

    /// As [`crate::Decoder::limit_rows`].
    pub(crate) fn limit_rows(&mut self, rows: Range<u64>) {
        self.rows = rows;
    }

    /// As [`crate::Decoder::filter_rows`].
    pub(crate) fn filter_by(&mut self, columns: &[usize], filter: Box<dyn RowFilter>) {
        self.sieve = Some(Sieve::new(filter, columns, self.needed.columns.len()));
    }

    /// As [`crate::Decoder::take_filtered`].
    pub(crate) fn take_filtered(&mut self) -> Option<Filtered> {
        self.sieve.as_mut().map(Sieve::take_filtered)
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        let FrameBytes::RowGroup { index, start, ranges } = frames.bytes else {
            return Err(FormatError::Frames {
                reason: "Parquet is decoded from row groups, not from sequential frames".to_owned(),
            });
        };
        self.end_group();
        let Some(row_count) = self.footer.row_groups().get(index).map(|group| group.row_count)
        else {
            let reason = format!("there is no row group {index} in the footer");
            return Err(FormatError::Frames { reason });
        };
        let byte_count: usize = ranges.iter().map(|(_, bytes)| bytes.len()).sum();
        if byte_count > self.group_bytes_max {
            return Err(FormatError::TooLarge {
                what: format!("Parquet row group {index}"),
                byte_count: byte_count as u64,
                bytes_max: self.group_bytes_max as u64,
                remedy: "write smaller row groups".to_owned(),
            });
        }
        let metadata = self.footer.metadata();
        let lent = LentGroup {
            metadata,
            group: metadata.row_group(index),
            index,
            chunks: Arc::new(Chunks::new(ranges, self.footer.file_bytes())),
            leaves: &[],
        };
        // Buffers are reserved for as many rows as a batch may have.
        let batch_rows =
            self.batch_rows.min(usize::try_from(row_count).unwrap_or(usize::MAX)).max(1);
        let of_group = start.0..start.0.saturating_add(row_count);
        let first = self.rows.start.clamp(of_group.start, of_group.end);
        let rows = first..self.rows.end.clamp(first, of_group.end);
        let (needed, columns) = (&self.needed, self.footer.columns());
        let kept = std::mem::take(&mut self.kept_of_group);
        let group = caught(|| Group::new(&lent, of_group, rows, needed, columns, batch_rows, kept))
            .ok_or_else(|| contradicts(index, start.0))?;
        let mut group = group?;
        group.lent_bytes = byte_count;
        (self.end_row, self.ended_count) = (group.end_row, index + 1);
        self.group = Some(group);
        Ok(())
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        while let Some(group) = &mut self.group {
            let piece_rows: usize = self.pieces.iter().map(Batch::row_count).sum();
            let is_whole = group.is_whole_batches() || self.sieve.is_none();
            let is_enough = piece_rows > 0
                && (is_whole || piece_rows > self.batch_rows / 2 || self.pieces.len() == STEPS_MAX);
            if is_enough {
                break;
            }
            let left = usize::try_from(group.end_row - group.row).unwrap_or(usize::MAX);
            let row_count = left.min(self.batch_rows - piece_rows);
            if row_count == 0 {
                group.end()?;
                self.end_group();
                break;
            }
            group.advance(row_count)?;
            let batch = match self.sieve {
                Some(_) => self.step_filtered(row_count, bad)?,
                None => self.step(row_count, bad)?,
            };
            self.pieces.push(batch);
            if let Some(group) = &mut self.group {
                group.row += row_count as u64;
            }
        }
        Ok(self.take_batch())
    }

    fn end_group(&mut self) {
        if let Some(group) = self.group.take() {
            self.kept_of_group = group.into_kept();
        }
    }

    /// The rows at hand, of all columns.
    fn step(&mut self, row_count: usize, bad: &mut Vec<BadRecord>) -> Result<Batch, FormatError> {
        let group = self.group.as_mut().expect("rows are of a row group");
        let conversion = self.selection.conversion_mut();
        let mut faults: Vec<Fault> = Vec::new();
        let mut columns = Columns::with_capacity(self.needed.columns.len());
        let rows = Rows { count: row_count, kept: None };
        for place in 0..self.needed.columns.len() {
            let converted = group.column(place, rows, conversion)?;
            columns.push(conversion.noted(place, converted, &mut faults));
        }
        let offsets = UInt64Array::from_iter_values((group.row..).take(row_count));
        Ok(without_faults(columns, offsets, faults, bad))
    }

    /// Those of the rows at hand that the filter keeps.
    fn step_filtered(
        &mut self,
        row_count: usize,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, FormatError> {
        let group = self.group.as_mut().expect("rows are of a row group");
        let sieve = self.sieve.as_mut().expect("there is a filter");
        let conversion = self.selection.conversion_mut();
        let start = group.row;
        let mut faults: Vec<Fault> = Vec::new();
        let mut values = Columns::new();
        let rows = Rows { count: row_count, kept: None };
        for &place in sieve.columns() {
            let converted = group.column(place, rows, conversion)?;
            values.push(conversion.noted(place, converted, &mut faults));
        }
        let kept = BooleanArray::from(sieve.judge(&values, &faults, row_count, start));
        let kept_count = kept.true_count();
        let mut bad_here: Vec<BadRecord> = Vec::new();
        // Of several faults of a row, that of the first column counts.
        faults.sort_by_key(|(row, ..)| *row);
        faults.dedup_by_key(|(row, ..)| *row);
        bad_here.extend(
            faults
                .drain(..)
                .map(|(row, column, reason)| bad_record(start + row as u64, column, reason)),
        );
        let is_all = kept_count == row_count;
        if !is_all {
            for value in &mut values {
                *value = filter(value, &kept).expect("as many rows as the filter");
            }
        }
        self.kept.clear();
        let offsets = if is_all {
            UInt64Array::from_iter_values((start..).take(row_count))
        } else {
            let rows = kept.values().set_indices();
            self.kept.extend(rows.map(|row| u32::try_from(row).expect("at most 65,536 rows")));
            UInt64Array::from_iter_values(self.kept.iter().map(|row| start + u64::from(*row)))
        };
        let kept = (!is_all).then_some((self.kept.as_slice(), &kept));
        let rows = Rows { count: row_count, kept };
        let mut others = Columns::new();
        for &place in sieve.others() {
            if kept_count == 0 {
                group.skip(place, row_count);
                let nothing = conversion.convert(place, None, 0, start)?;
                others.push(nothing.array);
                continue;
            }
            let converted = group.column(place, rows, conversion)?;
            others.push(conversion.noted(place, converted, &mut faults));
        }
        let columns = sieve.in_order(values, others);
        let batch = without_faults(columns, offsets, faults, &mut bad_here);
        bad_here.sort_by_key(|bad| bad.offset);
        bad.append(&mut bad_here);
        Ok(batch)
    }

    /// The rows of all pieces; `None` where there are none.
    fn take_batch(&mut self) -> Option<Batch> {
        self.pieces.retain(|piece| piece.row_count() > 0);
        if self.pieces.len() <= 1 {
            return self.pieces.pop();
        }
        let joined = |of: &dyn Fn(&Batch) -> &dyn Array| {
            let arrays: Vec<&dyn Array> = self.pieces.iter().map(of).collect();
            concat(&arrays).expect("arrays of one type, of few rows")
        };
        let columns: Columns = (0..self.needed.columns.len())
            .map(|place| joined(&|piece| piece.column(place).as_ref()))
            .collect();
        let offsets = joined(&|piece| piece.offsets()).as_primitive().clone();
        self.pieces.clear();
        Some(Batch::new(columns, offsets))
    }

    /// The row that comes next, by its number in the file, as far as row groups have been lent.
    pub(crate) fn next_row(&self) -> u64 {
        debug_assert!(self.pieces.is_empty(), "what was read has been given");
        self.group.as_ref().map_or(self.end_row, |group| group.row)
    }

    /// The row group that is at hand, or else the one behind the last.
    pub(crate) fn next_group(&self) -> usize {
        self.group.as_ref().map_or(self.ended_count, |group| group.index)
    }

    /// As [`crate::Decoder::is_within_part`].
    pub(crate) fn is_within_group(&self) -> bool {
        self.group.is_some()
    }

    /// As [`crate::Decoder::export`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("row", self.next_row());
        image.put_one("group", self.next_group() as u64);
        image.put("floored", self.selection.conversion().floored_counts());
        image
    }

    /// As [`crate::Decoder::import`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let row = take_place(&mut image, "row")?;
        (self.rows.start, self.end_row) = (self.rows.start.max(row), row);
        let group = usize::try_from(take_place(&mut image, "group")?);
        self.ended_count = group.expect("a usize is 64 bits");
        let counts = take_counts(&mut image, "floored", self.needed.columns.len())?;
        self.selection.conversion_mut().count_on(&counts);
        image.end()
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        self.selection.notices()
    }

    /// Bytes held of the row group at hand.
    pub(crate) fn held_bytes(&self) -> usize {
        self.group.as_ref().map_or(0, Group::held_bytes)
    }
}
