//! Segments that are whole and wait to be published.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::SinkError;
use crate::names::OPEN_SUFFIX;

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
        Self { segments: Vec::new(), byte_count: 0, unsynced: Vec::new(), is_kept }
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
