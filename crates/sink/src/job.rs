//! Outputs of a job with state: they stay the job's when its process ends, and it goes on in them.
//!
//! Nothing is removed there by opening or by dropping. Numbers of segments come from the checkpoint, never from a listing;
//! what no checkpoint names goes when all who write there have said what theirs does ([`OutputDirectory::remove_unknown`]).

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidemill_plan::OnExisting;
use tidemill_rt::{FileIdentity, fs, sync_directory};

use crate::directory::{State, take_lock};
use crate::finished::open_name;
use crate::intent::{is_there, remove, roll_forward, sync};
use crate::marker::{Earlier, Marker};
use crate::names::{
    DEAD_LETTER_PREFIX, RESULT_PREFIX, is_result, parse, parse_open_part, parse_part_numbers,
    part_numbers, segment_name,
};
use crate::place::{Place, UNFINISHED, parent, with_suffix};
use crate::{OutputDirectory, SinkError};

/// What a job writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Results, in a directory of segments.
    Directory(&'a Path),
    /// Results, in one file.
    File(&'a Path),
    /// Dead letters, in a directory of segments.
    DeadLetters(&'a Path),
}

impl Target<'_> {
    fn place(self) -> Place {
        match self {
            Self::Directory(path) | Self::DeadLetters(path) => Place::Directory(path.to_owned()),
            Self::File(path) => Place::File(path.to_owned()),
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Directory(_) => RESULT_PREFIX,
            Self::File(_) => "",
            Self::DeadLetters(_) => DEAD_LETTER_PREFIX,
        }
    }
}

/// The job with state that writes to an output.
#[derive(Debug)]
pub(crate) struct Job {
    /// It goes on with what an earlier process has written.
    is_resumed: bool,
    /// As it is on the disk.
    marker: Mutex<Marker>,
    /// Files that this process has gone on with, and those that it has begun before what is unknown had gone.
    known: Mutex<Known>,
    /// The first segment of a job whose state has been given up: nobody goes on with what it left open.
    given_up: Option<u64>,
}

/// See [`Job::known`].
#[derive(Debug, Default)]
struct Known {
    files: HashSet<PathBuf>,
    /// What is unknown has gone.
    is_settled: bool,
}

impl Job {
    fn new(marker: Marker, is_resumed: bool) -> Self {
        Self { is_resumed, marker: Mutex::new(marker), known: Mutex::default(), given_up: None }
    }

    /// It is whole between any two statements that could panic, so poison means nothing.
    fn marker(&self) -> MutexGuard<'_, Marker> {
        self.marker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputDirectory {
    /// Opens an output for a job with state that begins, as `on.existing` says, and writes down that it is the job's.
    /// `job` is its name among all jobs: letters, digits and `-`. An output that says already that it is this job's, which
    /// was killed before its first checkpoint, is opened as [`Self::open_resumed`] does.
    ///
    /// `replaced` are the jobs whose state has been given up: their output may be written to.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::open_file`]; [`SinkError::OutputWithoutState`] where another job with state has
    /// written, unless it is among `replaced` or its results are; [`SinkError::Unflushable`]; [`SinkError::Marker`].
    pub fn open_fresh(
        target: Target<'_>,
        on_existing: OnExisting,
        job: &str,
        replaced: &[String],
    ) -> Result<Self, SinkError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        debug_assert!(job.bytes().all(is_plain), "it is one word");
        let (place, prefix) = (target.place(), target.prefix());
        let known = Marker::read(&place, prefix)?;
        match &known {
            Some(known) if known.job == job => return Self::open_resumed(target, job),
            Some(known) if on_existing != OnExisting::Replace && !replaced.contains(&known.job) => {
                return Err(SinkError::OutputWithoutState {
                    path: place.path().to_owned(),
                    marker: place.marker(prefix),
                });
            }
            _ => {}
        }
        let mut directory = match target {
            Target::Directory(path) => Self::open(path, on_existing)?,
            Target::File(path) => Self::open_file(path, on_existing)?,
            Target::DeadLetters(path) => Self::open_dead_letters(path)?,
        };
        if Marker::read(&place, prefix)? != known {
            // Whoever wrote it had the lock at this moment.
            return Err(SinkError::Locked { path: place.path().to_owned() });
        }
        let marker = {
            let state = directory.state();
            for made_in in &state.made_in {
                flush(made_in)?;
            }
            flush_above(directory.absolute().directory())?;
            let names = state.earlier.iter().map(|path| directory.name_of(path));
            Marker {
                job: job.to_owned(),
                first_segment: directory.first_segment(),
                earlier: names.collect(),
                earlier_file: state.earlier_file.as_ref().map(Earlier::of),
                given: std::collections::BTreeMap::new(),
            }
        };
        flush(place.directory())?;
        marker.write(&place, prefix, true)?;
        sync(place.directory())?;
        let given_up = known.filter(|known| replaced.contains(&known.job));
        let given_up = given_up.map(|known| known.first_segment);
        directory.set_job(Job { given_up, ..Job::new(marker, false) });
        Ok(directory)
    }

    /// Opens an output for a job with state that goes on, and completes what it was about to publish there when it
    /// ended. Nothing that is there is refused or removed.
    ///
    /// # Errors
    /// [`SinkError::StateWithoutOutput`], [`SinkError::OtherJob`], [`SinkError::Locked`],
    /// [`SinkError::Unflushable`], [`SinkError::Marker`], [`SinkError::Intent`]; what the system said otherwise.
    pub fn open_resumed(target: Target<'_>, job: &str) -> Result<Self, SinkError> {
        let (place, prefix) = (target.place(), target.prefix());
        let lost = || SinkError::StateWithoutOutput { path: place.path().to_owned() };
        if !fs::is_dir(place.directory()) {
            return Err(lost());
        }
        let lock = take_lock(&place)?;
        let marker = Marker::read(&place, prefix)?.ok_or_else(lost)?;
        if marker.job != job {
            let marker = place.marker(prefix);
            return Err(SinkError::OtherJob { path: place.path().to_owned(), marker });
        }
        flush(place.directory())?;
        roll_forward(&place)?;
        let earlier = marker.earlier.iter().map(|name| place.directory().join(name)).collect();
        let there = fs::symlink_metadata(place.path()).ok().map(|there| FileIdentity::of(&there));
        // What has its place meanwhile is the job's own, or somebody else's.
        let earlier_file = there.filter(|there| marker.earlier_file == Some(Earlier::of(there)));
        let state = State { earlier, earlier_file, made_in: Vec::new() };
        let highest = marker.first_segment.checked_sub(1);
        let mut directory = Self::new(place, prefix, highest, Vec::new(), state, lock)?;
        directory.set_job(Job::new(marker, true));
        Ok(directory)
    }

    /// Removes files that the job was writing and that no checkpoint names: call it when all that have one have been
    /// restored. `named` are the names in the checkpoints of those that are not open yet, as [`crate::named_in`] gives them. Of
    /// a job that begins in the place of one whose state was given up, what that one left open goes.
    /// Gives the files that it has removed, in order of name. Only names of these jobs' segments are removed.
    ///
    /// # Errors
    /// What listing, removing or flushing said.
    pub fn remove_unknown(&self, named: &[String]) -> Result<Vec<PathBuf>, SinkError> {
        let Some(job) = self.job() else { return Ok(Vec::new()) };
        let first = self.first_segment();
        let numbers = match job.given_up {
            _ if job.is_resumed => first..u64::MAX,
            Some(given_up) => given_up..first,
            None => return Ok(Vec::new()),
        };
        let named: HashSet<PathBuf> = named.iter().map(|name| self.place().names(name).0).collect();
        let mut removed = self.all_open()?;
        let mut known = job.known();
        removed.retain(|path| {
            let number = self.open_number(path);
            number.is_some_and(|number| numbers.contains(&number))
                && !known.files.contains(path)
                && !named.contains(path)
        });
        known.is_settled = true;
        drop(known);
        let mut changed = BTreeSet::new();
        for path in &removed {
            remove(path)?;
            changed.insert(parent(path));
        }
        if self.is_durable() {
            changed.into_iter().try_for_each(sync)?;
        }
        Ok(removed)
    }

    /// The number in the name of an open segment.
    fn open_number(&self, path: &Path) -> Option<u64> {
        let name = file_name(path)?;
        match self.place() {
            Place::Directory(_) => parse(self.prefix(), name).map(|name| name.segment),
            Place::File(file) => parse_open_part(file_name(file)?, name),
        }
    }

    /// Forgets a job that has ended for good: what it has written to an output is a result like any other. What carries
    /// no mark, or that of another job, stays as it is; nobody has to have it open.
    ///
    /// # Errors
    /// [`SinkError::Marker`]; what removing or flushing said.
    pub fn end_job(target: Target<'_>, job: &str) -> Result<(), SinkError> {
        let (place, prefix) = (target.place(), target.prefix());
        if Marker::read(&place, prefix)?.is_none_or(|known| known.job != job) {
            return Ok(());
        }
        let marker = place.marker(prefix);
        remove(&with_suffix(&marker, UNFINISHED.trim_start_matches('.')))?;
        remove(&marker)?;
        sync(place.directory())
    }

    /// Notes a segment that is begun. Where an earlier process has begun it, too, and no checkpoint knows of that, the
    /// earlier file goes.
    pub(crate) fn begin_segment(&self, segment: &Path) -> Result<(), SinkError> {
        let Some(job) = self.job().filter(|job| job.is_resumed) else { return Ok(()) };
        if !self.is_one_file() && is_there(segment)? {
            return Err(SinkError::StateBehind { path: segment.to_owned() });
        }
        let path = open_name(segment);
        let mut known = job.known();
        if known.files.contains(&path) {
            // Then what the checkpoint says contradicts itself, and making it says that the name is taken.
            return Ok(());
        }
        if !known.is_settled {
            known.files.insert(path.clone());
        }
        drop(known);
        remove(&path)
    }

    /// Notes a segment that is gone on with: it stays when what is unknown goes.
    pub(crate) fn note_opened(&self, segment: &Path) {
        if let Some(job) = self.job() {
            job.known().files.insert(open_name(segment));
        }
    }

    /// Refuses state that is older than what has been published since: of this writer that many segments have been given.
    pub(crate) fn check_given(&self, writer: u32, count: u64) -> Result<(), SinkError> {
        let given = self.job().and_then(|job| job.marker().given.get(&writer).copied());
        if given.is_some_and(|given| given > count) {
            return Err(SinkError::StateBehind { path: self.path().to_owned() });
        }
        Ok(())
    }

    /// Writes down how many segments of writers have been given, before they are published.
    pub(crate) fn note_given(
        &self,
        given: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), SinkError> {
        let Some(job) = self.job() else { return Ok(()) };
        let mut marker = job.marker();
        let mut is_new = false;
        for (writer, count) in given {
            let known = marker.given.entry(writer).or_default();
            is_new |= count > *known;
            *known = count.max(*known);
        }
        if is_new { self.write_marker(&marker) } else { Ok(()) }
    }

    /// Forgets how many segments a writer has given, which gives none any more and which no later run has. That is written down
    /// with the next that another one gives.
    pub(crate) fn forget_writer(&self, writer: u32) {
        if let Some(job) = self.job() {
            job.marker().given.remove(&writer);
        }
    }

    /// Writes down that earlier results have been replaced.
    pub(crate) fn note_replaced(&self) -> Result<(), SinkError> {
        let Some(job) = self.job() else { return Ok(()) };
        let mut marker = job.marker();
        if marker.earlier.is_empty() && marker.earlier_file.is_none() {
            return Ok(());
        }
        (marker.earlier, marker.earlier_file) = (Vec::new(), None);
        self.write_marker(&marker)
    }

    fn write_marker(&self, marker: &Marker) -> Result<(), SinkError> {
        let write = || marker.write(self.place(), self.prefix(), self.is_durable());
        match self.hold() {
            Some(hold) => {
                let path = self.place().marker(self.prefix());
                hold.until_room(&path, SinkError::no_room, write)
            }
            None => write(),
        }
    }

    /// The name of a segment as checkpoints have it: below the directory, or the numbers of a file's part.
    pub(crate) fn name_of(&self, segment: &Path) -> String {
        let name = match self.place() {
            Place::Directory(root) => segment.strip_prefix(root).ok().and_then(Path::to_str),
            Place::File(_) => file_name(segment)
                .and_then(|name| name.rsplit_once('.'))
                .map(|(_, numbers)| numbers),
        };
        name.expect("a segment has a name of ours").to_owned()
    }

    /// The number and final name of a writer's segment, from its name in a checkpoint; `None` of any other name.
    pub(crate) fn segment_named(
        &self,
        partition: u32,
        extension: &str,
        name: &str,
    ) -> Option<(u64, PathBuf)> {
        let (number, own) = match self.place() {
            Place::Directory(_) => {
                let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
                let number =
                    parse(self.prefix(), last).filter(|_| is_result(self.prefix(), name))?;
                let own = segment_name(self.prefix(), partition, number.segment, extension);
                (number.segment, own == last)
            }
            Place::File(_) => {
                let number = parse_part_numbers(name)?;
                (number, part_numbers(partition, number) == name)
            }
        };
        own.then(|| match self.place() {
            Place::Directory(root) => (number, root.join(name)),
            Place::File(_) => (number, self.segment(partition, number, extension)),
        })
    }
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Makes the directories durable that lead to one: a process that was killed may have made them, and nobody has flushed that.
/// Where somebody else's refuse it they are not of its making.
fn flush_above(directory: &Path) -> Result<(), SinkError> {
    for above in directory.ancestors().skip(1) {
        match sync_directory(above) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                return Err(SinkError::of(above, "sync", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes the names of a directory durable, for the first time: there are file systems that cannot.
fn flush(directory: &Path) -> Result<(), SinkError> {
    sync_directory(directory).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            SinkError::of(directory, "sync", source)
        }
        _ => SinkError::Unflushable { path: directory.to_owned(), source },
    })
}
