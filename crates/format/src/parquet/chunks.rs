//! A row group of which only some ranges of bytes are there.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::RowGroups;
use ::parquet::column::page::{PageIterator, PageReader};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::file::serialized_reader::SerializedPageReader;
use arrow_buffer::Buffer;
use bytes::{Buf, Bytes};

/// What was lent of a row group, as `parquet` asks for it.
pub(super) struct LentGroup<'a> {
    pub(super) metadata: &'a ParquetMetaData,
    pub(super) group: &'a RowGroupMetaData,
    /// Its place among those of the file.
    pub(super) index: usize,
    pub(super) chunks: Arc<Chunks>,
    /// For each leaf that is asked for, the leaf of the file.
    pub(super) leaves: &'a [usize],
}

impl LentGroup<'_> {
    /// The pages of a leaf of the file.
    ///
    /// # Errors
    /// There is no such leaf, or `parquet` does not know its compression.
    pub(super) fn pages(&self, leaf: usize) -> Result<SerializedPageReader<Chunks>, ParquetError> {
        let chunk = self.group.columns().get(leaf).ok_or_else(|| {
            ParquetError::General("the row group has fewer columns than the schema".to_owned())
        })?;
        let chunks = Arc::clone(&self.chunks);
        let chunk = without_false_dictionary(chunk)?;
        SerializedPageReader::new(chunks, &chunk, self.num_rows(), None)
    }
}

/// Some writers say that there is a dictionary at byte 0 where there is none: nothing starts at the magic.
///
/// # Errors
/// None but what `parquet` says of a chunk that it has read.
pub(super) fn without_false_dictionary(
    chunk: &ColumnChunkMetaData,
) -> Result<Cow<'_, ColumnChunkMetaData>, ParquetError> {
    Ok(match chunk.dictionary_page_offset() {
        Some(0) => {
            Cow::Owned(chunk.clone().into_builder().set_dictionary_page_offset(None).build()?)
        }
        _ => Cow::Borrowed(chunk),
    })
}

impl RowGroups for LentGroup<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>, ParquetError> {
        let leaf = self.leaves.get(leaf).copied().unwrap_or(usize::MAX);
        Ok(Box::new(OneChunk(Some(self.pages(leaf)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The pages of one column of one row group.
struct OneChunk(Option<SerializedPageReader<Chunks>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for OneChunk {}

/// A file of which only some ranges are there.
pub(super) struct Chunks {
    ranges: Vec<(u64, Bytes)>,
    file_bytes: u64,
}

impl Chunks {
    pub(super) fn new(ranges: Vec<(u64, Buffer)>, file_bytes: u64) -> Self {
        let range = |(start, bytes): (u64, Buffer)| (start, Bytes::from_owner(bytes));
        Self { ranges: ranges.into_iter().map(range).collect(), file_bytes }
    }

    /// What is there from `start` on.
    ///
    /// # Errors
    /// It was not read.
    pub(super) fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
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
pub(super) struct ChunkRead(Bytes);

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.0.len());
        self.0.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
