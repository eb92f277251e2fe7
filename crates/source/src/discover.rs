//! Which files a `path` option means. Runs once, on the control plane; blocks.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tidemill_plan::{Compression, FileSource};
use tidemill_rt::FileIdentity;

use crate::SourceError;

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Its path, as the option spells the directory.
    pub path: PathBuf,
    /// Its length in bytes, compressed as it is.
    pub byte_count: u64,
    /// How it is compressed, by the end of its name.
    pub compression: Compression,
    /// Its state when it was found; readers refuse a file that has changed since.
    pub identity: FileIdentity,
}

/// Finds the files of a source, sorted by the bytes of their paths, so that partition numbers are
/// the same on every run.
///
/// A path that exists is taken as it is, even with `*` in its name. A directory means the files in
/// it, not those below; names that start with a dot or end in `.open` or `.tmp` are left out. Else
/// `*`, `?`, `[…]` and `**` make it a glob.
///
/// # Errors
/// [`SourceError::NotFound`] with the nearest existing name, [`SourceError::Denied`],
/// [`SourceError::NotAFile`], [`SourceError::NoFiles`], [`SourceError::BadGlob`].
pub fn discover(source: &FileSource) -> Result<Vec<InputFile>, SourceError> {
    let path = Path::new(&source.path);
    let mut paths = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => list_directory(path)?,
        Ok(_) => vec![path.to_owned()],
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_glob(&source.path) => {
            expand_glob(&source.path)?
        }
        Err(error) => return Err(name_failure(path, error)),
    };
    paths.sort_unstable_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    paths.into_iter().map(look_at).collect()
}

fn look_at(path: PathBuf) -> Result<InputFile, SourceError> {
    let metadata = fs::metadata(&path).map_err(|error| name_failure(&path, error))?;
    if !metadata.is_file() {
        return Err(SourceError::NotAFile { path });
    }
    // Opening now turns a missing permission into an error before any core starts.
    fs::File::open(&path).map_err(|error| name_failure(&path, error))?;
    Ok(InputFile {
        byte_count: metadata.len(),
        compression: Compression::of(&path.to_string_lossy()),
        identity: FileIdentity::of(&metadata),
        path,
    })
}

fn list_directory(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = fs::read_dir(directory).map_err(|error| name_failure(directory, error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| name_failure(directory, error))?.path();
        if is_unfinished(&path, "") {
            continue;
        }
        // A link to a directory is not a file; a dangling link is an error, said by `look_at`.
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(SourceError::NoFiles { path: directory.to_owned(), is_glob: false });
    }
    Ok(paths)
}

fn expand_glob(pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(pattern, options).map_err(|error| SourceError::BadGlob {
        pattern: pattern.to_owned(),
        reason: error.msg.to_owned(),
    })?;
    let mut paths = Vec::new();
    for found in matches {
        let path = found.map_err(|error| {
            let path = error.path().to_owned();
            name_failure(&path, error.into())
        })?;
        if !is_unfinished(&path, pattern) && !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(SourceError::NoFiles { path: pattern.into(), is_glob: true });
    }
    Ok(paths)
}

fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether the name says that somebody is still writing it, or that it is hidden. A pattern that
/// spells the ending out means it.
fn is_unfinished(path: &Path, pattern: &str) -> bool {
    let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    let ends = |ending: &str| name.ends_with(ending.as_bytes()) && !pattern.ends_with(ending);
    (name.starts_with(b".") && pattern.is_empty()) || ends(".open") || ends(".tmp")
}

fn name_failure(path: &Path, error: io::Error) -> SourceError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            SourceError::NotFound { nearest: nearest_name(&path), path }
        }
        io::ErrorKind::PermissionDenied => SourceError::Denied { path, source: error },
        _ => SourceError::Io { path, operation: "look at", source: error },
    }
}

/// An existing path that differs from `path` in the first part that does not exist.
fn nearest_name(path: &Path) -> Option<PathBuf> {
    const LIKENESS_MIN: f64 = 0.6;
    let mut missing = path;
    let parent = loop {
        let parent = missing.parent()?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if parent.is_dir() {
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
