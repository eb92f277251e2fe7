//! Text that is in memory already: chunks of bytes of the embedding program, lent without a copy but for records
//! that lie across two of them.

use std::fmt;
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use tidemill_plan::HostError;
use tidemill_record::{FrameBytes, Frames, Image, Offset, PartitionId, Polled};

use crate::column_reader::not_resumable;
use crate::{PIECE_BYTES, SourceError};

/// Chunks of the text of one partition, cut anywhere. An `Err` ends the job, and is the source of its error.
pub type ChunkIterator = Box<dyn Iterator<Item = Result<Bytes, HostError>> + Send>;

/// Lends the bytes of a partition's chunks, as [`crate::TextReader`] those of a file.
pub struct MemoryReader {
    name: String,
    partition: PartitionId,
    /// For messages.
    path: PathBuf,
    record_bytes_max: usize,
    chunks: ChunkIterator,
    /// What is left of the chunk that comes behind what is lent.
    queued: Buffer,
    /// The bytes that are being lent, the first of them not consumed at `start`.
    current: Buffer,
    start: usize,
    /// Bytes behind `start` that were lent and not consumed.
    held: usize,
    /// Bytes consumed of the partition.
    position: u64,
    has_lent_last: bool,
}

impl MemoryReader {
    /// Reads a partition of the source of this name.
    #[must_use]
    pub fn new(
        name: String,
        partition: PartitionId,
        record_bytes_max: usize,
        chunks: ChunkIterator,
    ) -> Self {
        let path = PathBuf::from(format!("source {name}, partition {partition}"));
        let (queued, current) = (Buffer::default(), Buffer::default());
        let (start, held, position, has_lent_last) = (0, 0, 0, false);
        Self {
            name,
            partition,
            path,
            record_bytes_max,
            chunks,
            queued,
            current,
            start,
            held,
            position,
            has_lent_last,
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that were consumed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Lends bytes behind those that were consumed: what is left of them, and more.
    ///
    /// # Errors
    /// A record that is too long, and what the chunks' iterator has failed with.
    ///
    /// # Cost
    /// O(1); at the end of a chunk a copy of the record that is cut there.
    pub fn next_frames(&mut self) -> Result<Polled<Frames>, SourceError> {
        loop {
            let rest = self.current.len() - self.start;
            if rest > self.held {
                let length = rest.min(self.held + PIECE_BYTES);
                return Ok(Polled::Ready(self.lent(length, false)));
            }
            if self.held > self.record_bytes_max {
                let (path, offset) = (self.path.clone(), self.position);
                let bytes_max = self.record_bytes_max;
                return Err(SourceError::RecordTooLong { path, offset, bytes_max });
            }
            match self.next_chunk()? {
                Some(chunk) => self.add(&chunk),
                None if rest == 0 => return Ok(Polled::Ended),
                None if self.has_lent_last => {
                    let (path, offset) = (self.path.clone(), self.position);
                    return Err(SourceError::LeftOver { path, offset });
                }
                None => {
                    self.has_lent_last = true;
                    return Ok(Polled::Ready(self.lent(rest, true)));
                }
            }
        }
    }

    /// Says how many of the lent bytes are done with.
    pub fn consume(&mut self, byte_count: u64) {
        let count = usize::try_from(byte_count).expect("they were lent");
        assert!(count <= self.held, "no more is consumed than was lent");
        self.start += count;
        self.held -= count;
        self.position += byte_count;
    }

    /// Where it is, for another to go on there: it cannot.
    ///
    /// # Errors
    /// [`SourceError::NotResumable`].
    pub fn export(&self) -> Result<Option<Image>, SourceError> {
        Err(not_resumable(&format!("source {}", self.name)))
    }

    fn lent(&mut self, length: usize, is_last: bool) -> Frames {
        self.held = length;
        let bytes = self.current.slice_with_length(self.start, length);
        let (start, end) = (Offset(self.position), Offset(u64::MAX));
        let bytes = FrameBytes::Sequential { bytes, start, end, is_last };
        Frames { partition: self.partition, bytes }
    }

    fn next_chunk(&mut self) -> Result<Option<Buffer>, SourceError> {
        if !self.queued.is_empty() {
            return Ok(Some(std::mem::take(&mut self.queued)));
        }
        match self.chunks.next() {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(Buffer::from(bytes))),
            Some(Err(source)) => {
                let (name, partition) = (self.name.clone(), self.partition.0);
                Err(SourceError::Host { name, partition, source })
            }
        }
    }

    /// Puts a chunk behind what is left of the one before: of the chunk as much as ends the record that was cut, as
    /// far as a line end tells, and at least as much as is left, so that a long record is not copied again and again.
    fn add(&mut self, chunk: &Buffer) {
        let rest = &self.current[self.start..];
        if rest.is_empty() {
            (self.current, self.start, self.held) = (chunk.clone(), 0, 0);
            return;
        }
        let from = chunk.len().min(rest.len().saturating_sub(1));
        let line_end = memchr::memchr(b'\n', &chunk[from..]);
        let cut = line_end.map_or(chunk.len(), |at| from + at + 1);
        let mut joined = MutableBuffer::with_capacity(rest.len() + cut);
        joined.extend_from_slice(rest);
        joined.extend_from_slice(&chunk[..cut]);
        self.queued = chunk.slice(cut);
        (self.current, self.start) = (joined.into(), 0);
    }
}

impl fmt::Debug for MemoryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReader")
            .field("name", &self.name)
            .field("partition", &self.partition)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
