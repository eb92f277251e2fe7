//! What a file sink owns: a directory of segments or one file. Who may write there, and which names are free.
//!
//! Control plane only: opened once before any pipeline. A job never takes a name that was there before it,
//! not even of a file that an earlier one left open: its segments go on behind the highest number.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_plan::OnExisting;
use tidemill_rt::{FileIdentity, Hold, fs};

use crate::intent::roll_forward;
use crate::job::Job;
use crate::names::{
    DEAD_LETTER_PREFIX, OPEN_SUFFIX, RESULT_PREFIX, SegmentName, is_folder_name, parse,
    parse_open_part, part_numbers, segment_name,
};
use crate::place::{Lock, Place, parent, with_suffix};
use crate::publish::publish;
use crate::{Finished, Published, SinkError};

/// Segments of a directory that wait to be flushed by whoever publishes them, at most; more are flushed where
/// they are written, which holds up those who write faster than the device.
pub(crate) const UNSYNCED_MAX: usize = 16;

/// A directory, or one file, that this process alone writes results to for as long as this value lives.
///
/// A directory gets a series of segments from each writer. Of one file each writer makes a part, which
/// [`Self::join`] puts behind each other before they are published.
#[derive(Debug)]
pub struct OutputDirectory {
    // Fixed as it is opened.
    place: Place,
    /// The same, whatever the working directory.
    absolute: Place,
    /// First part of the names of its segments; empty of one file.
    prefix: String,
    is_durable: bool,
    is_live: bool,
    /// What waits for room where there is none.
    hold: Option<Hold>,
    /// Number of the first segment of each partition, or of this attempt at one file.
    first_segment: u64,
    /// Files that an earlier job left open, in order of name.
    left_open: Vec<PathBuf>,
    /// Whose it is, of a job with state.
    job: Option<Job>,
    // Changes as segments are published.
    state: Mutex<State>,
    /// One for each segment that waits to be flushed, and one more.
    unsynced: Arc<()>,
    /// Folders that this job has made below the directory. Those without a file go with this value.
    made: Mutex<Vec<PathBuf>>,
    _lock: Lock,
}

/// What the next publishing has to see to.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Results of earlier jobs that are to be replaced, in order of name.
    pub(crate) earlier: Vec<PathBuf>,
    /// The same of one file.
    pub(crate) earlier_file: Option<FileIdentity>,
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
        let place = Place::Directory(path.to_owned());
        let lock = take_lock(&place)?;
        roll_forward(&place)?;
        let found = Found::list_all(path, prefix)?;
        if let (Some(result), OnExisting::Fail) = (found.results.first(), on_existing) {
            return Err(SinkError::Existing { path: result.clone() });
        }
        let earlier = match on_existing {
            OnExisting::Append => Vec::new(),
            OnExisting::Fail | OnExisting::Replace => found.results,
        };
        let state = State { earlier, made_in, ..State::default() };
        Self::new(place, prefix, found.highest, found.left_open, state, lock)
    }

    /// Opens one file for results, making the directory that it stands in if need be, and completes what an
    /// earlier job was about to publish there when it ended.
    ///
    /// # Errors
    /// As [`Self::open`]; [`SinkError::Existing`] if the file is there and is not to be replaced (nothing is
    /// appended to one file, which is published whole);
    /// [`SinkError::NotAFile`] if something else is.
    pub fn open_file(path: &Path, on_existing: OnExisting) -> Result<Self, SinkError> {
        let made_in = make(parent(path))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| SinkError::NotAFile { path: path.to_owned() })?;
        let place = Place::File(path.to_owned());
        let lock = take_lock(&place)?;
        roll_forward(&place)?;
        let found = Found::list(parent(path), |other| {
            let segment = parse_open_part(name, other)?;
            Some(SegmentName { segment, is_open: true })
        })?;
        let earlier_file = match fs::symlink_metadata(path) {
            Ok(there) if !there.is_file() => {
                return Err(SinkError::NotAFile { path: path.to_owned() });
            }
            Ok(_) if on_existing != OnExisting::Replace => {
                return Err(SinkError::Existing { path: path.to_owned() });
            }
            Ok(there) => Some(FileIdentity::of(&there)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(SinkError::of(path, "look at", error)),
        };
        let state = State { earlier_file, made_in, ..State::default() };
        Self::new(place, "", found.highest, found.left_open, state, lock)
    }

    pub(crate) fn new(
        place: Place,
        prefix: &str,
        highest: Option<u64>,
        left_open: Vec<PathBuf>,
        state: State,
        lock: Lock,
    ) -> Result<Self, SinkError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| SinkError::of(path, "find", error))
        };
        let absolute = match &place {
            Place::Directory(path) => Place::Directory(absolute(path)?),
            Place::File(path) => Place::File(absolute(path)?),
        };
        Ok(Self {
            place,
            absolute,
            prefix: prefix.to_owned(),
            is_durable: true,
            is_live: false,
            hold: None,
            first_segment: highest.map_or(0, |highest| highest + 1),
            left_open,
            job: None,
            state: Mutex::new(state),
            unsynced: Arc::new(()),
            made: Mutex::default(),
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

    /// The same, where what finds no room waits for some.
    #[must_use]
    pub fn holding(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Tries something that comes to the same however often it is tried: until there is room, if it is to be waited.
    pub(crate) fn until_room<T>(
        &self,
        path: &Path,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.hold {
            Some(hold) => hold.until_room(path, |error| Some(error), attempt),
            None => attempt(),
        }
    }

    /// Whether files are flushed to the device before they become visible.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Whether a job with state writes here: what it has written stays when it ends, and it goes on with that.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.job.is_some()
    }

    /// Whether files stay that are not published when this process ends.
    pub(crate) fn keeps_files(&self) -> bool {
        self.is_live || self.has_state()
    }

    /// Whether segments are published one by one.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// The directory, or the one file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Whether all results go to one file.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        matches!(self.place, Place::File(_))
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
        let mut open = self.all_open()?;
        open.retain(|path| self.left_open.binary_search(path).is_err());
        Ok(open)
    }

    /// Files that any job was writing here when it ended, in order of name.
    pub(crate) fn all_open(&self) -> Result<Vec<PathBuf>, SinkError> {
        let found = match &self.place {
            Place::Directory(path) => Found::list_all(path, &self.prefix),
            Place::File(path) => {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                Found::list(parent(path), |other| {
                    let segment = parse_open_part(name, other)?;
                    Some(SegmentName { segment, is_open: true })
                })
            }
        };
        found.map(|found| found.left_open)
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

    /// Final name of a segment; of one file, the name of a part without what says that it is open.
    pub(crate) fn segment(&self, partition: u32, segment: u64, extension: &str) -> PathBuf {
        match &self.place {
            Place::Directory(path) => {
                path.join(segment_name(&self.prefix, partition, segment, extension))
            }
            Place::File(path) => with_suffix(path, &part_numbers(partition, segment)),
        }
    }

    /// The same of a segment in a folder below the directory.
    pub(crate) fn segment_in(
        &self,
        folder: &Path,
        (partition, segment, extension): (u32, u64, &str),
    ) -> PathBuf {
        let name = segment_name(&self.prefix, partition, segment, extension);
        self.path().join(folder).join(name)
    }

    /// Makes a folder below the directory, where none is there.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<(), SinkError> {
        let mut path = self.path().to_owned();
        for name in folder {
            path.push(name);
            match self.until_room(&path, || fs::create_dir(&path)) {
                Ok(()) => {
                    let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.push(path.clone());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A link would lead to files that are not looked for here.
                    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                        return Err(SinkError::NotADirectory { path });
                    }
                }
                Err(error) => return Err(SinkError::of(path, "make", error)),
            }
        }
        Ok(())
    }

    pub(crate) fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    pub(crate) fn set_job(&mut self, job: Job) {
        self.job = Some(job);
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn absolute(&self) -> &Place {
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

impl Drop for OutputDirectory {
    fn drop(&mut self) {
        if self.has_state() {
            return;
        }
        let made = self.made.get_mut().unwrap_or_else(PoisonError::into_inner);
        for folder in made.iter().rev() {
            // One that is not empty stays.
            let _ = fs::remove_dir(folder);
        }
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
    /// Files of the directory and, of results, those in its folders by value.
    fn list_all(path: &Path, prefix: &str) -> Result<Self, SinkError> {
        let mut found = Self::list(path, |name| parse(prefix, name))?;
        if prefix != RESULT_PREFIX {
            return Ok(found);
        }
        let mut waiting = folders(path)?;
        while let Some(folder) = waiting.pop() {
            let Self { results, left_open, highest } =
                Self::list(&folder, |name| parse(prefix, name))?;
            found.results.extend(results);
            found.left_open.extend(left_open);
            found.highest = found.highest.max(highest);
            waiting.extend(folders(&folder)?);
        }
        found.results.sort_unstable();
        found.left_open.sort_unstable();
        Ok(found)
    }

    pub(crate) fn list(
        path: &Path,
        parse: impl Fn(&str) -> Option<SegmentName>,
    ) -> Result<Self, SinkError> {
        let fail = |error| SinkError::of(path, "list", error);
        let mut found = Self { results: Vec::new(), left_open: Vec::new(), highest: None };
        for entry in fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some((name, said)) = name.to_str().and_then(|name| Some((name, parse(name)?)))
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

/// Folders by value in a directory, links left out.
fn folders(path: &Path) -> Result<Vec<PathBuf>, SinkError> {
    let fail = |error| SinkError::of(path, "list", error);
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let is_by_value = entry.file_name().to_str().is_some_and(is_folder_name);
        if is_by_value && entry.file_type().map_err(fail)?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

pub(crate) fn take_lock(place: &Place) -> Result<Lock, SinkError> {
    place.lock()?.ok_or_else(|| SinkError::Locked { path: place.path().to_owned() })
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
                if !fs::is_dir(directory) {
                    return Err(not_a_directory());
                }
            }
            Err(error) => return Err(SinkError::of(directory, "make", error)),
        }
    }
    Ok(made_in)
}
