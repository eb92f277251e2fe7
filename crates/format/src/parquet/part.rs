//! Parts of one Parquet file: the row groups of each behind those of the one before, under one footer.
//!
//! A footer counts bytes from the head of the file, so what it says of a part's columns and pages moves with them. The
//! index of the pages stands between the row groups and the footer, and is written anew with it.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::page_index::PageIndexBuilder;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use ::parquet::file::writer::TrackedWrite;
use tidemill_record::{Image, ImageError};

use super::chunks::Chunks;
use super::guard;
use crate::FormatError;
use crate::caught::caught;
use crate::part::{Joint, placed};

/// A part that has been written.
#[derive(Debug)]
pub(crate) struct ParquetPart {
    /// Bytes that its row groups take.
    pub(crate) body: Range<u64>,
    /// What its footer says.
    pub(crate) metadata: ParquetMetaData,
}

impl ParquetPart {
    /// # Errors
    /// What the writer of the footer says.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Joint, FormatError> {
        let places = placed(parts.iter().map(|part| part.body.clone()));
        let body_bytes = places.iter().map(|(kept, _)| kept.end - kept.start).sum();
        let moves: Vec<i64> = places.iter().map(|(_, moved)| *moved).collect();
        let tail = footer(parts, &moves, body_bytes).map_err(|source| FormatError::Parquet {
            what: "writing Parquet".to_owned(),
            position: 0,
            source,
        })?;
        Ok(Joint { kept: places.into_iter().map(|(kept, _)| kept).collect(), tail })
    }

    /// Its footer, as it stands in the file.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub(crate) fn export(&self) -> Result<Image, FormatError> {
        let part = Self { body: self.body.clone(), metadata: self.metadata.clone() };
        let footer = footer(vec![part], &[0], self.body.end).map_err(|source| {
            FormatError::Parquet { what: "writing Parquet".to_owned(), position: 0, source }
        })?;
        let mut image = Image::new();
        image.put("body", [self.body.start, self.body.end]);
        image.put("footer", footer);
        Ok(image)
    }

    /// Of what [`Self::export`] gave.
    pub(crate) fn import(mut image: Image) -> Result<Self, ImageError> {
        let body: Vec<u64> = image.take_exactly("body", 2)?;
        let footer: Vec<u8> = image.take("footer")?;
        image.end()?;
        let wrong = || ImageError::new("footer", "is none of a Parquet file");
        let (start, end) = (body[0], body[1]);
        let file_bytes = end.checked_add(footer.len() as u64).filter(|bytes| bytes >> 62 == 0);
        let file_bytes = file_bytes.filter(|_| start <= end).ok_or_else(wrong)?;
        let (metadata, length) =
            footer.split_at_checked(footer.len().wrapping_sub(8)).ok_or_else(wrong)?;
        let length = length[..4].try_into().map(u32::from_le_bytes).map_err(|_| wrong())?;
        let first =
            usize::try_from(length).ok().and_then(|length| metadata.len().checked_sub(length));
        guard::check(&metadata[first.ok_or_else(wrong)?..]).map_err(|_| wrong())?;
        let chunks = Chunks::new(vec![(end, footer.into())], file_bytes);
        // All that was written is to be written again.
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_metadata_options(Some(options));
        let metadata = caught(|| reader.parse_and_finish(&chunks)).ok_or_else(wrong)?;
        Ok(Self { body: start..end, metadata: metadata.map_err(|_| wrong())? })
    }
}

/// The footer of all parts, each moved by so many bytes, as it stands behind `body_bytes` bytes.
fn footer(
    parts: Vec<ParquetPart>,
    moves: &[i64],
    body_bytes: u64,
) -> Result<Vec<u8>, ParquetError> {
    let group_count = parts.iter().map(|part| part.metadata.num_row_groups()).sum();
    let column_count = parts[0].metadata.file_metadata().schema_descr().num_columns();
    let mut index = PageIndexBuilder::new(group_count, column_count);
    let mut groups = Vec::with_capacity(group_count);
    for (part, &moved) in parts.iter().zip(moves) {
        for (number, group) in part.metadata.row_groups().iter().enumerate() {
            let pages = part.metadata.page_index_for_row_group(number);
            for column in 0..column_count {
                if let Some(of_column) = pages.column_index(column) {
                    index.put_column_index(of_column.clone(), groups.len(), column);
                }
                if let Some(of_column) = pages.offset_index(column) {
                    let mut of_column = of_column.clone();
                    of_column.page_locations.iter_mut().for_each(|page| page.offset += moved);
                    index.put_offset_index(of_column, groups.len(), column);
                }
            }
            groups.push(move_group(group, moved, groups.len())?);
        }
    }
    let first = parts.into_iter().next().expect("a file has a part");
    let index = (group_count > 0).then(|| Arc::new(index.build()) as _);
    let metadata =
        first.metadata.into_builder().set_row_groups(groups).set_page_index(index).build();
    let mut behind = Behind { before: body_bytes, bytes: Vec::new() };
    let mut out = TrackedWrite::new(&mut behind);
    // The writer says where the index stands by counting what has been written before.
    let mut left = body_bytes;
    while left > 0 {
        let count = left.min(ZEROS.len() as u64);
        out.write_all(&ZEROS[..usize::try_from(count).expect("a small constant")])?;
        left -= count;
    }
    ParquetMetaDataWriter::new_with_tracked(out, &metadata).finish()?;
    Ok(behind.bytes)
}

/// What is counted and not kept.
const ZEROS: &[u8] = &[0; 1 << 16];

/// Keeps what is written behind so many bytes.
struct Behind {
    before: u64,
    bytes: Vec<u8>,
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let dropped = self.before.min(bytes.len() as u64);
        self.before -= dropped;
        self.bytes.extend_from_slice(&bytes[usize::try_from(dropped).expect("a length")..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A row group that has become the one of this number, so many bytes further on.
fn move_group(
    group: &RowGroupMetaData,
    moved: i64,
    number: usize,
) -> Result<RowGroupMetaData, ParquetError> {
    let columns = group.columns().iter().map(|column| move_column(column, moved));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let mut builder = group.clone().into_builder().set_column_metadata(columns);
    if let Some(offset) = group.file_offset() {
        builder = builder.set_file_offset(offset + moved);
    }
    if group.ordinal().is_some()
        && let Ok(number) = i16::try_from(number)
    {
        builder = builder.set_ordinal(number.into());
    }
    builder.build()
}

fn move_column(
    column: &ColumnChunkMetaData,
    moved: i64,
) -> Result<ColumnChunkMetaData, ParquetError> {
    let by = |offset: Option<i64>| offset.map(|offset| offset + moved);
    let builder = column.clone().into_builder();
    builder
        .set_data_page_offset(column.data_page_offset() + moved)
        .set_dictionary_page_offset(by(column.dictionary_page_offset()))
        .set_index_page_offset(by(column.index_page_offset()))
        .set_bloom_filter_offset(by(column.bloom_filter_offset()))
        .build()
}
