//! A file that grows: what is appended to it is read as it comes.
//!
//! It is known by what it is and not by its name, which may change meanwhile. One that becomes shorter than what was
//! read of it, or whose bytes that were read are no longer there, has been written anew: it is read from
//! its start. The kernel tells of changes where it can; else a look is a call, the more seldom the longer the file
//! has been quiet, from [`LOOK_INTERVAL_MIN`] on. Absent on purpose: waiting, and which file comes next.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidemill_rt::{File, FileEvents, FileIdentity, FileKey, RtError, Touched, Watch, world};

use crate::SourceError;

/// From the first look at a file that has no more bytes to the next; then twice as long, and so on.
const LOOK_INTERVAL_MIN: Duration = Duration::from_micros(50);
/// Bytes at the head of a file that are remembered, to see whether it is still the same text.
const HEAD_BYTES: usize = 256;
/// Bytes before the position that are remembered, for the same.
const RECENT_BYTES: usize = 1024;

/// A file that is being followed.
pub(crate) struct FollowedFile {
    // Fixed at construction.
    path: PathBuf,
    file: File,
    key: FileKey,
    /// The file that it was unpacked from, if it was.
    packed_in: Option<FileKey>,
    /// The kernel tells of its changes.
    watch: Option<Watch>,
    // Changes with the file.
    /// The next byte of it to read.
    position: u64,
    /// How long it is, as far as is known.
    byte_count: u64,
    modified_ns: i64,
    next_look: NextLook,
    /// From the last look to the next, where the kernel does not tell.
    look_interval: Duration,
    look_interval_max: Duration,
    /// When bytes of it last came.
    moved: Instant,
    /// Its first bytes, and those before the position, as they were read.
    head: Vec<u8>,
    recent: Vec<u8>,
    /// What was read of it is no longer there.
    is_rewritten: bool,
}

/// When a look at a file without more bytes is more than repeating the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextLook {
    Now,
    At(Instant),
    /// Once the kernel has told of a change.
    WhenTold,
}

/// What there is at the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// So many bytes at least.
    Bytes(u64),
    /// Nothing, as yet.
    Quiet,
    /// The file has been written anew.
    Truncated,
}

impl FollowedFile {
    /// Follows an open file from its start. Its changes are told of by `told`, where that is possible.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat.
    pub(crate) fn over(
        path: &Path,
        file: File,
        look_interval_max: Duration,
        told: &Told,
    ) -> Result<Self, SourceError> {
        let watch = told.events.as_ref().and_then(|events| events.watch_file(&file, &told.touched));
        let identity = file.identity().map_err(|source| fail(path, "look at", source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            key: identity.key(),
            packed_in: None,
            watch,
            position: 0,
            byte_count: 0,
            modified_ns: identity.modified_ns,
            next_look: NextLook::Now,
            look_interval: LOOK_INTERVAL_MIN,
            look_interval_max,
            moved: tidemill_rt::now(),
            head: Vec::new(),
            recent: Vec::new(),
            is_rewritten: false,
        })
    }

    /// Goes on from this byte, as if those before had been read.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from read.
    pub(crate) fn start_at(&mut self, position: u64) -> Result<(), SourceError> {
        let bytes = |at: u64, count: u64| -> Result<Vec<u8>, SourceError> {
            let count = usize::try_from(count).expect("a few bytes");
            let (mut bytes, mut filled) = (vec![0; count], 0);
            while filled < count {
                let from = at + u64::try_from(filled).expect("a usize fits u64");
                let read = self.file.read_at_blocking(&mut bytes[filled..], from);
                match read.map_err(|source| fail(&self.path, "read", source))? {
                    // It was cut meanwhile, which the first look finds.
                    0 => break,
                    more => filled += more,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        };
        let recent_bytes = position.min(RECENT_BYTES as u64);
        let head = bytes(0, position.min(HEAD_BYTES as u64))?;
        let recent = bytes(position - recent_bytes, recent_bytes)?;
        (self.head, self.recent, self.position) = (head, recent, position);
        Ok(())
    }

    /// The name that it was found under.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The next byte of it to read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn key(&self) -> FileKey {
        self.key
    }

    /// Says which file holds it, compressed.
    pub(crate) fn is_packed_in(&mut self, packed: FileKey) {
        self.packed_in = Some(packed);
    }

    /// Whether it is this file, or was unpacked from it.
    pub(crate) fn is_of(&self, key: FileKey) -> bool {
        self.key == key || self.packed_in == Some(key)
    }

    /// The compressed file that is known to hold it.
    pub(crate) fn packed_in(&self) -> Option<FileKey> {
        self.packed_in
    }

    /// Whether the kernel tells of its changes.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Says that the file, or what its name stands for, may have changed.
    pub(crate) fn expect_change(&mut self) {
        self.next_look = NextLook::Now;
    }

    /// When it is worth to look at it again: `Ok` of a moment, which is `None` where the kernel is going to
    /// tell; `Err` where it is now.
    pub(crate) fn next_look(&self) -> Result<Option<Instant>, ()> {
        if self.position < self.byte_count || self.is_rewritten {
            return Err(());
        }
        match self.next_look {
            NextLook::Now => Err(()),
            NextLook::At(at) => Ok(Some(at)),
            NextLook::WhenTold => Ok(None),
        }
    }

    /// Whether bytes are known of, or a look would be more than repeating the last one.
    pub(crate) fn is_due(&self) -> bool {
        self.next_look().map_or(true, |at| at.is_some_and(|at| at <= tidemill_rt::now()))
    }

    /// Bytes of it that have not been read; `None` where that cannot be said, or it has been written anew.
    pub(crate) fn byte_count_left(&self) -> Option<u64> {
        let byte_count = self.file.byte_count().ok().filter(|_| !self.is_rewritten)?;
        byte_count.checked_sub(self.position)
    }

    /// When bytes of it last came.
    pub(crate) fn moved(&self) -> Instant {
        self.moved
    }

    /// Looks at it more seldom than before.
    pub(crate) fn look_less(&mut self, look_interval_max: Duration) {
        self.look_interval_max = look_interval_max;
    }

    /// Says what there is to read. Costs nothing where bytes are known of or nothing has changed, as far as that
    /// is known: `is_told` if changes of what the caller looks at are told of.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat or read.
    pub(crate) fn look(&mut self, is_told: bool) -> Result<Look, SourceError> {
        if self.is_rewritten {
            return Ok(Look::Truncated);
        }
        if self.position < self.byte_count {
            return Ok(Look::Bytes(self.byte_count - self.position));
        }
        if !self.is_due() {
            return Ok(Look::Quiet);
        }
        let now = self.identity()?;
        let is_touched = self.modified_ns != now.modified_ns;
        (self.byte_count, self.modified_ns) = (now.byte_count, now.modified_ns);
        let is_quiet = self.position == now.byte_count;
        self.look_interval = if is_quiet {
            self.look_interval_max.min(self.look_interval * 2)
        } else {
            LOOK_INTERVAL_MIN
        };
        self.next_look = match is_told {
            true => NextLook::WhenTold,
            false => NextLook::At(next_moment(self.look_interval)),
        };
        Ok(if self.position > now.byte_count || (is_quiet && is_touched && !self.is_same_text()?) {
            Look::Truncated
        } else if is_quiet {
            Look::Quiet
        } else {
            Look::Bytes(now.byte_count - self.position)
        })
    }

    /// Reads what a look found; 0 where it is gone again, which the next look will say.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from read.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let left = usize::try_from(self.byte_count.saturating_sub(self.position));
        let room = left.map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read_at(&mut buffer[..room], self.position).await;
        let count = read.map_err(|source| fail(&self.path, "read", source))?;
        if count == 0 {
            self.byte_count = self.position;
            return Ok(0);
        }
        // Afterwards: if the text before is there now, then these bytes are what followed it.
        if !self.is_same_text()? {
            self.is_rewritten = true;
            return Ok(0);
        }
        self.remember(&buffer[..count]);
        self.position += u64::try_from(count).expect("a usize fits u64");
        self.moved = tidemill_rt::now();
        Ok(count)
    }

    /// Whether all that was read of it is there still, as far as is known of it.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat or read.
    pub(crate) fn is_whole(&self) -> Result<bool, SourceError> {
        let found = self.identity()?.byte_count;
        Ok(!self.is_rewritten && found >= self.position && self.is_same_text()?)
    }

    /// Goes back to the start of the file.
    pub(crate) fn restart(&mut self) {
        (self.position, self.byte_count, self.next_look) = (0, 0, NextLook::Now);
        self.head.clear();
        self.recent.clear();
        self.is_rewritten = false;
    }

    fn identity(&self) -> Result<FileIdentity, SourceError> {
        self.file.identity().map_err(|error| fail(&self.path, "look at", error))
    }

    fn remember(&mut self, bytes: &[u8]) {
        let head = bytes.len().min(HEAD_BYTES - self.head.len());
        self.head.extend_from_slice(&bytes[..head]);
        let recent = &bytes[bytes.len().saturating_sub(RECENT_BYTES)..];
        let old = (self.recent.len() + recent.len()).saturating_sub(RECENT_BYTES);
        self.recent.drain(..old);
        self.recent.extend_from_slice(recent);
        debug_assert!(self.recent.len() <= RECENT_BYTES);
    }

    /// Whether what was read at the head and before the position is there still.
    fn is_same_text(&self) -> Result<bool, SourceError> {
        let recent_bytes = u64::try_from(self.recent.len()).expect("a usize fits u64");
        let recent_at = self.position - recent_bytes;
        // The first is part of the second as long as the file is short.
        Ok((recent_at == 0 || self.holds(&self.head, 0)?) && self.holds(&self.recent, recent_at)?)
    }

    fn holds(&self, expected: &[u8], at: u64) -> Result<bool, SourceError> {
        let mut found = [0; RECENT_BYTES];
        let mut filled = 0;
        while filled < expected.len() {
            let room = &mut found[filled..expected.len()];
            let from = at + u64::try_from(filled).expect("a usize fits u64");
            let read = self.file.read_at_blocking(room, from);
            match read.map_err(|source| fail(&self.path, "read", source))? {
                0 => return Ok(false),
                count => filled += count,
            }
        }
        Ok(found[..filled] == *expected)
    }
}

/// Where changes are told of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// `None` where the kernel tells of nothing.
    pub(crate) events: Option<Rc<FileEvents>>,
    pub(crate) touched: Touched,
}

/// The next moment that is so far from now. Of longer intervals it may be up to twice as far, such that all who look
/// in that interval look together: so a core wakes once for many files.
fn next_moment(interval: Duration) -> Instant {
    const ALONE_MAX: Duration = Duration::from_millis(1);
    if interval <= ALONE_MAX {
        return tidemill_rt::now() + interval;
    }
    let epoch = world::epoch();
    let since = tidemill_rt::elapsed(epoch).as_nanos() / interval.as_nanos().max(1);
    let steps = u32::try_from(since.saturating_add(2)).unwrap_or(u32::MAX);
    match interval.checked_mul(steps).and_then(|after| epoch.checked_add(after)) {
        Some(moment) if steps < u32::MAX => moment,
        _ => tidemill_rt::now() + interval,
    }
}

pub(crate) fn fail(path: &Path, operation: &'static str, source: io::Error) -> SourceError {
    SourceError::Rt(RtError::File { path: path.to_owned(), operation, source })
}
