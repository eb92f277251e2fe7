//! The directory of a file sink: who may write there, and when results become visible.
//!
//! Control plane only: opened once before any pipeline, published once after all of them. A job that
//! fails publishes nothing, and what it wrote is removed as its [`Finished`] and writers are dropped.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tidemill_plan::OnExisting;
use tidemill_rt::{rename, sync_directory};

use crate::SinkError;

/// Ending of a segment while it is written.
pub(crate) const OPEN_SUFFIX: &str = ".open";

/// What names of result files begin with.
const RESULT_PREFIX: &str = "part-";

/// What names of dead letter files begin with.
const DEAD_LETTER_PREFIX: &str = "dead-";

/// A directory that this process alone writes results to, for as long as this value lives.
#[derive(Debug)]
pub struct OutputDirectory {
    path: PathBuf,
    /// First part of the names of its files.
    prefix: String,
    on_existing: OnExisting,
    is_durable: bool,
    /// Files that this value has published: no earlier results.
    published: Mutex<Vec<PathBuf>>,
    /// Holds the exclusive lock; closing it gives it up.
    _lock: fs::File,
}

/// Segments of one partition, whole and durable under names that nobody reads yet. Dropping it
/// removes them.
#[derive(Debug, Default)]
pub struct Finished {
    /// Final names.
    pub(crate) segments: Vec<PathBuf>,
    /// Bytes in all of them.
    pub(crate) byte_count: u64,
}

/// What became visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The files, in order of name.
    pub files: Vec<PathBuf>,
    /// Bytes in all of them.
    pub byte_count: u64,
    /// Earlier results that were removed.
    pub removed_count: usize,
}

impl OutputDirectory {
    /// Opens the directory for results, making it if need be, and removes what an earlier crash left
    /// unfinished there.
    ///
    /// # Errors
    /// [`SinkError::Existing`] if it holds results and they are not to be replaced;
    /// [`SinkError::Locked`] if another job writes there; [`SinkError::NotADirectory`]; what the
    /// system said otherwise.
    pub fn open(path: &Path, on_existing: OnExisting) -> Result<Self, SinkError> {
        Self::open_named(path, on_existing, RESULT_PREFIX)
    }

    /// Opens the directory for dead letters. Those of earlier runs are replaced when this one
    /// publishes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_dead_letters(path: &Path) -> Result<Self, SinkError> {
        Self::open_named(path, OnExisting::Replace, DEAD_LETTER_PREFIX)
    }

    /// Opens the directory for files whose names begin with `prefix`; those of other names are left
    /// alone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_named(
        path: &Path,
        on_existing: OnExisting,
        prefix: &str,
    ) -> Result<Self, SinkError> {
        match fs::create_dir_all(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(SinkError::NotADirectory { path: path.to_owned() });
            }
            made => made.map_err(|error| SinkError::of(path, "make", error))?,
        }
        let lock = fs::File::open(path).map_err(|error| SinkError::of(path, "open", error))?;
        // SAFETY: the descriptor is open; the call takes no memory.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let error = io::Error::last_os_error();
            return Err(match error.kind() {
                io::ErrorKind::WouldBlock => SinkError::Locked { path: path.to_owned() },
                _ => SinkError::of(path, "lock", error),
            });
        }
        let (path, prefix) = (path.to_owned(), prefix.to_owned());
        let directory = Self {
            path,
            prefix,
            on_existing,
            is_durable: true,
            published: Mutex::default(),
            _lock: lock,
        };
        let results = directory.list(|name| !name.ends_with(OPEN_SUFFIX))?;
        if let (Some(earlier), OnExisting::Fail) = (results.into_iter().next(), on_existing) {
            return Err(SinkError::Existing { path: earlier });
        }
        for stale in directory.list(|name| name.ends_with(OPEN_SUFFIX))? {
            fs::remove_file(&stale).map_err(|error| SinkError::of(stale, "remove", error))?;
        }
        Ok(directory)
    }

    /// The same, whose files become visible without being flushed to the device: what a crash of the host
    /// leaves of them is open.
    #[must_use]
    pub fn without_flush(mut self) -> Self {
        self.is_durable = false;
        self
    }

    /// Whether files are flushed to the device before they become visible.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Final name of a segment.
    pub(crate) fn segment(&self, partition: u32, segment: u32, extension: &str) -> PathBuf {
        self.path.join(format!("{}{partition:05}-{segment:06}.{extension}", self.prefix))
    }

    /// Whether publishing would take results of an earlier job away.
    ///
    /// # Errors
    /// What listing the directory said.
    pub fn replaces_results(&self) -> Result<bool, SinkError> {
        let ours = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.prefix == RESULT_PREFIX && !self.earlier(&ours)?.is_empty())
    }

    /// Files that the first publishing is to replace: those there that are not `ours`.
    fn earlier(&self, ours: &[PathBuf]) -> Result<Vec<PathBuf>, SinkError> {
        let mut earlier = match self.on_existing {
            OnExisting::Replace => self.list(|name| !name.ends_with(OPEN_SUFFIX))?,
            OnExisting::Fail => Vec::new(),
        };
        earlier.retain(|path| !ours.contains(path));
        Ok(earlier)
    }

    /// Makes the segments of a whole job visible under their final names, and durably so. With
    /// `on.existing = replace`, earlier results that no new one replaces are then removed; those
    /// that this value has published before are no earlier ones.
    ///
    /// # Errors
    /// What rename, remove or fsync said. If a rename fails, names already given are taken back, as
    /// far as the disk lets us.
    pub fn publish(&self, finished: Vec<Finished>) -> Result<Published, SinkError> {
        let mut published = Published::default();
        let mut ours = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = self.earlier(&ours)?;
        for segment in finished.iter().flat_map(|finished| &finished.segments) {
            if let Err(error) = rename(&open_name(segment), segment) {
                for done in &published.files {
                    // Best effort: the failed rename is what the caller hears of.
                    let _ = rename(done, &open_name(done));
                }
                return Err(SinkError::of(segment, "publish", error));
            }
            published.files.push(segment.clone());
        }
        for mut finished in finished {
            published.byte_count += finished.byte_count;
            finished.segments.clear();
        }
        published.files.sort_unstable();
        ours.extend_from_slice(&published.files);
        for old in earlier {
            if published.files.binary_search(&old).is_err() {
                fs::remove_file(&old).map_err(|error| SinkError::of(old, "remove", error))?;
                published.removed_count += 1;
            }
        }
        if self.is_durable {
            sync_directory(&self.path).map_err(|error| SinkError::of(&self.path, "sync", error))?;
        }
        Ok(published)
    }

    /// Files of this kind whose names pass, in order of name.
    fn list(&self, passes: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, SinkError> {
        let fail = |error| SinkError::of(&self.path, "list", error);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(&self.prefix) && passes(name) {
                paths.push(self.path.join(name));
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

impl Finished {
    /// Bytes in all segments.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.byte_count
    }

    /// Number of segments.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        for segment in &self.segments {
            // Nothing can be done about it here; the next job on this directory tries again.
            let _ = fs::remove_file(open_name(segment));
        }
    }
}

/// The name of a segment while it is written.
pub(crate) fn open_name(segment: &Path) -> PathBuf {
    let mut name = segment.as_os_str().to_owned();
    name.push(OPEN_SUFFIX);
    PathBuf::from(name)
}
