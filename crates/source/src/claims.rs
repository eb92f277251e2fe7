//! Which files a scan reads or has read, so that none is read by two of its partitions.
//!
//! Logs that are rotated in a chain hand their names on: `log.1` comes to stand for the file that `log`
//! stood for. A partition that follows `log.1` asks here before it enters another file. Asked when a name
//! changes hands, never for a record.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_rt::FileKey;

use crate::InputFile;

/// The files of one scan.
#[derive(Debug, Default)]
pub struct Claims {
    taken: Mutex<HashSet<FileKey>>,
}

impl Claims {
    /// Those that were found.
    #[must_use]
    pub fn of<'a>(files: impl IntoIterator<Item = &'a InputFile>) -> Arc<Self> {
        let taken = files.into_iter().map(|file| file.identity.key()).collect();
        Arc::new(Self { taken: Mutex::new(taken) })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.taken().len()
    }

    /// Takes a file, if nobody has.
    pub(crate) fn take(&self, file: FileKey) -> bool {
        self.taken().insert(file)
    }

    pub(crate) fn is_taken(&self, file: FileKey) -> bool {
        self.taken().contains(&file)
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<FileKey>> {
        // A set is whole between two calls, whatever became of who made them.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
