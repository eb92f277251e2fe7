//! Batches to Parquet files, whose pages are compressed.

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tidemill_plan::{Codec, Format, Packing};
use tidemill_record::{Batch, DataType, Schema};

use super::part::ParquetPart;
use crate::FormatError;
use crate::arrow::written::written_schema;
use crate::coalesce::Coalescer;
use crate::csv::header::refuse_duplicates;

/// A row group is closed at whichever comes first.
const GROUP_ROWS_MAX: usize = 1 << 20;
const GROUP_BYTES_MAX: usize = 64 << 20;

/// What a file begins with.
const MAGIC_BYTES: u64 = 4;

/// Encodes segments that are one file each.
pub(crate) struct ParquetEncoder {
    /// Of the files. Text comes as views and is written with offsets: the writer takes either.
    schema: SchemaRef,
    packing: Packing,
    coalescer: Coalescer,
    /// Writes into a buffer that is emptied after each call; `None` between segments.
    writer: Option<ArrowWriter<Vec<u8>>>,
    /// Of the segment that was finished last.
    part: Option<ParquetPart>,
}

impl ParquetEncoder {
    /// # Errors
    /// [`FormatError::DuplicateColumn`]; [`FormatError::UnsupportedColumn`] for `INTERVAL`, whose
    /// Parquet form has no nanoseconds.
    pub(crate) fn new(schema: &Schema) -> Result<Self, FormatError> {
        let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
        refuse_duplicates(&names)?;
        match schema.fields.iter().find(|field| holds_interval(&field.data_type)) {
            Some(field) => Err(FormatError::UnsupportedColumn {
                column: field.name.clone(),
                reason: "INTERVAL cannot be written to Parquet".to_owned(),
            }),
            None => Ok(Self {
                schema: written_schema(schema),
                packing: Packing::of(&Format::Parquet),
                coalescer: Coalescer::of_views(schema),
                writer: None,
                part: None,
            }),
        }
    }

    /// Compresses the pages of files that are begun from now on.
    pub(crate) fn pack(&mut self, packing: Packing) {
        self.packing = packing;
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.push(batch).map_err(|source| refused(source.into()))? {
            self.write(&rows, out)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for rows in self.coalescer.take().map_err(|source| refused(source.into()))? {
            self.write(&rows, out)?;
        }
        let mut writer = self.begun()?;
        writer.flush().map_err(refused)?;
        writer.sync().map_err(|source| refused(source.into()))?;
        let body = MAGIC_BYTES..writer.bytes_written() as u64;
        let metadata = writer.finish().map_err(refused)?;
        out.append(writer.inner_mut());
        self.part = Some(ParquetPart { body, metadata });
        Ok(())
    }

    /// What there is to know of the segment that was finished last, once.
    pub(crate) fn take_part(&mut self) -> Option<ParquetPart> {
        self.part.take()
    }

    /// Whether the segment has a row.
    pub(crate) fn has_begun(&self) -> bool {
        self.writer.is_some() || !self.coalescer.is_empty()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.coalescer.held_bytes() + self.writer.as_ref().map_or(0, ArrowWriter::memory_size)
    }

    /// Bytes that the row group being encoded is going to have, about; a function of its rows.
    pub(crate) fn coming_bytes(&self) -> usize {
        self.writer.as_ref().map_or(0, ArrowWriter::in_progress_size)
    }

    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut writer = self.begun()?;
        writer.write(rows).map_err(refused)?;
        writer.sync().map_err(|source| refused(source.into()))?;
        out.append(writer.inner_mut());
        self.writer = Some(writer);
        Ok(())
    }

    /// Takes the writer, of the segment at hand or of a new one.
    fn begun(&mut self) -> Result<ArrowWriter<Vec<u8>>, FormatError> {
        if let Some(writer) = self.writer.take() {
            return Ok(writer);
        }
        let properties = WriterProperties::builder()
            .set_compression(compression(self.packing).map_err(refused)?)
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_max_row_group_bytes(Some(GROUP_BYTES_MAX))
            .build();
        ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(properties)).map_err(refused)
    }
}

fn compression(Packing { codec, level }: Packing) -> Result<Compression, ParquetError> {
    Ok(match codec {
        Codec::None => Compression::UNCOMPRESSED,
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(match level {
            Some(level) => GzipLevel::try_new(level)?,
            None => GzipLevel::default(),
        }),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Zstd => Compression::ZSTD(match level.and_then(|level| i32::try_from(level).ok()) {
            Some(level) => ZstdLevel::try_new(level)?,
            None => ZstdLevel::default(),
        }),
    })
}

fn holds_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval => true,
        DataType::Array(item) => holds_interval(item),
        _ => false,
    }
}

fn refused(source: ParquetError) -> FormatError {
    FormatError::Parquet { what: "writing Parquet".to_owned(), position: 0, source }
}
