//! The directory of a file sink: who may write there, and which names are free.
//!
//! Control plane only: opened once before any pipeline. A job never takes a name that was there before it,
//! not even of a file that an earlier one left open: its segments go on behind the highest number.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_plan::OnExisting;

use crate::intent::roll_forward;
use crate::names::{OPEN_SUFFIX, parse, segment_name};
use crate::publish::publish;
use crate::{Finished, Published, SinkError};

/// What names of result files begin with.
const RESULT_PREFIX: &str = "part-";

/// What names of dead letter files begin with.
const DEAD_LETTER_PREFIX: &str = "dead-";

/// Segments of a directory that wait to be flushed by whoever publishes them, at most; more are flushed where
/// they are written, which holds up those who write faster than the device.
const UNSYNCED_MAX: usize = 16;

/// A directory that this process alone writes results to, for as long as this value lives.
#[derive(Debug)]
pub struct OutputDirectory {
    // Fixed as it is opened.
    path: PathBuf,
    /// The same, whatever the working directory.
    absolute: PathBuf,
    /// First part of the names of its files.
    prefix: String,
    is_durable: bool,
    is_live: bool,
    /// Number of the first segment of each partition.
    first_segment: u64,
    /// Files that an earlier job left open, in order of name.
    left_open: Vec<PathBuf>,
    // Changes as segments are published.
    state: Mutex<State>,
    /// One for each segment that waits to be flushed, and one more.
    unsynced: Arc<()>,
    /// Holds the exclusive lock; closing it gives it up.
    _lock: fs::File,
}

/// What the next publishing has to see to.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Results of earlier jobs that are to be replaced, in order of name.
    pub(crate) earlier: Vec<PathBuf>,
    /// Directories in which one was made on the way to this one, outermost first.
    pub(crate) made_in: Vec<PathBuf>,
}

impl OutputDirectory {
    /// Opens the directory for results, making it if need be, and completes what an earlier job was about to
    /// publish there when it ended.
    ///
    /// # Errors
    /// [`SinkError::Existing`] if it holds results and they are not to be replaced;
    /// [`SinkError::Locked`] if another job writes there; [`SinkError::NotADirectory`];
    /// [`SinkError::Intent`] if what an earlier job was about to publish cannot be read; what the system said
    /// otherwise.
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
        let made_in = make(path)?;
        let absolute = std::path::absolute(path);
        let absolute = absolute.map_err(|error| SinkError::of(path, "find", error))?;
        let Some(lock) = lock(path)? else {
            return Err(SinkError::Locked { path: path.to_owned() });
        };
        roll_forward(path)?;
        let found = Found::list(path, prefix)?;
        if let (Some(result), OnExisting::Fail) = (found.results.first(), on_existing) {
            return Err(SinkError::Existing { path: result.clone() });
        }
        let first_segment = found.highest.map_or(0, |highest| highest + 1);
        Ok(Self {
            path: path.to_owned(),
            absolute,
            prefix: prefix.to_owned(),
            is_durable: true,
            is_live: false,
            first_segment,
            left_open: found.left_open,
            state: Mutex::new(State { earlier: found.results, made_in }),
            unsynced: Arc::new(()),
            _lock: lock,
        })
    }

    /// The same, whose files become visible without being flushed to the device: what a crash of the host
    /// leaves of them is open.
    #[must_use]
    pub fn without_flush(mut self) -> Self {
        self.is_durable = false;
        self
    }

    /// The same for results of input without end: each segment may be published as it is closed, and no file
    /// is removed when the job fails.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    /// Whether files are flushed to the device before they become visible.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Whether segments are published one by one.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Files that an earlier job was writing when it ended, in order of name. They are left as they are.
    #[must_use]
    pub fn left_open(&self) -> &[PathBuf] {
        &self.left_open
    }

    /// Files that this job was writing when it ended, in order of name.
    ///
    /// # Errors
    /// What listing the directory said.
    pub fn open_files(&self) -> Result<Vec<PathBuf>, SinkError> {
        let mut open = Found::list(&self.path, &self.prefix)?.left_open;
        open.retain(|path| self.left_open.binary_search(path).is_err());
        Ok(open)
    }

    /// Whether publishing would take results of an earlier job away.
    #[must_use]
    pub fn replaces_results(&self) -> bool {
        let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        self.prefix == RESULT_PREFIX && self.state().earlier.iter().any(is_there)
    }

    /// Makes the segments of a whole job visible; see [`publish`].
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish(&self, finished: Vec<Finished>) -> Result<Published, SinkError> {
        publish(vec![(self, finished)])
    }

    /// Number of the first segment of each partition.
    pub(crate) fn first_segment(&self) -> u64 {
        self.first_segment
    }

    /// Final name of a segment.
    pub(crate) fn segment(&self, partition: u32, segment: u64, extension: &str) -> PathBuf {
        self.path.join(segment_name(&self.prefix, partition, segment, extension))
    }

    pub(crate) fn absolute(&self) -> &Path {
        &self.absolute
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A count to hold while a segment waits to be flushed; `None` where enough of them wait.
    pub(crate) fn unsynced(&self) -> Option<Arc<()>> {
        let waiting = Arc::strong_count(&self.unsynced) - 1;
        (waiting < UNSYNCED_MAX).then(|| Arc::clone(&self.unsynced))
    }

    /// It is whole between any two statements that could panic, so poison means nothing.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files in a directory that have names of ours.
struct Found {
    /// Regular files that are visible, in order of name.
    results: Vec<PathBuf>,
    /// Regular files that end in `.open`, in order of name.
    left_open: Vec<PathBuf>,
    /// The highest segment number, whatever has it.
    highest: Option<u64>,
}

impl Found {
    fn list(path: &Path, prefix: &str) -> Result<Self, SinkError> {
        let fail = |error| SinkError::of(path, "list", error);
        let mut found = Self { results: Vec::new(), left_open: Vec::new(), highest: None };
        for entry in fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some((name, said)) =
                name.to_str().and_then(|name| Some((name, parse(prefix, name)?)))
            else {
                continue;
            };
            found.highest = found.highest.max(Some(said.segment));
            if entry.file_type().map_err(fail)?.is_file() {
                let files = if said.is_open { &mut found.left_open } else { &mut found.results };
                files.push(path.join(name));
            }
        }
        found.results.sort_unstable();
        found.left_open.sort_unstable();
        debug_assert!(
            found.left_open.iter().all(|path| path.to_string_lossy().ends_with(OPEN_SUFFIX))
        );
        Ok(found)
    }
}

/// Takes the lock of a directory; `None` if another has it.
pub(crate) fn lock(path: &Path) -> Result<Option<fs::File>, SinkError> {
    let file = fs::File::open(path).map_err(|error| SinkError::of(path, "open", error))?;
    // SAFETY: the descriptor is open; the call takes no memory.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(Some(file));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(None),
        _ => Err(SinkError::of(path, "lock", error)),
    }
}

/// Makes a directory and what is missing above it; the directories in which one was made, outermost first.
fn make(path: &Path) -> Result<Vec<PathBuf>, SinkError> {
    let not_a_directory = || SinkError::NotADirectory { path: path.to_owned() };
    let (mut missing, mut at) = (Vec::new(), path);
    loop {
        match fs::metadata(at) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => return Err(not_a_directory()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(not_a_directory());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && at != parent(at) => {
                missing.push(at);
                at = parent(at);
            }
            Err(error) => return Err(SinkError::of(at, "look at", error)),
        }
    }
    let mut made_in = Vec::with_capacity(missing.len());
    for directory in missing.into_iter().rev() {
        match fs::create_dir(directory) {
            Ok(()) => made_in.push(parent(directory).to_owned()),
            // Somebody else made it meanwhile, or it is another way to write one that is there now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !directory.is_dir() {
                    return Err(not_a_directory());
                }
            }
            Err(error) => return Err(SinkError::of(directory, "make", error)),
        }
    }
    Ok(made_in)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
