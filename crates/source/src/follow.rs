//! A text file that is followed: what is appended is read as it comes, for ever.
//!
//! The path may come to name another file (a log that is rotated): the one that is open is read to its
//! end first, and the other one entered once it holds bytes, because until then whoever writes may
//! still write into the old one. A path that names nothing is waited for. A file that becomes shorter
//! than what was read of it is read from its start again. What cannot be noticed: a file that is cut
//! and grows beyond its old length, or is rotated twice, between two looks. Absent on purpose: waiting,
//! and notification by the kernel; a look is two calls, the more seldom the longer the file has been quiet
//! (from [`LOOK_INTERVAL_MIN`] to [`LOOK_INTERVAL_MAX`]).

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidemill_rt::{Backend, File, FileIdentity, RtError};

use crate::SourceError;

/// From the first look at a file that has no more bytes to the next; then twice as long, and so on.
const LOOK_INTERVAL_MIN: Duration = Duration::from_micros(50);
/// From one look to the next at a file that has been quiet for long.
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(10);

/// The file that is being followed.
pub(crate) struct FollowedFile {
    // Fixed at construction.
    backend: Backend,
    path: PathBuf,
    // Changes with the file.
    file: File,
    identity: FileIdentity,
    /// The next byte of it to read.
    position: u64,
    /// How long it is, as far as is known.
    byte_count: u64,
    looked: Option<Instant>,
    /// From that look to the next.
    look_interval: Duration,
}

/// What there is at the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// So many bytes at least.
    Bytes(u64),
    /// Nothing, as yet.
    Quiet,
    /// Nothing any more: the path names another file.
    Rotated,
    /// The file is shorter than what was read of it.
    Truncated,
}

impl FollowedFile {
    /// Opens what the path names now.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from open or fstat.
    pub(crate) async fn open(backend: Backend, path: &Path) -> Result<Self, SourceError> {
        let file = File::open(backend, path).await.map_err(|source| fail(path, "open", source))?;
        let identity = file.identity().map_err(|source| fail(path, "look at", source))?;
        let path = path.to_owned();
        let (position, byte_count, looked, look_interval) = (0, 0, None, LOOK_INTERVAL_MIN);
        Ok(Self { backend, path, file, identity, position, byte_count, looked, look_interval })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says what there is to read. Costs nothing where bytes are known of or the last look is recent.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat, or from stat other than that there is no such file.
    pub(crate) fn look(&mut self) -> Result<Look, SourceError> {
        if self.position < self.byte_count {
            return Ok(Look::Bytes(self.byte_count - self.position));
        }
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now - looked < self.look_interval) {
            return Ok(Look::Quiet);
        }
        self.looked = Some(now);
        // First the name, then the file: what was written before the name changed is then seen.
        let named = match FileIdentity::of_path(&self.path) {
            Ok(named) => Some(named),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(&self.path, "look at", error)),
        };
        let opened = self.file.identity().map_err(|error| fail(&self.path, "look at", error))?;
        self.byte_count = opened.byte_count;
        let is_quiet = self.position == opened.byte_count;
        self.look_interval = if is_quiet {
            LOOK_INTERVAL_MAX.min(self.look_interval * 2)
        } else {
            LOOK_INTERVAL_MIN
        };
        Ok(if self.position < opened.byte_count {
            Look::Bytes(opened.byte_count - self.position)
        } else if self.position > opened.byte_count {
            Look::Truncated
        } else if named.is_some_and(|named| named.byte_count > 0 && self.is_other(&named)) {
            Look::Rotated
        } else {
            Look::Quiet
        })
    }

    /// Reads what a look found; 0 where it is gone again.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from read.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let left = usize::try_from(self.byte_count.saturating_sub(self.position));
        let room = left.map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read_at(&mut buffer[..room], self.position).await;
        let count = read.map_err(|source| fail(&self.path, "read", source))?;
        if count == 0 {
            self.byte_count = self.position;
        }
        self.position += u64::try_from(count).expect("a usize fits u64");
        Ok(count)
    }

    /// Goes back to the start of the file.
    pub(crate) fn restart(&mut self) {
        (self.position, self.byte_count, self.looked) = (0, 0, None);
    }

    /// Leaves the file for the one that the path names now; `false` if there is none, or no other.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn enter_next(&mut self) -> Result<bool, SourceError> {
        let next = match Self::open(self.backend, &self.path).await {
            Ok(next) => next,
            Err(SourceError::Rt(RtError::File { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let is_other = self.is_other(&next.identity);
        if is_other {
            *self = next;
        }
        Ok(is_other)
    }

    fn is_other(&self, named: &FileIdentity) -> bool {
        (named.device, named.inode) != (self.identity.device, self.identity.inode)
    }
}

fn fail(path: &Path, operation: &'static str, source: io::Error) -> SourceError {
    SourceError::Rt(RtError::File { path: path.to_owned(), operation, source })
}
