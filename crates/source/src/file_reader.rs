//! One text's or file's reader, whichever way its bytes are lent.

use std::path::Path;

use tidemill_record::{Frames, Polled};
use tidemill_rt::Wake;

use crate::{MemoryReader, RowGroupReader, SourceError, TextReader};

/// A reader of one file, or of one byte range of it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each pipeline, and it stays put")]
pub enum FileReader {
    /// From front to back: CSV, JSON lines, Arrow IPC.
    Text(TextReader),
    /// By row group: Parquet.
    RowGroups(RowGroupReader),
    /// From front to back, of what is in memory.
    Memory(MemoryReader),
}

impl FileReader {
    /// Lends the next frames; see [`TextReader::next_frames`] and [`RowGroupReader::next_frames`].
    ///
    /// # Errors
    /// Every error ends this reader.
    pub async fn next_frames(&mut self) -> Result<Polled<Frames>, SourceError> {
        match self {
            Self::Text(reader) => reader.next_frames().await,
            Self::RowGroups(reader) => reader.next_frames().await,
            Self::Memory(reader) => reader.next_frames(),
        }
    }

    /// What makes it worth to ask again after `NotReady`.
    #[must_use]
    pub fn wake(&self) -> Wake<'_> {
        match self {
            Self::Text(reader) => reader.wake(),
            Self::RowGroups(_) | Self::Memory(_) => Wake::NOW,
        }
    }

    /// Says how many bytes of the last text frame are done with. Row groups are done with as a whole,
    /// so for them this does nothing.
    pub fn consume(&mut self, byte_count: u64) {
        match self {
            Self::Text(reader) => reader.consume(byte_count),
            Self::RowGroups(_) => {}
            Self::Memory(reader) => reader.consume(byte_count),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Text(reader) => reader.path(),
            Self::RowGroups(reader) => reader.path(),
            Self::Memory(reader) => reader.path(),
        }
    }

    /// Offset of the first record: a byte for text, row 0 for row groups.
    #[must_use]
    pub fn first_offset(&self) -> u64 {
        match self {
            Self::Text(reader) => reader.first_offset(),
            Self::RowGroups(_) | Self::Memory(_) => 0,
        }
    }

    /// Where the reader stands: see [`TextReader::position`] and [`RowGroupReader::position`].
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Text(reader) => reader.position(),
            Self::RowGroups(reader) => reader.position(),
            Self::Memory(reader) => reader.position(),
        }
    }
}
