//! Which files a `path` option means. Runs once, on the control plane; blocks.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_plan::{Compression, Encoding, FileSource};
use tidemill_rt::{FileIdentity, FileKey, allow_descriptors, descriptor_of, fs, since_epoch_ns};

use crate::SourceError;
use crate::glob::is_glob;
use crate::left_out::Examples;
use crate::pipe::{PipeInput, Pipes, meant};
use crate::rotation::Beginning;
use crate::walk::{Walked, expand, list, would_match};

/// One file to read. Of many there is one each, so it is small.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Its path, as the option spells the directory.
    pub path: Box<Path>,
    /// How it is compressed, by the end of its name.
    pub compression: Compression,
    /// How its text is written in bytes.
    pub encoding: Encoding,
    /// Its state when it was found; readers refuse a file that has changed since.
    pub identity: FileIdentity,
    /// The file itself, where its name will not do.
    pub held: Option<Arc<Held>>,
}

const _: () = assert!(size_of::<InputFile>() == 80, "a million of them are 80 MB");

/// What is open already, because opening it again might be to open something else.
#[derive(Debug)]
pub enum Held {
    /// A file that is followed: by the time that it is read its name may stand for another.
    File {
        /// It is open.
        file: fs::File,
        /// Its name stood for it at this time, in nanoseconds since the Unix epoch.
        seen_ns: i64,
    },
    /// What an earlier run of the job knew of a file that is followed: it is looked for under its path and beside that.
    Known(Beginning),
    /// A pipe, which is there once.
    Pipe(Arc<PipeInput>),
}

impl InputFile {
    /// Its length in bytes, compressed as it is; 0 of a pipe.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        if self.pipe().is_some() { 0 } else { self.identity.byte_count }
    }

    /// The name that the file has now, where it was found or beside: logs are renamed while others are
    /// read. The one it was found under, if it has none there any more.
    #[must_use]
    pub fn path_now(&self) -> PathBuf {
        let key = self.identity.key();
        let is_it = |path: &Path| FileIdentity::of_path(path).is_ok_and(|now| now.key() == key);
        if is_it(&self.path) {
            return self.path.to_path_buf();
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let beside = fs::read_dir(parent.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
        let mut beside = beside.map(|entry| self.path.with_file_name(entry.file_name()));
        beside.find(|path| is_it(path)).unwrap_or_else(|| self.path.to_path_buf())
    }

    /// What an earlier run of the job began to follow under a path, whatever that names now.
    #[must_use]
    pub fn known(path: PathBuf, encoding: Encoding, beginning: Beginning) -> Self {
        let (identity, compression) = (FileIdentity::NONE, Compression::None);
        let held = Some(Arc::new(Held::Known(beginning)));
        Self { path: path.into(), compression, encoding, identity, held }
    }

    /// The pipe, if it is one.
    #[must_use]
    pub fn pipe(&self) -> Option<&PipeInput> {
        match self.held.as_deref() {
            Some(Held::Pipe(pipe)) => Some(pipe),
            _ => None,
        }
    }
}

/// What a source's path was found to mean.
#[derive(Clone, Debug)]
pub struct Found {
    /// The files, at least one, sorted by the bytes of their paths. Each is there once, whatever names it
    /// has.
    pub files: Vec<InputFile>,
    /// What a person should know of what was left out, a sentence each.
    pub notices: Vec<String>,
}

/// Finds the files of a source, sorted by the bytes of their paths, so that partition numbers are
/// the same on every run.
///
/// A path that exists is taken as it is, even with `*` in its name, and may be a pipe. A directory means the files in
/// it, not those below; names that do not stand for data are left out (hidden ones, those that start
/// with `_`, what is still being written, copies of editors, checksums). Else `*`, `?`, `[…]` and `**`
/// make it a glob, which leaves out the same names unless it spells them, but for those with `_`.
///
/// # Errors
/// [`SourceError::NotFound`] with the nearest existing name, [`SourceError::DanglingLink`],
/// [`SourceError::Denied`], [`SourceError::NotAFile`], [`SourceError::NoFiles`],
/// [`SourceError::BadGlob`].
///
/// # Cost
/// A few calls a file; O(n log n) of their number.
pub fn discover(source: &FileSource, pipes: &Pipes) -> Result<Found, SourceError> {
    let mut found = files_of(source, pipes)?;
    found.files.iter_mut().for_each(|file| file.encoding = source.encoding);
    Ok(found)
}

/// Whether more files than are there may come to be meant by a path that is followed.
#[must_use]
pub fn is_open_ended(source: &FileSource) -> bool {
    let path = meant(&source.path);
    source.follow
        && (fs::is_dir(path) || (is_glob(&source.path) && fs::symlink_metadata(path).is_err()))
}

/// Whether the path of a source means a file of this name, or would mean it if it were there.
#[must_use]
pub fn means(source: &str, file: &Path) -> bool {
    let path = meant(source);
    let file = whole(file);
    match fs::canonicalize(path) {
        Ok(known) if fs::is_dir(&known) => file.parent() == Some(&*known),
        Ok(known) => file == known,
        Err(_) if is_glob(source) => would_match(source, &file),
        Err(_) => file == whole(path),
    }
}

/// A path from the root on, without links as far as it is there.
fn whole(path: &Path) -> PathBuf {
    let there = |at: &Path| match at.as_os_str().is_empty() {
        true => fs::canonicalize("."),
        false => fs::canonicalize(at),
    };
    let known = path.ancestors().find_map(|at| Some((at, there(at).ok()?)));
    let rest = known.and_then(|(at, whole)| Some(whole.join(path.strip_prefix(at).ok()?)));
    rest.unwrap_or_else(|| path.to_path_buf())
}

/// Files that the path of a followed source has come to mean, beside those of names that are known, in order of their paths; they
/// are open. And all names that it means now.
///
/// # Errors
/// What listing a directory says. What goes away meanwhile, or may not be read yet, is for the next look.
///
/// # Cost
/// Lists what the path means; a few calls for each new file.
pub fn arrived(
    source: &FileSource,
    is_known: impl Fn(&Path) -> bool,
) -> Result<(Vec<InputFile>, BTreeSet<Box<Path>>), SourceError> {
    let walked = match walk(&source.path) {
        Ok(walked) => walked,
        // Where the directory itself is renamed or made anew, it is there again at some later look.
        Err(SourceError::NotFound { .. }) => return Ok((Vec::new(), BTreeSet::new())),
        Err(error) => return Err(error),
    };
    let there: BTreeSet<Box<Path>> = walked.files.into_iter().collect();
    let mut paths: Vec<Box<Path>> = there.iter().filter(|path| !is_known(path)).cloned().collect();
    paths.sort_unstable_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let files = paths.into_iter().filter_map(|path| look_at(path, true).ok());
    let files = files.map(|file| InputFile { encoding: source.encoding, ..file });
    Ok((files.collect(), there))
}

fn files_of(source: &FileSource, pipes: &Pipes) -> Result<Found, SourceError> {
    let path = meant(&source.path);
    if let Some(pipe) = pipes.of(path) {
        return Ok(Found { files: vec![piped(path, pipe)?], notices: Vec::new() });
    }
    let mut outcome = find(source);
    if !source.follow {
        return outcome;
    }
    // Files may be renamed while they are listed: until all that are there have been found.
    for _ in 1..LISTINGS_MAX {
        match &outcome {
            Ok(found) if is_complete(source, &found.files) => break,
            Ok(_) | Err(SourceError::NotFound { .. }) => outcome = find(source),
            Err(_) => break,
        }
    }
    outcome
}

/// A pipe as the one file of a source.
fn piped(path: &Path, pipe: Arc<PipeInput>) -> Result<InputFile, SourceError> {
    let identity = FileIdentity::of_path(path).map_err(|error| name_failure(path, error))?;
    Ok(InputFile {
        path: path.into(),
        compression: Compression::None,
        encoding: Encoding::Unsaid,
        identity,
        held: Some(Arc::new(Held::Pipe(pipe))),
    })
}

/// Listings of a directory in which names change hands, at most.
const LISTINGS_MAX: usize = 16;

/// Whether the path means no other files than these, now.
fn is_complete(source: &FileSource, files: &[InputFile]) -> bool {
    let known: HashSet<FileKey> = files.iter().map(|file| file.identity.key()).collect();
    let Ok(walked) = walk(&source.path) else { return false };
    let mut now = walked.files.iter().filter_map(|path| FileIdentity::of_path(path).ok());
    now.all(|identity| known.contains(&identity.key()))
}

fn walk(path: &str) -> Result<Walked, SourceError> {
    let as_path = meant(path);
    match fs::metadata(as_path) {
        Ok(metadata) if metadata.is_dir() => list(as_path),
        Ok(_) => Ok(Walked { files: vec![as_path.into()], ..Walked::default() }),
        Err(error) if is_glob(path) && error.kind() != io::ErrorKind::PermissionDenied => {
            expand(path)
        }
        Err(error) => Err(name_failure(as_path, error)),
    }
}

fn find(source: &FileSource) -> Result<Found, SourceError> {
    let path = meant(&source.path);
    let walked = walk(&source.path)?;
    let is_pattern = !fs::is_dir(path);
    let mut notices = notices(&walked, &source.path, is_pattern);
    let Walked { files: mut paths, doubtful, .. } = walked;
    // The last growth has left half of it empty.
    paths.shrink_to_fit();
    if paths.is_empty() {
        let left_out = (!doubtful.is_empty()).then(|| doubtful.named());
        return Err(SourceError::NoFiles { path: path.to_owned(), is_glob: is_pattern, left_out });
    }
    paths.sort_unstable_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    if source.follow {
        // All stay open.
        allow_descriptors(u64::try_from(paths.len()).expect("a usize fits u64"))?;
    }
    // A million files are moved no second time as the list grows.
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        files.push(look_at(path, source.follow)?);
    }
    let files = each_once(files, &mut notices);
    assert!(!files.is_empty(), "some name of each file is kept");
    Ok(Found { files, notices })
}

/// What a person should know of what stands beside the files.
fn notices(walked: &Walked, path: &str, is_pattern: bool) -> Vec<String> {
    let Walked { files, doubtful, directories, tables } = walked;
    let mut notices = Vec::new();
    if !doubtful.is_empty() && !files.is_empty() {
        notices.push(format!(
            "{} of {path} left out because of {} name: {}; to read one, name it in 'path'",
            counted(doubtful, "file is", "files are"),
            if doubtful.count() == 1 { "its" } else { "their" },
            doubtful.named(),
        ));
    }
    if !directories.is_empty() && !files.is_empty() {
        let deeper = match path.rsplit_once('/') {
            Some((parent, _)) if is_pattern => format!("{parent}/**/*"),
            None if is_pattern => "**/*".to_owned(),
            _ => format!("{}/**/*", path.trim_end_matches('/')),
        };
        notices.push(format!(
            "{} of {path} not entered: {}; to read what {} holds, give a pattern such as {deeper}",
            counted(directories, "directory is", "directories are"),
            directories.named(),
            if directories.count() == 1 { "it" } else { "each" },
        ));
    }
    if !tables.is_empty() {
        notices.push(format!(
            "{} a Delta table, and its files are read as they are: also those that its log has \
             removed",
            tables.named() + if tables.count() == 1 { " is" } else { " are each" },
        ));
    }
    notices
}

fn counted(examples: &Examples, one: &str, many: &str) -> String {
    match examples.count() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// Keeps one name of each file: the first that is no link.
///
/// # Cost
/// O(n log n). Where each name is of another file, which is nearly always, no more memory than their numbers take.
fn each_once(files: Vec<InputFile>, notices: &mut Vec<String>) -> Vec<InputFile> {
    let inode = |file: &InputFile| (file.identity.device, file.identity.inode);
    let mut inodes: Vec<(u64, u64)> = files.iter().map(inode).collect();
    inodes.sort_unstable();
    if inodes.windows(2).all(|pair| pair[0] != pair[1]) {
        return files;
    }
    let mut kept: HashMap<(u64, u64), usize> = HashMap::with_capacity(files.len());
    let mut once: Vec<InputFile> = Vec::with_capacity(files.len());
    let mut again = Examples::default();
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    for file in files {
        let inode = inode(&file);
        match kept.get(&inode) {
            None => {
                kept.insert(inode, once.len());
                once.push(file);
            }
            Some(&first) if is_link(&once[first].path) && !is_link(&file.path) => {
                again.add(std::mem::replace(&mut once[first], file).path.into());
            }
            Some(_) => again.add(file.path.into()),
        }
    }
    once.sort_unstable_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    notices.push(format!(
        "{} of files that are read under another: {}; each file is read once",
        counted(&again, "name is one more", "names are more"),
        again.named(),
    ));
    once
}

fn look_at(path: Box<Path>, is_held: bool) -> Result<InputFile, SourceError> {
    let metadata = fs::metadata(&path).map_err(|error| name_failure(&path, error))?;
    if !metadata.is_file() {
        return Err(SourceError::NotAFile { path: path.into() });
    }
    let seen_ns = since_epoch_ns(tidemill_rt::system_time());
    // Opening now turns a missing permission into an error before any core starts.
    let file = fs::File::open(&path).map_err(|error| name_failure(&path, error))?;
    let metadata = file.metadata().map_err(|error| name_failure(&path, error))?;
    Ok(InputFile {
        compression: Compression::of(&name_of(&path)),
        encoding: Encoding::Unsaid,
        identity: FileIdentity::of(&metadata),
        held: is_held.then(|| Arc::new(Held::File { file, seen_ns })),
        path,
    })
}

/// The name that says how a file is compressed: of a descriptor, that of the file which is open there.
fn name_of(path: &Path) -> String {
    let number = descriptor_of(path).map(|number| format!("/proc/self/fd/{number}"));
    let behind = number.and_then(|link| fs::read_link(link).ok());
    behind.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// Why a path cannot be looked at.
pub(crate) fn name_failure(path: &Path, error: io::Error) -> SourceError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => match dangling_link(&path) {
            Some((link, target)) => SourceError::DanglingLink { link, target },
            None => SourceError::NotFound { nearest: nearest_name(&path), path },
        },
        io::ErrorKind::PermissionDenied => SourceError::Denied { path, source: error },
        _ => SourceError::Io { path, operation: "look at", source: error },
    }
}

/// The first part of a path that is a link and leads to nothing, and where it points.
fn dangling_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    let link = parts.into_iter().find(|part| !part.as_os_str().is_empty() && !fs::exists(part))?;
    Some((link.to_owned(), fs::read_link(link).ok()?))
}

/// An existing path that differs from `path` in the first part that does not exist.
fn nearest_name(path: &Path) -> Option<PathBuf> {
    const LIKENESS_MIN: f64 = 0.6;
    let mut missing = path;
    let parent = loop {
        let parent = missing.parent()?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if fs::is_dir(parent) {
            break parent;
        }
        missing = missing.parent()?;
    };
    let wanted = missing.file_name()?.to_string_lossy();
    let names = fs::read_dir(parent).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    let likeness = |name: &std::ffi::OsString| {
        strsim::normalized_damerau_levenshtein(&wanted, &name.to_string_lossy())
    };
    let best = names
        .map(|name| (likeness(&name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(&a.1)))?;
    Some(missing.with_file_name(best.1))
}
