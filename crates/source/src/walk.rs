//! The files that a directory holds, or that match a pattern.
//!
//! Directories are entered by a list of what is still to be entered, so that no depth is too deep. Under
//! `**` each directory is entered once, whichever links lead to it: loops end, and no file comes twice
//! by them. Links are followed last, so that a file has its own path where it has one.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tidemill_rt::fs;

use crate::SourceError;
use crate::glob::{Part, Pattern};
use crate::left_out::{Examples, Standing, may_hold_data, standing};

/// A directory in a Delta table: its log says which of the files beside it count.
const DELTA_LOG: &str = "_delta_log";

/// What was found, in no order.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Files to read; whatever is no directory.
    pub(crate) files: Vec<Box<Path>>,
    /// Files that may be data and are left out because of their names.
    pub(crate) doubtful: Examples,
    /// Directories that stand among the files and are not entered.
    pub(crate) directories: Examples,
    /// Directories with the log of a table format, which says which files count.
    pub(crate) tables: Examples,
}

/// Finds the files of one directory, not those below.
///
/// # Errors
/// What listing it says.
pub(crate) fn list(directory: &Path) -> Result<Walked, SourceError> {
    let mut walked = Walked::default();
    for entry in entries(directory)? {
        walked.take(directory, entry?, None);
    }
    Ok(walked)
}

/// Finds the files that match a pattern.
///
/// # Errors
/// [`SourceError::BadGlob`], and what listing a directory says.
pub(crate) fn expand(text: &str) -> Result<Walked, SourceError> {
    let (start, parts) = split(text)?;
    let mut walk = Walk {
        parts: &parts,
        walked: Walked::default(),
        entered: HashSet::new(),
        waiting: vec![(start, 0)],
        links: BTreeSet::new(),
    };
    while let Some((directory, at)) = walk.next_directory() {
        walk.enter(directory, at)?;
    }
    // Under `**` directories are entered wherever they are.
    if parts.contains(&Part::AnyDepth) {
        walk.walked.directories = Examples::default();
    }
    Ok(walk.walked)
}

/// Whether a pattern matches a path, which need not be there; both as the working directory sees them.
pub(crate) fn would_match(text: &str, path: &Path) -> bool {
    let Ok((start, parts)) = split(text) else { return false };
    let start = if start.as_os_str().is_empty() { PathBuf::from(".") } else { start };
    let Ok(start) = fs::canonicalize(start) else { return false };
    let Some(names) = path.strip_prefix(start).ok() else { return false };
    let names: Vec<&[u8]> = names.iter().map(OsStrExt::as_bytes).collect();
    fits(&parts, &names)
}

fn fits(parts: &[Part], names: &[&[u8]]) -> bool {
    match (parts, names) {
        ([], []) => true,
        ([Part::AnyDepth, rest @ ..], _) => {
            (0..=names.len()).any(|depth| fits(rest, &names[depth..]))
        }
        ([part, parts @ ..], [name, names @ ..]) => {
            let is_so = match part {
                Part::Literal(text) => text.as_bytes() == *name,
                Part::Pattern(pattern) => pattern.matches(name),
                Part::AnyDepth => false,
            };
            is_so && fits(parts, names)
        }
        _ => false,
    }
}

/// The directory that a pattern begins in, as it is spelled, and the parts behind. As long as the parts
/// of a path are there as they stand, brackets and all, they mean that.
fn split(text: &str) -> Result<(PathBuf, Vec<Part>), SourceError> {
    let mut start = PathBuf::from(if text.starts_with('/') { "/" } else { "" });
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty()) {
        if parts.is_empty() && fs::symlink_metadata(start.join(part)).is_ok() {
            start.push(part);
            continue;
        }
        let parsed = Part::parse(part).map_err(|reason| {
            let (pattern, reason) = (text.to_owned(), reason.to_owned());
            SourceError::BadGlob { pattern, reason }
        })?;
        // Twice the same says no more than once.
        if parsed != Part::AnyDepth || parts.last() != Some(&Part::AnyDepth) {
            parts.push(parsed);
        }
    }
    Ok((start, parts))
}

struct Walk<'a> {
    parts: &'a [Part],
    walked: Walked,
    /// Device and inode of directories under `**`, with the part that goes on in them.
    entered: HashSet<(u64, u64, usize)>,
    /// Directories, and the part that goes on in them.
    waiting: Vec<(PathBuf, usize)>,
    /// The same by links; in order of their paths once all others are done.
    links: BTreeSet<(OsString, usize)>,
}

impl Walk<'_> {
    fn next_directory(&mut self) -> Option<(PathBuf, usize)> {
        self.waiting.pop().or_else(|| {
            let (link, at) = self.links.pop_first()?;
            Some((link.into(), at))
        })
    }

    fn enter(&mut self, directory: PathBuf, at: usize) -> Result<(), SourceError> {
        match self.parts.get(at) {
            None => Ok(()),
            Some(Part::Literal(name)) => {
                let path = directory.join(name);
                let is_last = at + 1 == self.parts.len();
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() && !is_last => {
                        self.waiting.push((path, at + 1));
                    }
                    Ok(metadata) if metadata.is_dir() => self.walked.directories.add(path),
                    // A link that leads nowhere is said to be one when it is looked at.
                    _ if is_last && fs::symlink_metadata(&path).is_ok() => {
                        self.walked.files.push(path.as_path().into());
                    }
                    _ => {}
                }
                Ok(())
            }
            Some(Part::Pattern(pattern)) => {
                let is_last = at + 1 == self.parts.len();
                for entry in entries_if_there(&directory)? {
                    let entry = entry?;
                    if is_last && entry.name == DELTA_LOG {
                        self.walked.tables.add(directory.clone());
                    }
                    if !pattern.matches(entry.name.as_bytes()) {
                        continue;
                    }
                    if is_last {
                        self.walked.take(&directory, entry, Some(pattern));
                    } else if entry.is_directory(&directory) {
                        self.waiting.push((directory.join(&entry.name), at + 1));
                    }
                }
                Ok(())
            }
            Some(Part::AnyDepth) => self.enter_any_depth(directory, at),
        }
    }

    fn enter_any_depth(&mut self, directory: PathBuf, at: usize) -> Result<(), SourceError> {
        let Ok(metadata) = fs::metadata(or_here(&directory)) else { return Ok(()) };
        if !metadata.is_dir() || !self.entered.insert((metadata.dev(), metadata.ino(), at)) {
            return Ok(());
        }
        let is_last = at + 1 == self.parts.len();
        for entry in entries_if_there(&directory)? {
            let entry = entry?;
            if entry.is_directory(&directory) {
                if may_hold_data(&entry.name) {
                    let path = directory.join(&entry.name);
                    if entry.is_link {
                        self.links.insert((path.into(), at));
                    } else {
                        self.waiting.push((path, at));
                    }
                } else if entry.name == DELTA_LOG && is_last {
                    self.walked.tables.add(directory.clone());
                }
            } else if is_last {
                self.walked.take(&directory, entry, None);
            }
        }
        self.waiting.push((directory, at + 1));
        Ok(())
    }
}

impl Walked {
    /// Takes what stands in a directory and is meant, by a pattern or with the directory as a whole.
    fn take(&mut self, directory: &Path, entry: Entry, pattern: Option<&Pattern>) {
        let path = directory.join(&entry.name);
        if entry.is_directory(directory) {
            if may_hold_data(&entry.name) {
                self.directories.add(path);
            } else if entry.name == DELTA_LOG && pattern.is_none() {
                self.tables.add(directory.to_owned());
            }
            return;
        }
        match standing(directory, &entry.name, pattern) {
            // A copy as long as it is: one that was put together has room to spare.
            Standing::Data => self.files.push(path.as_path().into()),
            Standing::Doubtful => self.doubtful.add(path),
            Standing::Marker => {}
        }
    }
}

/// What stands in a directory.
struct Entry {
    name: OsString,
    is_link: bool,
    is_directory: bool,
}

impl Entry {
    /// Whether it is a directory, or a link to one.
    fn is_directory(&self, parent: &Path) -> bool {
        self.is_directory
            || (self.is_link
                && fs::metadata(parent.join(&self.name)).is_ok_and(|metadata| metadata.is_dir()))
    }
}

/// The entries of a directory, one after the other: a list of all would take more than the files that are meant.
fn entries(
    directory: &Path,
) -> Result<impl Iterator<Item = Result<Entry, SourceError>>, SourceError> {
    let fail = |error: io::Error| crate::discover::name_failure(directory, error);
    let listing = fs::read_dir(or_here(directory)).map_err(fail)?;
    Ok(listing.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(fail(error))),
        };
        // What has gone since it was listed is not there.
        let kind = entry.file_type().ok()?;
        let (is_link, is_directory) = (kind.is_symlink(), kind.is_dir());
        Some(Ok(Entry { name: entry.file_name(), is_link, is_directory }))
    }))
}

/// The entries of a directory; none of one that has gone meanwhile.
fn entries_if_there(
    directory: &Path,
) -> Result<impl Iterator<Item = Result<Entry, SourceError>>, SourceError> {
    match entries(directory) {
        Err(SourceError::NotFound { .. }) => Ok(None.into_iter().flatten()),
        entries => Ok(Some(entries?).into_iter().flatten()),
    }
}

/// A directory as the system spells it: relative paths begin here.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}
