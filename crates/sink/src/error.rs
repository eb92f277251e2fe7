//! What can go wrong on the way out. Every message names the path and a remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tidemill_plan::HostError;
use tidemill_record::ImageError;

/// An error of a sink.
#[derive(Debug)]
pub enum SinkError {
    /// The directory already holds results, and `on.existing` is `fail`.
    Existing {
        /// One of the results.
        path: PathBuf,
    },
    /// Another job writes to the directory.
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A file would take the name of another.
    NameTaken {
        /// The name.
        path: PathBuf,
    },
    /// Results have become visible, and then something failed: they may not be durable, or earlier ones that they
    /// replace are still there.
    Unsettled {
        /// What failed.
        source: Box<Self>,
    },
    /// What an earlier job was about to publish cannot be read.
    Intent {
        /// The file that says what.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What an earlier job was about to publish cannot be completed without another directory, which is not there.
    Missing {
        /// The other directory.
        directory: PathBuf,
        /// The file that says what.
        intent: PathBuf,
    },
    /// A checkpoint goes on in a file that is not there.
    SegmentMissing {
        /// The file.
        path: PathBuf,
    },
    /// A file is shorter than a checkpoint says.
    SegmentShort {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        byte_count: u64,
        /// Those that the checkpoint says.
        expected: u64,
    },
    /// The bytes of a file are not those that a checkpoint says.
    SegmentChanged {
        /// The file.
        path: PathBuf,
        /// How many of them are meant.
        byte_count: u64,
    },
    /// More has been published than the state knows of: it is an old copy.
    StateBehind {
        /// What has been published, or the directory of that.
        path: PathBuf,
    },
    /// There is state of a job, and its output is not there.
    StateWithoutOutput {
        /// The output.
        path: PathBuf,
    },
    /// There is output of a job with state, and the state is not there.
    OutputWithoutState {
        /// The output.
        path: PathBuf,
        /// The file that says so.
        marker: PathBuf,
    },
    /// The output is that of another job than the state.
    OtherJob {
        /// The output.
        path: PathBuf,
        /// The file that says so.
        marker: PathBuf,
    },
    /// The file that says whose an output is cannot be read.
    Marker {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file system cannot make names durable.
    Unflushable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What a checkpoint says of an output cannot be.
    Image {
        /// The output.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A sink that no checkpoint can be made of.
    Stateless {
        /// The sink.
        sink: String,
    },
    /// Something that is no regular file has the name of the one file.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The path of the sink is not a directory.
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The disk, or a quota on it, is full (ENOSPC, EDQUOT).
    Full {
        /// The file being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The device failed (EIO).
    Device {
        /// The file being written.
        path: PathBuf,
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A path may not be written (EACCES, EPERM, EROFS).
    Denied {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another call on a path failed.
    Io {
        /// The path.
        path: PathBuf,
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever read standard output has gone (EPIPE). A caller may take this for success.
    Closed,
    /// Another pipeline that writes to the same standard output ended early.
    Aborted,
    /// A sink of the embedding program refused a batch.
    Registered {
        /// Its name.
        sink: String,
        /// What it said.
        source: HostError,
    },
}

impl SinkError {
    /// Whether this says only that nobody reads the results any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// The file or directory that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Existing { path, .. }
            | Self::Locked { path, .. }
            | Self::NameTaken { path, .. }
            | Self::Intent { path, .. }
            | Self::SegmentMissing { path, .. }
            | Self::SegmentShort { path, .. }
            | Self::SegmentChanged { path, .. }
            | Self::StateBehind { path, .. }
            | Self::StateWithoutOutput { path, .. }
            | Self::OutputWithoutState { path, .. }
            | Self::OtherJob { path, .. }
            | Self::Marker { path, .. }
            | Self::Unflushable { path, .. }
            | Self::Image { path, .. }
            | Self::NotAFile { path, .. }
            | Self::NotADirectory { path, .. }
            | Self::Full { path, .. }
            | Self::Device { path, .. }
            | Self::Denied { path, .. }
            | Self::Io { path, .. } => Some(path),
            Self::Missing { directory, .. } => Some(directory),
            Self::Unsettled { source } => source.path(),
            Self::Stateless { .. } | Self::Closed | Self::Aborted | Self::Registered { .. } => None,
        }
    }

    /// What the system said where there is no room.
    pub(crate) fn no_room(&self) -> Option<&io::Error> {
        match self {
            Self::Full { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Names a failed call on a path.
    pub(crate) fn of(path: impl Into<PathBuf>, operation: &'static str, source: io::Error) -> Self {
        let path = path.into();
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::Full { path, source },
            Some(libc::EIO) => Self::Device { path, operation, source },
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Self::Denied { path, source },
            Some(libc::EPIPE) => Self::Closed,
            Some(libc::EEXIST) => Self::NameTaken { path },
            _ => Self::Io { path, operation, source },
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = |source: &io::Error| {
            source.raw_os_error().map_or(String::new(), |errno| format!(" (errno {errno})"))
        };
        match self {
            Self::Existing { path } => write!(
                f,
                "the sink already holds results ({}); move them away, choose another path, or say \
                 'on.existing' = 'replace' (or 'append', where results are a directory)",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "another job is writing to {}; wait for it, or choose another path",
                path.display()
            ),
            Self::NameTaken { path } => write!(
                f,
                "{} appeared while the job ran, and no result takes the place of a file; move it away, or \
                 choose another path, and run again",
                path.display()
            ),
            Self::Unsettled { .. } => f.write_str(
                "the results are visible, but may not outlast a power cut, or may stand beside those that they \
                 replace, until the next job has opened the directory",
            ),
            Self::Intent { path, reason } => write!(
                f,
                "{} says what an earlier job was about to publish, but {reason}; look through its directory, \
                 which may hold results of two jobs, then remove that file and run again",
                path.display()
            ),
            Self::Missing { directory, intent } => write!(
                f,
                "an earlier job was about to publish results in {}, too, which is not there; mount it, or move it \
                 back, and run again; if it is meant to be gone, remove {}, and look through the directory of that \
                 file, which may hold results of two jobs",
                directory.display(),
                intent.display()
            ),
            Self::SegmentMissing { path } => write!(
                f,
                "{} is not there, and the state of the job goes on in it; put it back, or start over with --fresh",
                path.display()
            ),
            Self::SegmentShort { path, byte_count, expected } => write!(
                f,
                "{} has {byte_count} bytes, and the state of the job goes on behind {expected} of it; put the file \
                 back as it was, or start over with --fresh",
                path.display()
            ),
            Self::SegmentChanged { path, byte_count } => write!(
                f,
                "the first {byte_count} bytes of {} are not those that the job wrote, so it cannot go on behind them; \
                 put the file back as it was, or start over with --fresh",
                path.display()
            ),
            Self::StateBehind { path } => write!(
                f,
                "{} has been published since the state of the job was written, which is an old copy; put the newest \
                 state back, or start over with --fresh and another path",
                path.display()
            ),
            Self::StateWithoutOutput { path } => write!(
                f,
                "the job has state, and its output {} is not there, or does not say that it is the job's; mount it, or \
                 put it back with its hidden files, or start over with --fresh",
                path.display()
            ),
            Self::OutputWithoutState { path, marker } => write!(
                f,
                "{} is the output of a job whose state is not in 'state.dir'; put that state back; if it is gone, choose \
                 another path, say 'on.existing' = 'replace', or remove {} to keep what is there beside what is to come",
                path.display(),
                marker.display()
            ),
            Self::OtherJob { path, marker } => write!(
                f,
                "{} is the output of another job than the one in 'state.dir', says {}; put back what belongs together, or \
                 start over with --fresh and another path",
                path.display(),
                marker.display()
            ),
            Self::Marker { path, reason } => write!(
                f,
                "{} says which job's output stands beside it, but {reason}; put it back as it was, or remove it and \
                 start over with --fresh",
                path.display()
            ),
            Self::Unflushable { path, source } => write!(
                f,
                "the file system of {} cannot make the names of files durable{}, which a job with 'state.dir' needs; \
                 choose a path on another one",
                path.display(),
                errno(source)
            ),
            Self::Image { path, .. } => write!(
                f,
                "what the state of the job says of {} cannot be; start over with --fresh",
                path.display()
            ),
            Self::Stateless { sink } => write!(
                f,
                "sink {sink} takes rows that cannot be taken back, so a job with 'state.dir' cannot write to it; write \
                 to files, to standard output or to discard, or leave 'state.dir' out"
            ),
            Self::Registered { sink, .. } => write!(f, "the registered sink {sink} failed"),
            Self::NotAFile { path } => write!(
                f,
                "{} is a link, a pipe or something else that no file of results takes the place of; name \
                 another path, or the file that the link leads to",
                path.display()
            ),
            Self::NotADirectory { path } => write!(
                f,
                "{} is not a directory, and a file sink writes a directory of segments; choose \
                 another path",
                path.display()
            ),
            Self::Full { path, source } => write!(
                f,
                "no space is left for {}{}; make room or choose a path on another disk, and run again: \
                 what this run has not published yet is not visible",
                path.display(),
                errno(source)
            ),
            Self::Device { path, operation, source } => write!(
                f,
                "the device failed to {operation} {}{}; look at the kernel's log before trusting \
                 that disk again",
                path.display(),
                errno(source)
            ),
            Self::Denied { path, source } => write!(
                f,
                "{} may not be written{}; give this user write permission on the directory",
                path.display(),
                errno(source)
            ),
            Self::Io { path, operation, source } => {
                write!(f, "cannot {operation} {}{}", path.display(), errno(source))
            }
            Self::Closed => f.write_str("standard output was closed by its reader"),
            Self::Aborted => f.write_str(
                "standard output is left incomplete because another pipeline ended early",
            ),
        }
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full { source, .. }
            | Self::Device { source, .. }
            | Self::Denied { source, .. }
            | Self::Io { source, .. } => Some(source),
            Self::Unflushable { source, .. } => Some(source),
            Self::Unsettled { source } => Some(&**source),
            Self::Image { source, .. } => Some(source),
            Self::Registered { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
