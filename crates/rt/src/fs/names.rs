//! Names: what they stand for, and changing that.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{FileKind, Metadata};
use crate::world::current;

/// What a path names, links followed.
///
/// # Errors
/// What stat said.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    match current() {
        Some(world) => world.metadata(path.as_ref(), true),
        None => std::fs::metadata(path).map(|metadata| Metadata::of_host(&metadata)),
    }
}

/// What a path names, which may be a link.
///
/// # Errors
/// What lstat said.
pub fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    match current() {
        Some(world) => world.metadata(path.as_ref(), false),
        None => std::fs::symlink_metadata(path).map(|metadata| Metadata::of_host(&metadata)),
    }
}

/// Whether a path names something, links followed.
#[must_use]
pub fn exists(path: impl AsRef<Path>) -> bool {
    metadata(path).is_ok()
}

/// Whether a path names a directory, links followed.
#[must_use]
pub fn is_dir(path: impl AsRef<Path>) -> bool {
    metadata(path).is_ok_and(|found| found.is_dir())
}

/// Whether a path names a regular file, links followed.
#[must_use]
pub fn is_file(path: impl AsRef<Path>) -> bool {
    metadata(path).is_ok_and(|found| found.is_file())
}

/// Whether a path names a link.
#[must_use]
pub fn is_link(path: impl AsRef<Path>) -> bool {
    symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Makes a directory.
///
/// # Errors
/// What mkdir said.
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    match current() {
        Some(world) => world.create_dir(path.as_ref()),
        None => std::fs::create_dir(path),
    }
}

/// Makes a directory that only its owner may enter.
///
/// # Errors
/// What mkdir said.
pub fn create_private_dir(path: impl AsRef<Path>) -> io::Result<()> {
    match current() {
        Some(world) => world.create_dir(path.as_ref()),
        None => std::fs::DirBuilder::new().mode(0o700).create(path),
    }
}

/// Removes an empty directory.
///
/// # Errors
/// What rmdir said.
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    match current() {
        Some(world) => world.remove_dir(path.as_ref()),
        None => std::fs::remove_dir(path),
    }
}

/// Removes a name of a file.
///
/// # Errors
/// What unlink said.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    match current() {
        Some(world) => world.remove_file(path.as_ref()),
        None => std::fs::remove_file(path),
    }
}

/// Gives a file another name, which may have been another's.
///
/// # Errors
/// What rename said.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    match current() {
        Some(world) => world.rename(from.as_ref(), to.as_ref(), true),
        None => std::fs::rename(from, to),
    }
}

/// The path without links and `..`.
///
/// # Errors
/// What realpath said.
pub fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    match current() {
        Some(world) => world.canonicalize(path.as_ref()),
        None => std::fs::canonicalize(path),
    }
}

/// What a link points to.
///
/// # Errors
/// What readlink said.
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    match current() {
        Some(world) => world.read_link(path.as_ref()),
        None => std::fs::read_link(path),
    }
}

/// What the kernel of the host says at a path below `/proc` or `/sys`, whatever world the thread is in.
///
/// # Errors
/// What open or read said.
pub fn read_kernel_text(path: impl AsRef<Path>) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// The names in a directory.
#[derive(Debug)]
pub struct ReadDir(Listing);

#[derive(Debug)]
enum Listing {
    Host(std::fs::ReadDir),
    World { directory: PathBuf, names: std::vec::IntoIter<(OsString, FileKind)> },
}

/// A name in a directory.
#[derive(Debug)]
pub struct DirEntry(Entry);

#[derive(Debug)]
enum Entry {
    Host(std::fs::DirEntry),
    World { directory: PathBuf, name: OsString, kind: FileKind },
}

/// Lists a directory, in no order.
///
/// # Errors
/// What open said.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    Ok(ReadDir(match current() {
        Some(world) => {
            let names = world.list(path)?.into_iter();
            Listing::World { directory: path.to_owned(), names }
        }
        None => Listing::Host(std::fs::read_dir(path)?),
    }))
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Listing::Host(entries) => {
                Some(entries.next()?.map(|entry| DirEntry(Entry::Host(entry))))
            }
            Listing::World { directory, names } => {
                let ((name, kind), directory) = (names.next()?, directory.clone());
                Some(Ok(DirEntry(Entry::World { directory, name, kind })))
            }
        }
    }
}

impl DirEntry {
    /// The name alone.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        match &self.0 {
            Entry::Host(entry) => entry.file_name(),
            Entry::World { name, .. } => name.clone(),
        }
    }

    /// The name behind that of the directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.0 {
            Entry::Host(entry) => entry.path(),
            Entry::World { directory, name, .. } => directory.join(name),
        }
    }

    /// What it names, which may be a link.
    ///
    /// # Errors
    /// What stat said, where listing did not say.
    pub fn file_type(&self) -> io::Result<FileKind> {
        match &self.0 {
            Entry::Host(entry) => entry.file_type().map(FileKind::of_host),
            Entry::World { kind, .. } => Ok(*kind),
        }
    }
}
