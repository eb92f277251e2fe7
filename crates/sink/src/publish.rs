//! The one moment at which results become visible.
//!
//! A [`Plan`] is the sequence of everything that touches the disk, made beforehand and then done step by step. Where
//! there is one segment and nothing goes, its rename is that moment. Else it is the moment at which an
//! [`Intent`] is durable, which is before the first rename. Earlier results go last, when the new ones are visible
//! for good; one file takes the place of an earlier one in a single step, when all renames have been done.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use tidemill_rt::{FileIdentity, Hold, fs, rename_to_free};

use crate::directory::State;
use crate::finished::open_name;
use crate::intent::{INTENT_BYTES_MAX, Intent, Section, is_there, remove, remove_if_empty, sync};
use crate::place::Place;
use crate::{Finished, OutputDirectory, SinkError};

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

/// What is to happen at one place.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// As it was given, for messages.
    pub(crate) place: Place,
    pub(crate) is_durable: bool,
    /// Directories in which one was made on the way.
    pub(crate) made_in: Vec<PathBuf>,
    pub(crate) section: Section,
}

/// A change of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes a file in place of whatever has its name, and flushes it if asked to.
    Write { path: PathBuf, text: String, is_durable: bool },
    /// Makes the names of a directory durable.
    Sync(PathBuf),
    /// Gives a file a name that is free.
    Rename { from: PathBuf, to: PathBuf },
    /// Gives a file the name of another, which goes.
    Replace { from: PathBuf, to: PathBuf },
    /// Removes a file, if it is there.
    Remove(PathBuf),
    /// Removes a folder, if nothing is left in it.
    RemoveEmpty(PathBuf),
}

/// The steps of publishing, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// After these the wave counts as published; until then nothing has.
    pub(crate) prepare: Vec<Step>,
    /// Segments get their names.
    pub(crate) renames: Vec<Step>,
    /// Files take the place of earlier ones, which cannot be taken back.
    pub(crate) replacements: Vec<Step>,
    /// Makes that durable, then clears up.
    pub(crate) settle: Vec<Step>,
    /// Where intents are written, the home first.
    intents: Vec<Place>,
    /// Whether segments that have their names keep them when a later one fails.
    keeps_given: bool,
    /// Where what finds no room waits for some.
    hold: Option<Hold>,
}

/// Makes the segments of a wave visible under their final names, and durably so, all or none of them: what this
/// process does not come to, whoever opens one of the directories next completes. With `on.existing = replace` the
/// results of earlier jobs go then; those that a directory has published before are no earlier ones.
///
/// # Errors
/// [`SinkError::NameTaken`] where something has a final name; what write, rename, remove or fsync said. Before the
/// first rename nothing has happened; names already given are taken back, as far as the disk lets us. What comes
/// after the renames leaves the new results visible. A failed fsync is not repeated.
pub fn publish(wave: Vec<(&OutputDirectory, Vec<Finished>)>) -> Result<Published, SinkError> {
    publish_wave(wave, Together::All)
}

/// Makes segments of a directory visible, each for itself, as [`publish`] does; the first time together, where
/// earlier results go.
///
/// # Errors
/// As [`publish`]. But where each is for itself, those that have their names keep them, because readers may have
/// seen them; the rest stays open.
pub fn publish_each(
    directory: &OutputDirectory,
    finished: Vec<Finished>,
) -> Result<Published, SinkError> {
    publish_wave(vec![(directory, finished)], Together::Each)
}

/// Which segments become visible or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Together {
    /// All of a wave.
    All,
    /// Each for itself.
    Each,
}

fn publish_wave(
    wave: Vec<(&OutputDirectory, Vec<Finished>)>,
    together: Together,
) -> Result<Published, SinkError> {
    let mut published = Published::default();
    let (mut parts, mut all) = (Vec::new(), Vec::new());
    for (directory, mut finished) in wave {
        finished.iter_mut().try_for_each(Finished::sync)?;
        directory.note_given(finished.iter().flat_map(Finished::given))?;
        published.byte_count += finished.iter().map(Finished::byte_count).sum::<u64>();
        let segments = finished.iter().flat_map(|finished| finished.segments.iter().cloned());
        let mut segments: Vec<PathBuf> = segments.collect();
        if directory.has_state() {
            segments = still_open(segments)?;
        }
        let section = match directory.absolute() {
            Place::Directory(_) => section_of_directory(directory, &segments),
            Place::File(_) => section_of_file(directory, &segments)?,
        };
        published.removed_count += section.remove.len() + section.replace.len();
        published.files.extend(match directory.place() {
            Place::Directory(_) => segments.clone(),
            Place::File(path) => segments.iter().map(|_| path.clone()).collect(),
        });
        let is_touched = !segments.is_empty() || !section.is_empty();
        parts.push(Part {
            place: directory.place().clone(),
            is_durable: directory.is_durable(),
            made_in: directory.state().made_in.clone(),
            section,
        });
        all.push((directory, finished, is_touched));
    }
    published.files.sort_unstable();
    let hold = all.iter().find_map(|(directory, ..)| directory.hold().cloned());
    let plan = Plan { hold, ..Plan::new(&wave_name(), parts, together) };
    let outcome = plan.perform();
    if !matches!(outcome, Err(Failure { is_undone: true, .. })) {
        for (directory, finished, is_touched) in &mut all {
            finished.iter_mut().for_each(Finished::release);
            if *is_touched {
                *directory.state() = State::default();
            }
        }
    }
    outcome.map_err(|failure| failure.error)?;
    for (directory, finished, _) in &mut all {
        directory.note_replaced()?;
        finished.iter_mut().try_for_each(Finished::note_published)?;
    }
    Ok(published)
}

/// Those that have not been published yet by a process that ended meanwhile. Who is neither open nor published was taken
/// by whom it was for.
fn still_open(segments: Vec<PathBuf>) -> Result<Vec<PathBuf>, SinkError> {
    let mut left = Vec::with_capacity(segments.len());
    for segment in segments {
        let open = open_name(&segment);
        if !is_there(&open)? {
            continue;
        }
        if !is_there(&segment)? {
            left.push(segment);
            continue;
        }
        // Where a rename is a link and a removal, both are there in between; else this says that the name is taken.
        rename_to_free(&open, &segment)
            .map_err(|error| SinkError::of(&segment, "publish", error))?;
    }
    Ok(left)
}

/// Segments become visible, and what is left of earlier ones goes.
fn section_of_directory(directory: &OutputDirectory, segments: &[PathBuf]) -> Section {
    let mut state = directory.state();
    state.earlier.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()));
    let root = directory.path();
    Section {
        prefix: directory.prefix().to_owned(),
        publish: names_below(root, segments),
        remove: names_below(root, &state.earlier),
        ..Section::empty(directory.absolute().clone())
    }
}

/// The one part becomes the file, in place of the earlier one if that is still what was to be replaced.
fn section_of_file(
    directory: &OutputDirectory,
    segments: &[PathBuf],
) -> Result<Section, SinkError> {
    assert!(segments.len() <= 1, "the parts of a file have been joined");
    let mut section = Section::empty(directory.absolute().clone());
    let path = directory.path();
    let there = fs::symlink_metadata(path).ok().map(|there| FileIdentity::of(&there));
    let numbers = names(segments).into_iter().map(|name| {
        let numbers = name.rsplit_once('.').map(|(_, numbers)| numbers.to_owned());
        numbers.expect("numbers stand behind the name of a file")
    });
    match (directory.state().earlier_file, there) {
        (_, None) => section.publish.extend(numbers),
        (Some(earlier), Some(there)) if earlier.change_to(&there).is_none() => {
            section.replace.extend(numbers);
        }
        _ if segments.is_empty() => {}
        _ => return Err(SinkError::NameTaken { path: path.to_owned() }),
    }
    Ok(section)
}

/// Why publishing ended early.
struct Failure {
    error: SinkError,
    /// All is as before.
    is_undone: bool,
}

impl Part {
    /// Every directory whose names change, as its place was given.
    fn directories(&self) -> Vec<PathBuf> {
        self.section.at(&self.place).directories()
    }
}

impl Plan {
    pub(crate) fn new(wave: &str, mut parts: Vec<Part>, together: Together) -> Self {
        parts.retain(|part| !part.section.is_empty());
        // Directories rely on each other's intents, so those, and the changes of names in between, become durable in
        // order in all of them. Contents of files are flushed only where they are asked to be.
        let is_shared = parts.len() > 1;
        parts.iter_mut().for_each(|part| part.is_durable |= is_shared);
        let mut plan = Self::default();
        let durable = |part: &&Part| part.is_durable;
        for made_in in parts.iter().filter(durable).flat_map(|part| &part.made_in) {
            if !plan.prepare.contains(&Step::Sync(made_in.clone())) {
                plan.prepare.push(Step::Sync(made_in.clone()));
            }
        }
        for part in &parts {
            let names = |name: &String| part.place.names(name);
            let renames = part.section.publish.iter().map(names);
            plan.renames.extend(renames.map(|(from, to)| Step::Rename { from, to }));
            let replacements = part.section.replace.iter().map(names);
            plan.replacements.extend(replacements.map(|(from, to)| Step::Replace { from, to }));
        }
        let step_count = plan.renames.len() + plan.replacements.len();
        let is_one_step = (step_count <= 1 || together == Together::Each)
            && parts.iter().all(|part| part.section.remove.is_empty());
        let syncs = |parts: &[Part]| -> Vec<Step> {
            let directories = parts.iter().filter(durable).flat_map(Part::directories);
            directories.map(Step::Sync).collect()
        };
        plan.keeps_given = together == Together::Each && is_one_step;
        if !is_one_step {
            // What the intent speaks of must be there whenever the intent is.
            plan.prepare.extend(syncs(&parts));
            plan.write_intents(wave, &parts);
        }
        plan.settle.extend(syncs(&parts));
        if !is_one_step {
            for part in parts.iter().filter(|part| !part.section.remove.is_empty()) {
                let directory = part.place.directory();
                let removed = part.section.remove.iter().map(|name| directory.join(name));
                plan.settle.extend(removed.map(Step::Remove));
                plan.settle.extend(syncs(std::slice::from_ref(part)));
                let emptied = part.section.at(&part.place).emptied();
                plan.settle.extend(emptied.into_iter().map(Step::RemoveEmpty));
            }
            // The home's last: the others look there.
            for part in parts.iter().rev() {
                plan.settle.push(Step::Remove(part.place.intent()));
                if part.is_durable {
                    plan.settle.push(Step::Sync(part.place.directory().to_owned()));
                }
            }
        }
        plan
    }

    /// The home's last: it is the one that counts.
    fn write_intents(&mut self, wave: &str, parts: &[Part]) {
        let Section { place, prefix, .. } = parts[0].section.clone();
        let home = Section { prefix, ..Section::empty(place) };
        for (place, part) in parts.iter().enumerate().rev() {
            let (own, sections) = match place {
                0 => (0, parts.iter().map(|part| part.section.clone()).collect()),
                _ => (1, vec![home.clone(), part.section.clone()]),
            };
            let text = Intent { wave: wave.to_owned(), own, sections }.encode();
            let (from, to) = (part.place.unfinished_intent(), part.place.intent());
            let is_durable = part.is_durable;
            self.prepare.push(Step::Write { path: from.clone(), text, is_durable });
            self.prepare.push(Step::Rename { from, to });
            if is_durable {
                self.prepare.push(Step::Sync(part.place.directory().to_owned()));
            }
            self.intents.insert(0, part.place.clone());
        }
    }

    fn perform(&self) -> Result<(), Failure> {
        // Most of what could stop a rename is known beforehand.
        for step in &self.renames {
            if let Step::Rename { to, .. } = step
                && fs::symlink_metadata(to).is_ok()
            {
                let error = SinkError::NameTaken { path: to.clone() };
                return Err(Failure { error, is_undone: true });
            }
        }
        if let Err(error) = self.prepare.iter().try_for_each(|step| self.perform_step(step)) {
            return Err(Failure { error, is_undone: self.withdraw() });
        }
        for (done, step) in self.renames.iter().enumerate() {
            if let Err(error) = self.perform_step(step) {
                if self.keeps_given && done > 0 {
                    // Readers may have seen them. What failed is worth more than what this may say.
                    let _ = self.settle.iter().try_for_each(Step::perform);
                    return Err(Failure { error, is_undone: false });
                }
                let mut given = self.renames[..done].iter().rev();
                let is_undone = given.all(|step| step.undo().is_ok()) && self.withdraw();
                return Err(Failure { error, is_undone });
            }
        }
        let mut rest = self.replacements.iter().chain(&self.settle);
        rest.try_for_each(|step| self.perform_step(step)).map_err(|error| self.unsettled(error))
    }

    /// One that makes or moves a name waits for room. A flush that has failed is not repeated.
    fn perform_step(&self, step: &Step) -> Result<(), SinkError> {
        match (&self.hold, step) {
            (
                Some(hold),
                Step::Write { path, .. }
                | Step::Rename { to: path, .. }
                | Step::Replace { to: path, .. },
            ) => hold.until_room(path, SinkError::no_room, || step.perform()),
            _ => step.perform(),
        }
    }

    /// What failed behind the renames. Where a replacement is the only step, nothing has happened without it.
    fn unsettled(&self, error: SinkError) -> Failure {
        let is_undone = match self.replacements.first() {
            Some(Step::Replace { from, .. }) => {
                self.intents.is_empty() && fs::symlink_metadata(from).is_ok()
            }
            _ => false,
        };
        if is_undone {
            return Failure { error, is_undone };
        }
        Failure { error: SinkError::Unsettled { source: Box::new(error) }, is_undone }
    }

    /// Takes intents back, the home's first; whether none is left that counts.
    fn withdraw(&self) -> bool {
        self.intents.iter().all(|place| {
            // This one says nothing, whether it goes or not.
            let _ = remove(&place.unfinished_intent());
            remove(&place.intent()).is_ok() && sync(place.directory()).is_ok()
        })
    }
}

impl Step {
    pub(crate) fn perform(&self) -> Result<(), SinkError> {
        match self {
            Self::Write { path, text, is_durable } => {
                let written = write(path, text, *is_durable);
                written.map_err(|error| SinkError::of(path, "write", error))
            }
            Self::Sync(path) => sync(path),
            Self::Rename { from, to } => {
                rename_to_free(from, to).map_err(|error| SinkError::of(to, "publish", error))
            }
            Self::Replace { from, to } => {
                fs::rename(from, to).map_err(|error| SinkError::of(to, "publish", error))
            }
            Self::Remove(path) => remove(path),
            Self::RemoveEmpty(folder) => {
                remove_if_empty(folder);
                Ok(())
            }
        }
    }

    /// Takes a rename back.
    fn undo(&self) -> io::Result<()> {
        match self {
            Self::Rename { from, to } => rename_to_free(to, from),
            Self::Write { .. }
            | Self::Sync(_)
            | Self::Replace { .. }
            | Self::Remove(_)
            | Self::RemoveEmpty(_) => Ok(()),
        }
    }
}

fn write(path: &Path, text: &str, is_durable: bool) -> io::Result<()> {
    if text.len() > INTENT_BYTES_MAX {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    // A link that somebody has put there would lead to a file that is not ours.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    if is_durable { file.sync_all() } else { Ok(()) }
}

/// Last parts of paths that end in names of ours.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let names = paths.iter().map(|path| path.file_name().and_then(|name| name.to_str()));
    names.map(|name| name.expect("a segment has a name in ASCII").to_owned()).collect()
}

/// The same with the folders by value that they stand in.
fn names_below(root: &Path, paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.strip_prefix(root).ok()?.to_str().map(str::to_owned);
    paths.iter().map(|path| name(path).expect("a segment has a name below its directory")).collect()
}

/// A name that no other wave has.
fn wave_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = tidemill_rt::system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (id, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{}-{id}-{count}", since.as_nanos())
}

#[cfg(test)]
mod tests;
