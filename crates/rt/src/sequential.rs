//! A file from front to back, with reads in flight where the device has to be waited for.
//!
//! Cached data is taken by `preadv2(RWF_NOWAIT)`, straight into the caller's buffer. At a miss, up to
//! [`READS_IN_FLIGHT_MAX`] reads are queued, so that the device works while the caller does. What comes
//! through the ring is copied once more, so it goes on no longer than it has to: as soon as what would be
//! queued next is cached, because it was all along or the kernel has read ahead, no more is.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_lite::future::poll_once;
use glommio::io::ReadResult;

use crate::file::Immediate;
use crate::{Backend, File, FileChange, FileIdentity, RtError};

/// Bytes of one read.
pub const READ_BYTES: usize = 256 * 1024;

/// Reads in flight at most.
pub const READS_IN_FLIGHT_MAX: usize = 4;

type RingRead = Pin<Box<dyn Future<Output = io::Result<ReadResult>>>>;

/// One pass over a file, or over a byte range of it.
///
/// Notices a file that somebody changes meanwhile: the bytes given out are then not to be trusted,
/// and [`RtError::FileChanged`] says what happened.
pub struct SequentialReads {
    // Fixed at construction.
    file: File,
    path: PathBuf,
    identity: FileIdentity,
    /// Bytes behind these are somebody's addition and are never given out.
    byte_count: u64,
    /// Nothing is read ahead at or after this byte; it is still read when asked for.
    ahead_end: u64,
    // Changes with every read.
    /// Offset of the next byte to give out.
    position: u64,
    /// Offset of the next byte to ask for; `position` where nothing is in flight.
    queued_end: u64,
    in_flight: VecDeque<InFlight>,
    /// A finished read, and how much of it has been given out.
    front: Option<(ReadResult, usize)>,
    /// Whether what comes next is not in the cache, as far as is known, and goes through the ring.
    is_missed: bool,
}

struct InFlight {
    byte_count: usize,
    read: RingRead,
    finished: Option<io::Result<ReadResult>>,
}

impl std::fmt::Debug for SequentialReads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequentialReads")
            .field("path", &self.path)
            .field("position", &self.position)
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl SequentialReads {
    /// Opens a file for one pass from byte `start`.
    ///
    /// `ahead_end` bounds what is read before it is asked for: the end of the byte range this pass is
    /// for, or `u64::MAX`. `expected` is the file as it was found earlier.
    ///
    /// # Errors
    /// [`RtError::File`] from open or fstat; [`RtError::FileChanged`] if it is not as expected.
    pub async fn open(
        backend: Backend,
        path: &Path,
        start: u64,
        ahead_end: u64,
        expected: Option<FileIdentity>,
    ) -> Result<Self, RtError> {
        let fail =
            |operation| move |source| RtError::File { path: path.to_owned(), operation, source };
        let file = File::open(backend, path).await.map_err(fail("open"))?;
        let identity = file.identity().map_err(fail("look at"))?;
        if let Some(change) = expected.and_then(|earlier| earlier.change_to(&identity)) {
            return Err(RtError::FileChanged { path: path.to_owned(), change });
        }
        file.expect_sequential();
        Ok(Self {
            file,
            path: path.to_owned(),
            identity,
            byte_count: identity.byte_count,
            ahead_end: ahead_end.min(identity.byte_count),
            position: start,
            queued_end: start,
            in_flight: VecDeque::with_capacity(READS_IN_FLIGHT_MAX),
            front: None,
            is_missed: false,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Length of the file in bytes, as it was at the start, or as [`Self::end_at`] said.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.byte_count
    }

    /// Takes the file to have so many bytes and no more, of those that it has.
    pub fn end_at(&mut self, byte_count: u64) {
        self.byte_count = byte_count.min(self.identity.byte_count);
        self.ahead_end = self.ahead_end.min(self.byte_count);
    }

    /// Offset of the next byte to be given out.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills the front of `buffer` and returns how many bytes; 0 only at the end of the file, once
    /// it is sure that nobody has changed it. May return fewer than fit.
    ///
    /// # Errors
    /// [`RtError::File`] from read; [`RtError::FileChanged`]. The pass is then over.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RtError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = self.byte_count.saturating_sub(self.position);
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if room == 0 {
            self.check_unchanged()?;
            return Ok(0);
        }
        let count = self.read_some(&mut buffer[..room]).await.map_err(|source| RtError::File {
            path: self.path.clone(),
            operation: "read",
            source,
        })?;
        if count == 0 {
            self.check_unchanged()?;
            let change = FileChange::Shrank(self.byte_count, self.position);
            return Err(RtError::FileChanged { path: self.path.clone(), change });
        }
        assert!(count <= room, "a read fills no more than it was given");
        self.position += u64::try_from(count).expect("a usize fits u64");
        debug_assert!(self.position <= self.byte_count, "what was added is not given out");
        Ok(count)
    }

    /// Says whether the file is still as it was at the start: one fstat.
    ///
    /// # Errors
    /// [`RtError::FileChanged`] if it is not.
    pub fn check_unchanged(&self) -> Result<(), RtError> {
        let now = self.file.identity().map_err(|source| RtError::File {
            path: self.path.clone(),
            operation: "look at",
            source,
        })?;
        match self.identity.change_to(&now) {
            None => Ok(()),
            Some(change) => Err(RtError::FileChanged { path: self.path.clone(), change }),
        }
    }

    async fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.front.is_none() && self.in_flight.is_empty() {
            self.queued_end = self.position;
            if !self.is_missed {
                match self.file.try_read_at(buffer, self.position)? {
                    Immediate::Read(count) => return Ok(count),
                    Immediate::WouldWait => self.is_missed = true,
                }
            }
        }
        if self.front.is_none() {
            self.queue_reads(buffer.len()).await?;
            let Some(next) = self.in_flight.pop_front() else { return Ok(0) };
            let result = match next.finished {
                Some(result) => result?,
                None => next.read.await?,
            };
            if result.len() < next.byte_count {
                // A short read: what was queued behind it starts at the wrong byte.
                self.in_flight.clear();
                self.queued_end = self.position + u64::try_from(result.len()).expect("fits u64");
            }
            self.front = Some((result, 0));
        }
        let Some((bytes, given)) = &mut self.front else { return Ok(0) };
        let count = buffer.len().min(bytes.len() - *given);
        buffer[..count].copy_from_slice(&bytes[*given..*given + count]);
        *given += count;
        if *given == bytes.len() {
            self.front = None;
        }
        Ok(count)
    }

    /// Whether the byte at `offset` could be had at once.
    fn is_cached(&self, offset: u64) -> bool {
        matches!(self.file.try_read_at(&mut [0], offset), Ok(Immediate::Read(count)) if count > 0)
    }

    /// Tops up the reads in flight: at least one, more while they stay before `ahead_end` and are not
    /// cached.
    async fn queue_reads(&mut self, wanted: usize) -> io::Result<()> {
        self.is_missed &= !self.is_cached(self.queued_end);
        while self.in_flight.len() < READS_IN_FLIGHT_MAX {
            let is_ahead = self.queued_end < self.ahead_end && self.is_missed;
            if !is_ahead && !self.in_flight.is_empty() {
                break;
            }
            let byte_count = if is_ahead { READ_BYTES } else { wanted.min(READ_BYTES) };
            let left = self.byte_count.saturating_sub(self.queued_end);
            let byte_count = usize::try_from(left).map_or(byte_count, |left| left.min(byte_count));
            if byte_count == 0 {
                break;
            }
            let read = self.file.ring_read(self.queued_end, byte_count).await?;
            let Some(read) = read else { break };
            let read: RingRead = Box::pin(read);
            self.in_flight.push_back(InFlight { byte_count, read, finished: None });
            self.queued_end += u64::try_from(byte_count).expect("a usize fits u64");
        }
        for next in &mut self.in_flight {
            if next.finished.is_none() {
                next.finished = poll_once(&mut next.read).await;
            }
        }
        Ok(())
    }
}
