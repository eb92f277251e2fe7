//! Segments that are whole and wait to be published.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_rt::fs;

use crate::SinkError;
use crate::cut::CutFiles;
use crate::intent::{remove, sync};
use crate::names::OPEN_SUFFIX;
use crate::place::parent;

/// Segments of one partition, whole under names that nobody reads yet. Dropping it removes them, but for those
/// of input without end, which nobody may be able to make again.
#[derive(Debug, Default)]
pub struct Finished {
    /// Final names.
    pub(crate) segments: Vec<PathBuf>,
    /// Bytes in all of them.
    pub(crate) byte_count: u64,
    /// Files whose bytes may not have reached the device yet.
    unsynced: Vec<Unsynced>,
    /// They stay when this is dropped.
    is_kept: bool,
    /// What a job with state has to know of its being published.
    given: Vec<Given>,
    /// Parts whose bytes are in the file that is published; they go then.
    copied: Vec<PathBuf>,
}

/// Of a job with state: whose segments these are.
#[derive(Debug)]
pub(crate) struct Given {
    /// The number of the writer in their names.
    pub(crate) writer: u32,
    /// How many segments of this writer have been given, these included.
    pub(crate) count: u64,
    /// They have been published: the next checkpoint need not name them.
    pub(crate) is_published: Arc<AtomicBool>,
}

/// An open file to flush.
#[derive(Debug)]
struct Unsynced {
    file: fs::File,
    path: PathBuf,
    /// Counts those of a directory.
    _count: Arc<()>,
}

impl Finished {
    /// None so far.
    pub(crate) fn new(is_kept: bool) -> Self {
        let mut none = Self::default();
        none.is_kept = is_kept;
        none
    }

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

    /// The segment of a part of one file.
    ///
    /// # Panics
    /// If there are none or several.
    pub(crate) fn segment(&self) -> &Path {
        let [segment] = self.segments.as_slice() else { panic!("a part is one segment") };
        segment
    }

    /// Adds a segment that is whole.
    pub(crate) fn add(&mut self, segment: PathBuf, byte_count: u64) {
        self.segments.push(segment);
        self.byte_count += byte_count;
    }

    /// Remembers that a file is to be flushed by whoever publishes. `count` is counted meanwhile.
    pub(crate) fn add_unsynced(&mut self, file: fs::File, path: PathBuf, count: Arc<()>) {
        self.unsynced.push(Unsynced { file, path, _count: count });
    }

    pub(crate) fn add_given(&mut self, given: Given) {
        self.given.push(given);
    }

    /// Which writers' they are, of a job with state, and how many each has given.
    pub(crate) fn given(&self) -> impl Iterator<Item = (u32, u64)> {
        self.given.iter().map(|given| (given.writer, given.count))
    }

    /// Adds those of another.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.segments.append(&mut other.segments);
        self.byte_count += other.byte_count;
        self.unsynced.append(&mut other.unsynced);
        self.given.append(&mut other.given);
        self.copied.append(&mut other.copied);
    }

    /// Remembers a part that goes once these are published.
    pub(crate) fn add_copied(&mut self, part: PathBuf) {
        self.copied.push(part);
    }

    /// They have been published, durably.
    pub(crate) fn note_published(&mut self) -> Result<(), SinkError> {
        for given in &self.given {
            given.is_published.store(true, Ordering::Release);
        }
        // Who is told that the job is over must not find them again.
        let directory = self.copied.first().map(|part| parent(part).to_owned());
        self.copied.drain(..).try_for_each(|part| remove(&part))?;
        directory.map_or(Ok(()), |directory| sync(&directory))
    }

    /// Gives the files that are to be flushed to somebody else.
    pub(crate) fn take_unsynced(&mut self, files: &mut CutFiles) {
        for Unsynced { file, path, .. } in self.unsynced.drain(..) {
            files.add(path, Some(file));
        }
    }

    /// Flushes what was left to be flushed. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// What fsync said. It is not repeated: what it covered may be lost.
    pub(crate) fn sync(&mut self) -> Result<(), SinkError> {
        for Unsynced { file, path, .. } in self.unsynced.drain(..) {
            file.sync_data().map_err(|error| SinkError::of(path, "sync", error))?;
        }
        Ok(())
    }

    /// Lets go of the files: somebody else has them now.
    pub(crate) fn release(&mut self) {
        self.segments.clear();
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        for segment in &self.segments {
            // Nothing can be done about it here, and the next job leaves it alone.
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
