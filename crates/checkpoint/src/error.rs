//! Why a checkpoint cannot be written or read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tidemill_record::ImageError;

/// A failure of the file system, or a file that is no checkpoint that can be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A directory that is to be copied to holds checkpoints.
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    Io {
        /// What was to be done: "write", "rename", ….
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A directory that is to be made would stand in one that is not there.
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// What is to be the directory is something else.
    NotDirectory {
        /// That.
        path: PathBuf,
    },
    /// The file is not a checkpoint, or was changed since it was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was written by a release whose format this one does not know.
    Version {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        found: u32,
    },
    /// The file is whole, but what stands in it cannot be.
    Meaning {
        /// The file.
        path: PathBuf,
        /// Which entry, and why.
        error: ImageError,
    },
    /// It is whole, and of something that does something else.
    OtherPlan {
        /// The file, or the resident.
        path: PathBuf,
    },
    /// Another process works with the directory.
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process, as far as it could be read.
        pid: Option<u32>,
    },
}

impl CheckpointError {
    /// The file or directory that it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NoParent { path }
            | Self::Taken { path }
            | Self::NotDirectory { path }
            | Self::Damaged { path, .. }
            | Self::Version { path, .. }
            | Self::Meaning { path, .. }
            | Self::OtherPlan { path }
            | Self::Locked { path, .. } => path,
        }
    }

    /// What the system said, if it is that there is no room.
    #[must_use]
    pub fn full(&self) -> Option<&io::Error> {
        let is_full = |error: &io::Error| {
            let full = [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT];
            full.iter().any(|of| error.raw_os_error() == Some(of.raw_os_error()))
        };
        match self {
            Self::Io { error, .. } if is_full(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path, error: impl Into<io::Error>) -> Self {
        Self::Io { what, path: path.to_owned(), error: error.into() }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, error } => {
                write!(f, "cannot {what} {}: {error}", path.display())
            }
            Self::Taken { path } => write!(
                f,
                "{} holds checkpoints; name a directory that is empty or not there",
                path.display()
            ),
            Self::NoParent { path } => write!(
                f,
                "cannot make the directory {}: the one that it is to stand in is not there; make that, or mount it",
                path.display()
            ),
            Self::NotDirectory { path } => write!(
                f,
                "{} is no directory; name one for 'state.dir' that is there or can be made",
                path.display()
            ),
            Self::Damaged { path, reason } => {
                write!(
                    f,
                    "the checkpoint {} is damaged: {reason}; put back a copy of the directory, go on from the \
                     one before with --allow-fallback, or start over with --fresh",
                    path.display()
                )
            }
            Self::Version { path, found } => write!(
                f,
                "the checkpoint {} has version {found} of the format, which this release does not know",
                path.display()
            ),
            Self::Meaning { path, error } => {
                write!(f, "the checkpoint {} cannot be restored: {error}", path.display())
            }
            Self::OtherPlan { path } => {
                write!(f, "the checkpoint {} is of another query", path.display())
            }
            Self::Locked { path, pid: Some(pid) } => {
                write!(f, "{} is in use by process {pid}", path.display())
            }
            Self::Locked { path, pid: None } => {
                write!(f, "{} is in use by another process", path.display())
            }
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What they say is in the text already.
            Self::Io { error, .. } => error.source(),
            Self::Meaning { error, .. } => error.source(),
            _ => None,
        }
    }
}
