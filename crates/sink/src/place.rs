//! Where results become visible: a directory of segments, or one file.
//!
//! While a job is at work there, hidden files stand beside the results: what it is about to publish, and of one file
//! the lock, which for a directory is that of the directory itself. One file may so be written beside others.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use tidemill_rt::fs;

use crate::SinkError;
use crate::finished::open_name;
use crate::names::DEAD_LETTER_PREFIX;

/// What names of files end in that say what is about to be published.
pub(crate) const INTENT: &str = ".tidemill-publish";

/// What is behind that while it is being written; then it says nothing.
pub(crate) const UNFINISHED: &str = ".tmp";

/// What names of files end in that say which job with state writes there.
const MARKER: &str = ".tidemill-job";

/// What the name of a file's lock ends in.
const LOCK: &str = ".tidemill-lock";

/// Where one sink's results become visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Segments in this directory.
    Directory(PathBuf),
    /// This file.
    File(PathBuf),
}

impl Place {
    /// The directory or the file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::File(path) => path,
        }
    }

    /// The directory whose names change.
    pub(crate) fn directory(&self) -> &Path {
        match self {
            Self::Directory(path) => path,
            Self::File(path) => parent(path),
        }
    }

    /// What a result is called while it is open, and then. `name` is that of a segment, or the numbers of a
    /// file's part.
    pub(crate) fn names(&self, name: &str) -> (PathBuf, PathBuf) {
        match self {
            Self::Directory(path) => {
                let segment = path.join(name);
                (open_name(&segment), segment)
            }
            Self::File(path) => (open_name(&with_suffix(path, name)), path.clone()),
        }
    }

    /// The file that says what is about to be published.
    pub(crate) fn intent(&self) -> PathBuf {
        self.hidden(INTENT)
    }

    /// The same while it is being written.
    pub(crate) fn unfinished_intent(&self) -> PathBuf {
        self.hidden(&format!("{INTENT}{UNFINISHED}"))
    }

    /// The file that says which job with state writes files of this prefix there: dead letters may lie beside
    /// another job's results.
    pub(crate) fn marker(&self, prefix: &str) -> PathBuf {
        match prefix {
            DEAD_LETTER_PREFIX => self.hidden(&format!("{MARKER}-dead")),
            _ => self.hidden(MARKER),
        }
    }

    /// A hidden file that belongs to the place.
    fn hidden(&self, ending: &str) -> PathBuf {
        match self {
            Self::Directory(path) => path.join(ending),
            Self::File(path) => {
                let mut name = OsString::from(".");
                name.push(path.file_name().unwrap_or_default());
                name.push(ending);
                path.with_file_name(name)
            }
        }
    }

    /// Takes the lock; `None` if another has it.
    pub(crate) fn lock(&self) -> Result<Option<Lock>, SinkError> {
        match self {
            Self::Directory(path) => {
                let opened = fs::File::open(path);
                let file = opened.map_err(|error| SinkError::of(path, "open", error))?;
                let is_ours =
                    file.try_lock().map_err(|error| SinkError::of(path, "lock", error))?;
                Ok(is_ours.then_some(Lock { _file: file, removed: None }))
            }
            Self::File(_) => lock_file(&self.hidden(LOCK)),
        }
    }
}

/// Nobody else works at a place for as long as this lives.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Closing it gives the lock up.
    _file: fs::File,
    /// Goes with the lock.
    removed: Option<PathBuf>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = &self.removed {
            // One that stays is taken by the next job, as that of a job that was killed.
            let _ = fs::remove_file(path);
        }
    }
}

/// Locks a file that is there only for that, and goes with the lock.
fn lock_file(path: &Path) -> Result<Option<Lock>, SinkError> {
    let failed = |operation| move |error| SinkError::of(path, operation, error);
    loop {
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path).map_err(failed("create"))?;
        if !file.try_lock().map_err(failed("lock"))? {
            return Ok(None);
        }
        // Whoever had it before may have removed the name since it was opened; then others lock another file.
        let locked = file.metadata().map_err(failed("look at"))?;
        match fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => {
                return Ok(Some(Lock { _file: file, removed: Some(path.to_owned()) }));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("look at")(error));
            }
            _ => {}
        }
    }
}

/// A path with a point and more behind its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory that a name stands in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn hidden_files_stand_beside_the_results() {
        let directory = Place::Directory(PathBuf::from("/a/out"));
        assert_eq!(directory.intent(), Path::new("/a/out/.tidemill-publish"));
        let file = Place::File(PathBuf::from("o.csv"));
        assert_eq!(file.intent(), Path::new(".o.csv.tidemill-publish"));
        assert_eq!(file.unfinished_intent(), Path::new(".o.csv.tidemill-publish.tmp"));
        assert_eq!(file.directory(), Path::new("."));
        let (open, whole) = file.names("00000-000007");
        assert_eq!((open, whole), ("o.csv.00000-000007.open".into(), "o.csv".into()));
    }

    #[test]
    fn a_file_is_locked_beside_others_and_its_lock_goes() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| Place::File(root.path().join(name));
        let names = || fs::read_dir(root.path()).unwrap().count();
        let lock = place("a.csv").lock().unwrap().unwrap();
        assert!(place("a.csv").lock().unwrap().is_none());
        let other = place("b.csv").lock().unwrap().unwrap();
        let directory = Place::Directory(root.path().to_owned()).lock().unwrap().unwrap();
        assert_eq!(names(), 2);
        drop((lock, other, directory));
        assert_eq!(names(), 0);
        // What a job that was killed leaves is locked by nobody.
        fs::write(place("a.csv").hidden(LOCK), "").unwrap();
        drop(place("a.csv").lock().unwrap().unwrap());
        assert_eq!(names(), 0);
    }

    #[test]
    fn of_many_who_want_a_lock_one_has_it() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::File(root.path().join("a.csv"));
        let count = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Some(_lock) = place.lock().unwrap() else { continue };
                        let before = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(before, 0, "two have the lock");
                        count.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
