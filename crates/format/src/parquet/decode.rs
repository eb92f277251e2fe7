//! Row groups to batches, through `parquet`'s Arrow reader over the ranges that were read.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames};

use super::chunks::{Chunks, LentGroup};
use super::projection::Projection;
use super::{Footer, Selection};
use crate::caught::caught;
use crate::{DecoderSpec, FormatError, LeftOut, lost};

/// Decodes the row groups of one file.
pub(crate) struct ParquetDecoder {
    // Fixed at construction.
    footer: Arc<Footer>,
    projection: Projection,
    batch_rows: usize,
    /// Bytes that a row group may take.
    group_bytes_max: usize,
    left_out: Vec<LeftOut>,
    // Changes with every row group.
    selection: Selection,
    group: Option<Group>,
}

/// The row group at hand.
struct Group {
    index: usize,
    reader: ParquetRecordBatchReader,
    /// Row number of the next row within the file.
    row: u64,
    /// Row number behind the last one.
    end_row: u64,
    /// Bytes lent of it.
    byte_count: usize,
}

impl ParquetDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, footer: Arc<Footer>) -> Result<Self, FormatError> {
        let selection = match spec.is_union {
            true => footer.selection_of_union(spec.schema, spec.columns)?,
            false => footer.selection(spec.schema, spec.columns)?,
        };
        let projection = footer.projection(&selection)?;
        let left_out = match spec.is_inferred {
            true => lost::found_beside(footer.found(), spec.schema),
            false => Vec::new(),
        };
        let (batch_rows, group_bytes_max) = (spec.batch_rows.max(1), usize::MAX);
        let group = None;
        Ok(Self { footer, projection, batch_rows, group_bytes_max, left_out, selection, group })
    }

    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn limit_parts(&mut self, bytes_max: usize) {
        self.group_bytes_max = bytes_max;
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        let FrameBytes::RowGroup { index, start, ranges } = frames.bytes else {
            return Err(FormatError::Frames {
                reason: "Parquet is decoded from row groups, not from sequential frames".to_owned(),
            });
        };
        self.group = None;
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
            chunks: Arc::new(Chunks::new(ranges, self.footer.file_bytes())),
            leaves: &self.projection.leaves,
        };
        // Buffers are reserved for as many rows as a batch may have.
        let batch_rows =
            self.batch_rows.min(usize::try_from(row_count).unwrap_or(usize::MAX)).max(1);
        let levels = &self.projection.levels;
        let reader = caught(|| {
            ParquetRecordBatchReader::try_new_with_row_groups(levels, &lent, batch_rows, None)
        })
        .ok_or_else(|| corrupt(index, start.0))?
        .map_err(|source| FormatError::Parquet {
            what: format!("Parquet row group {index}"),
            position: start.0,
            source,
        })?;
        let end_row = start.0.saturating_add(row_count);
        self.group = Some(Group { index, reader, row: start.0, end_row, byte_count });
        Ok(())
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        let Some(group) = &mut self.group else { return Ok(None) };
        while let Some(rows) = group.next_rows()? {
            let read = self.projection.members(&rows);
            let read = read.map_err(|source| refused(source, group.index, group.row))?;
            let found = self.projection.found(&read);
            let conversion = self.selection.conversion_mut();
            let batch = conversion.apply(&found, rows.num_rows(), group.row, bad)?;
            group.row += rows.num_rows() as u64;
            if batch.row_count() > 0 {
                return Ok(Some(batch));
            }
        }
        if group.row == group.end_row {
            self.group = None;
            return Ok(None);
        }
        Err(FormatError::Corrupt {
            what: format!("Parquet row group {}", group.index),
            position: group.row,
            reason: "it holds another number of rows than the footer says".to_owned(),
        })
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        self.selection.notices()
    }

    /// Bytes of the row group at hand, as they were lent.
    pub(crate) fn held_bytes(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.byte_count)
    }
}
impl Group {
    fn next_rows(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        let reader = &mut self.reader;
        // The reader is not used again after a panic, for the error ends this partition.
        match caught(|| reader.next()) {
            Some(None) => Ok(None),
            Some(Some(Ok(rows))) => Ok(Some(rows)),
            Some(Some(Err(source))) => Err(refused(source, self.index, self.row)),
            None => Err(corrupt(self.index, self.row)),
        }
    }
}

fn refused(source: ArrowError, index: usize, row: u64) -> FormatError {
    FormatError::Arrow { what: format!("Parquet row group {index}"), position: row, source }
}

fn corrupt(index: usize, row: u64) -> FormatError {
    FormatError::Corrupt {
        what: format!("Parquet row group {index}"),
        position: row,
        reason: "a page contradicts itself".to_owned(),
    }
}
