//! The needed byte ranges of a Parquet file, one row group at a time, or of an Arrow file, message by message.
//!
//! Knows nothing of either: the ranges come from the footer, which `format` reads, and of the body of a message from
//! its head.

use std::ops::Range;
use std::path::PathBuf;

use arrow_buffer::Buffer;
use tidemill_record::recycled::PartMemory;
use tidemill_record::{FrameBytes, Frames, Image, Offset, PartitionId, Polled};
use tidemill_rt::{Backend, File, FileIdentity, RtError};

use crate::identity::Identity;
use crate::{InputFile, SourceError};

/// What to read of one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroupPlan {
    /// Its index within the file, from zero.
    pub index: usize,
    /// Row number of its first row within the file.
    pub start_row: u64,
    /// File positions of the needed column chunks, ascending and disjoint.
    pub ranges: Vec<Range<u64>>,
}

/// Lends row groups of one file, in order.
#[derive(Debug)]
pub struct RowGroupReader {
    file: File,
    path: PathBuf,
    identity: FileIdentity,
    partition: PartitionId,
    groups: std::vec::IntoIter<RowGroupPlan>,
    /// Row number of the first row of the group lent last.
    position: u64,
    /// The group lent last, by its index.
    index: usize,
    memory: PartMemory,
}

impl RowGroupReader {
    /// Opens a file for the given row groups.
    ///
    /// # Errors
    /// [`SourceError::Io`] from open; [`SourceError::Rt`] if the file is not as it was found;
    /// [`SourceError::OutOfFile`] for a range beyond its end.
    pub async fn open(
        backend: Backend,
        file: &InputFile,
        partition: PartitionId,
        groups: Vec<RowGroupPlan>,
    ) -> Result<Self, SourceError> {
        let path = file.path_now();
        let fail = |operation| {
            let path = path.clone();
            move |source| SourceError::Io { path, operation, source }
        };
        let opened = File::open(backend, &path).await.map_err(fail("open"))?;
        let identity = opened.identity().map_err(fail("look at"))?;
        if let Some(change) = file.identity.change_to(&identity) {
            return Err(RtError::FileChanged { path, change }.into());
        }
        let ends = groups.iter().flat_map(|group| group.ranges.iter().map(|range| range.end));
        let range_end = ends.max().unwrap_or(0);
        if range_end > identity.byte_count {
            let file_bytes = identity.byte_count;
            return Err(SourceError::OutOfFile { path, range_end, file_bytes });
        }
        let groups = groups.into_iter();
        let memory = PartMemory::default();
        Ok(Self { file: opened, path, identity, partition, groups, position: 0, index: 0, memory })
    }

    /// What is known of the file, for [`Self::check_same`] of a reader that goes on.
    ///
    /// # Errors
    /// [`RtError::FileChanged`] if somebody changed the file meanwhile; what reading says.
    pub fn export(&self) -> Result<Image, SourceError> {
        self.check_unchanged()?;
        let byte_count = self.identity.byte_count;
        let identity = Identity::of(&self.file, byte_count, byte_count);
        let identity = identity.map_err(|source| self.failure("read", source))?;
        let Some(identity) = identity else {
            let reason = "it was cut while it was read".to_owned();
            return Err(SourceError::Changed { path: self.path.clone(), reason });
        };
        let mut image = Image::new();
        image.put_image("file", identity.export());
        Ok(image)
    }

    /// Holds the file to what a reader of before has exported: it has to be the same, to its last byte.
    ///
    /// # Errors
    /// [`SourceError::Changed`], [`SourceError::Image`], and what reading says.
    pub fn check_same(&self, mut image: Image) -> Result<(), SourceError> {
        let identity = image.take_image("file").and_then(Identity::import);
        let identity = identity.and_then(|identity| image.end().map(|()| identity));
        let identity = identity.map_err(|source| {
            let what = self.path.display().to_string();
            SourceError::Image { what, source }
        })?;
        if self.identity.byte_count > identity.byte_count {
            let (found, before) = (self.identity.byte_count, identity.byte_count);
            let reason = format!("it has {found} bytes and had {before}");
            return Err(SourceError::Changed { path: self.path.clone(), reason });
        }
        identity.check(&self.file, &self.path)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Row number of the first row of the group lent last.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the row group that is lent next; 0 if there is none.
    #[must_use]
    pub fn next_bytes(&self) -> u64 {
        let next = self.groups.as_slice().first();
        next.map_or(0, |group| group.ranges.iter().map(|range| range.end - range.start).sum())
    }

    /// Lends the next row group.
    ///
    /// # Errors
    /// What reading says; [`RtError::FileChanged`] if somebody changed the file meanwhile.
    ///
    /// # Cost
    /// Awaits what is not cached, with several reads in flight. Bytes are read into the memory of earlier groups,
    /// where nobody holds that any more.
    pub async fn next_frames(&mut self) -> Result<Polled<Frames>, SourceError> {
        let Some(group) = self.groups.next() else {
            self.check_unchanged()?;
            return Ok(Polled::Ended);
        };
        let mut ranges = Vec::with_capacity(group.ranges.len());
        for range in group.ranges {
            let bytes = self.read(bytes_in(&range), &[(range.clone(), 0)]).await?;
            ranges.push((range.start, bytes));
        }
        (self.position, self.index) = (group.start_row, group.index);
        Ok(Polled::Ready(self.frames(ranges)))
    }

    /// Lends a buffer of `byte_count` bytes to which some ranges of the file are read, each from its place on: what belongs
    /// to the group lent last, and was not known before.
    ///
    /// # Errors
    /// As [`Self::next_frames`].
    ///
    /// # Panics
    /// If a range goes beyond the buffer.
    pub async fn next_part(
        &mut self,
        byte_count: usize,
        ranges: &[(Range<u64>, usize)],
    ) -> Result<Frames, SourceError> {
        let bytes = self.read(byte_count, ranges).await?;
        let start = ranges.first().map_or(0, |(range, _)| range.start);
        Ok(self.frames(vec![(start, bytes)]))
    }

    fn frames(&self, ranges: Vec<(u64, Buffer)>) -> Frames {
        let (index, start) = (self.index, Offset(self.position));
        let bytes = FrameBytes::RowGroup { index, start, ranges };
        Frames { partition: self.partition, bytes }
    }

    async fn read(
        &mut self,
        byte_count: usize,
        ranges: &[(Range<u64>, usize)],
    ) -> Result<Buffer, SourceError> {
        let mut room = self.memory.take(byte_count);
        for (range, place) in ranges {
            let bytes = &mut room[*place..place + bytes_in(range)];
            if let Err(source) = self.file.read_exact_at(bytes, range.start).await {
                self.check_unchanged()?;
                return Err(self.failure("read", source));
            }
        }
        Ok(self.memory.lend(room))
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        let now = self.file.identity().map_err(|source| self.failure("look at", source))?;
        match self.identity.change_to(&now) {
            None => Ok(()),
            Some(change) => Err(RtError::FileChanged { path: self.path.clone(), change }.into()),
        }
    }

    fn failure(&self, operation: &'static str, source: std::io::Error) -> SourceError {
        SourceError::Io { path: self.path.clone(), operation, source }
    }
}

fn bytes_in(range: &Range<u64>) -> usize {
    let byte_count = usize::try_from(range.end.saturating_sub(range.start));
    byte_count.expect("a file that fits memory, on 64 bits")
}
