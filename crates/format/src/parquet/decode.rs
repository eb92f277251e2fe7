//! Row groups to batches, through `parquet`'s Arrow reader over the ranges that were read.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, Length};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::ArrowError;
use bytes::{Buf, Bytes};
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames};

use super::Footer;
use crate::arrow::convert::Conversion;
use crate::{DecoderSpec, FormatError};

/// Decodes the row groups of one file.
pub(crate) struct ParquetDecoder {
    // Fixed at construction.
    footer: Arc<Footer>,
    conversion: Conversion,
    /// For each column of the file, its place among those that are read.
    places: Vec<usize>,
    batch_rows: usize,
    // Changes with every row group.
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
}

impl ParquetDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, footer: Arc<Footer>) -> Result<Self, FormatError> {
        let conversion = footer.conversion(spec.schema, spec.columns)?;
        let mut read: Vec<usize> = conversion.positions().collect();
        read.sort_unstable();
        let columns = 0..footer.metadata().schema().fields().len();
        let places = columns.map(|column| read.iter().take_while(|other| **other < column).count());
        let places = places.collect();
        Ok(Self { footer, conversion, places, batch_rows: spec.batch_rows.max(1), group: None })
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
        let chunks = Chunks::new(ranges, self.footer.file_bytes());
        let mask = self.footer.projection(&self.conversion);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            chunks,
            self.footer.metadata().clone(),
        )
        .with_row_groups(vec![index])
        .with_projection(mask)
        .with_batch_size(self.batch_rows);
        // See `next_rows` for why unwinding stops here.
        let reader = catch_unwind(AssertUnwindSafe(|| builder.build()))
            .map_err(|_| corrupt(index, start.0))?
            .map_err(|source| FormatError::Parquet {
                what: format!("Parquet row group {index}"),
                position: start.0,
                source,
            })?;
        let end_row = start.0.saturating_add(row_count);
        self.group = Some(Group { index, reader, row: start.0, end_row });
        Ok(())
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        let Some(group) = &mut self.group else { return Ok(None) };
        while let Some(rows) = group.next_rows()? {
            let place = |column: usize| self.places[column];
            let batch = self.conversion.apply(&rows, place, group.row, bad)?;
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
}

impl Group {
    fn next_rows(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        let reader = &mut self.reader;
        // Page data is untrusted, and `parquet`'s decoders index into it on the strength of counts
        // they have just read. A damaged file must not bring the process down, so unwinding stops
        // here; the reader is not used again, for the error ends this partition.
        match catch_unwind(AssertUnwindSafe(|| reader.next())) {
            Ok(None) => Ok(None),
            Ok(Some(Ok(rows))) => Ok(Some(rows)),
            Ok(Some(Err(source))) => Err(refused(source, self.index, self.row)),
            Err(_) => Err(corrupt(self.index, self.row)),
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

/// A file of which only some ranges are there.
struct Chunks {
    ranges: Vec<(u64, Bytes)>,
    file_bytes: u64,
}

impl Chunks {
    fn new(ranges: Vec<(u64, Buffer)>, file_bytes: u64) -> Self {
        let range = |(start, bytes): (u64, Buffer)| (start, Bytes::from_owner(bytes));
        Self { ranges: ranges.into_iter().map(range).collect(), file_bytes }
    }

    /// What is there from `start` on.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let absent = || ParquetError::General(format!("byte {start} of the file was not read"));
        let index = self.ranges.partition_point(|(from, _)| *from <= start);
        let (from, bytes) = index.checked_sub(1).map(|i| &self.ranges[i]).ok_or_else(absent)?;
        let skip = usize::try_from(start - from).map_err(|_| absent())?;
        if skip > bytes.len() { Err(absent()) } else { Ok(bytes.slice(skip..)) }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file_bytes
    }
}

impl ChunkReader for Chunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(ChunkRead(self.from(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            let missing = format!("bytes {start} and {length} more were not read");
            return Err(ParquetError::General(missing));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Reads bytes from the front.
struct ChunkRead(Bytes);

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.0.len());
        self.0.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
