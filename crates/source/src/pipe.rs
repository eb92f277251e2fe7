//! Pipes as sources: opened once, read once, from the first byte to the last.
//!
//! What is looked at to infer columns is kept and given to the reader first. Absent on purpose: reading a pipe
//! again, which nobody can.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_rt::{
    FileIdentity, FileKey, Pipe, Wake, descriptor_of,
    fs::{self, FileKind},
};

use crate::SourceError;
use crate::discover::name_failure;

/// How long one wait for bytes of a pipe lasts before the next begins.
const WAIT: Duration = Duration::from_millis(100);

/// The pipes of a session, each read once.
#[derive(Debug, Default)]
pub struct Pipes {
    known: Mutex<HashMap<FileKey, Arc<PipeInput>>>,
    is_look_only: AtomicBool,
}

/// A pipe, and what was looked at of it.
#[derive(Debug)]
pub struct PipeInput {
    path: PathBuf,
    is_look_only: bool,
    state: Mutex<State>,
}

/// The end that is read, until a reader takes it.
#[derive(Debug)]
enum State {
    /// Opening it lets writers begin, so it is left until it is read.
    Found,
    Open(OpenedPipe),
    Taken,
}

/// The end of a pipe that is read.
#[derive(Debug)]
pub(crate) struct OpenedPipe {
    pub(crate) pipe: Pipe,
    /// Bytes that were looked at; they come before all others.
    pub(crate) head: Vec<u8>,
    /// No others come.
    pub(crate) is_ended: bool,
}

/// Why a pipe cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeRefusal {
    /// It was read already.
    Read,
    /// Its format needs the end of the file first.
    NeedsFile,
    /// Its columns would have to be inferred by reading it.
    WouldRead,
}

impl fmt::Display for PipeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => {
                "and a pipe is read once, and has been; write what it gives to a file first"
            }
            Self::NeedsFile => "and Parquet begins to be read at its end; write it to a file first",
            Self::WouldRead => {
                "and what was read of it to infer its columns would be lost to who reads it next; \
                 declare them with CREATE SOURCE"
            }
        })
    }
}

/// The path that a `path` option means: `-` is standard input, unless a file has that name.
#[must_use]
pub fn meant(path: &str) -> &Path {
    let path = Path::new(path);
    if path == Path::new("-") && !fs::exists(path) { Path::new("/dev/stdin") } else { path }
}

/// Whether a path names a pipe: a FIFO or a socket, what else is behind a descriptor of this process (a terminal), or a
/// file whose bytes the kernel makes as they are read, and which says that it has none. A directory or another regular
/// file is none.
#[must_use]
pub fn pipe_key(path: &Path) -> Option<FileKey> {
    let metadata = fs::metadata(path).ok()?;
    let is_pipe = match metadata.kind {
        FileKind::Pipe => true,
        FileKind::CharDevice => descriptor_of(path).is_some(),
        FileKind::File => metadata.len() == 0 && is_made_up(path),
        FileKind::Directory | FileKind::Link | FileKind::Other => false,
    };
    is_pipe.then(|| FileIdentity::of(&metadata).key())
}

/// Whether a file stands where the kernel makes up what is read.
fn is_made_up(path: &Path) -> bool {
    let meant = fs::canonicalize(path).unwrap_or_default();
    ["/proc", "/sys"].iter().any(|root| meant.starts_with(root))
}

impl Pipes {
    /// Says that nothing is to be read of pipes opened from now on.
    pub fn look_only(&self) {
        self.is_look_only.store(true, Ordering::Relaxed);
    }

    /// Says that standard input is read by somebody else, such as for a script.
    pub fn give_up_standard_input(&self) {
        let path = Path::new("/dev/stdin");
        let Some(key) = pipe_key(path) else { return };
        let (path, state) = (path.to_owned(), Mutex::new(State::Taken));
        let pipe = PipeInput { path, is_look_only: false, state };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, Arc::new(pipe));
    }

    /// The pipe that a path names; `None` if it names none.
    pub(crate) fn of(&self, path: &Path) -> Option<Arc<PipeInput>> {
        let key = pipe_key(path)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = known.get(&key) {
            return Some(Arc::clone(pipe));
        }
        let state = Mutex::new(State::Found);
        let is_look_only = self.is_look_only.load(Ordering::Relaxed);
        let pipe = Arc::new(PipeInput { path: path.to_owned(), is_look_only, state });
        known.insert(key, Arc::clone(&pipe));
        Some(pipe)
    }
}

impl PipeInput {
    /// Looks at the first bytes, which stay there for the reader: as many as asked for, or all, and whether
    /// these are all. Waits for them.
    ///
    /// # Errors
    /// [`SourceError::Io`] from read; [`SourceError::Pipe`] once a reader has it.
    pub fn look(&self, byte_count: usize) -> Result<(Vec<u8>, bool), SourceError> {
        if self.is_look_only {
            return Err(self.refusal(PipeRefusal::WouldRead));
        }
        let mut state = self.state();
        let mut opened = self.open(std::mem::replace(&mut *state, State::Taken))?;
        while opened.head.len() < byte_count && !opened.is_ended {
            let filled = opened.head.len();
            opened.head.resize(byte_count, 0);
            let read = opened.pipe.wait(WAIT);
            let read = read.and_then(|_| opened.pipe.try_read(&mut opened.head[filled..]));
            opened.head.truncate(filled + read.as_ref().ok().copied().flatten().unwrap_or(0));
            let path = || self.path.clone();
            let fail = |source| SourceError::Io { path: path(), operation: "read", source };
            opened.is_ended = read.map_err(fail)? == Some(0);
        }
        let count = byte_count.min(opened.head.len());
        let head = opened.head[..count].to_vec();
        let is_all = opened.is_ended && count == opened.head.len();
        *state = State::Open(opened);
        Ok((head, is_all))
    }

    /// Takes the end that is read, for good.
    pub(crate) fn take(&self) -> Result<OpenedPipe, SourceError> {
        let state = std::mem::replace(&mut *self.state(), State::Taken);
        self.open(state)
    }

    fn open(&self, state: State) -> Result<OpenedPipe, SourceError> {
        match state {
            State::Open(opened) => Ok(opened),
            State::Found => match Pipe::open(&self.path) {
                Ok(pipe) => Ok(OpenedPipe { pipe, head: Vec::new(), is_ended: false }),
                Err(error) => Err(name_failure(&self.path, error)),
            },
            State::Taken => Err(self.refusal(PipeRefusal::Read)),
        }
    }

    /// The error that it cannot be read.
    #[must_use]
    pub fn refusal(&self, reason: PipeRefusal) -> SourceError {
        SourceError::Pipe { path: self.path.clone(), reason }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenedPipe {
    /// What makes it worth to ask again.
    pub(crate) fn wake(&self) -> Wake<'_> {
        if !self.head.is_empty() || self.is_ended {
            return Wake::NOW;
        }
        Wake { input: Some(self.pipe.as_fd()), ..Wake::default() }
    }

    /// Fills the front of `buffer` with what has come: `None` if there is nothing now, 0 at the end.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.head.is_empty() {
            let count = self.head.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.head[..count]);
            self.head.drain(..count);
            return Ok(Some(count));
        }
        if self.is_ended {
            return Ok(Some(0));
        }
        let read = self.pipe.try_read(buffer)?;
        self.is_ended = read == Some(0);
        Ok(read)
    }
}
