//! Standard output of several pipelines, in partition order.
//!
//! The lowest unfinished partition writes through; later ones spool in memory, and wait once the
//! spools together are full. Waiting blocks the core, and cannot deadlock as long as every core runs
//! its partitions one after another in ascending order: the lowest unfinished partition of the job is
//! then the one that its core is at, it never waits here, and as it finishes the next takes its place.
//! A pipeline that ends without finishing releases those behind it: what it wrote is the last that appears,
//! once all before it have finished. Where input has no end there is no such
//! order: pieces of whole rows follow each other as they come.
//!
//! This is the one sink with a lock: there is one standard output. It is taken once a piece of output,
//! never once a record.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tidemill_record::harmless;

use crate::{LineLabel, SinkError};

/// Bytes that all spools hold together before later partitions wait.
pub const SPOOL_BYTES_MAX: usize = 64 << 20;

/// Who may write to standard output, and what the others have waiting.
#[derive(Debug)]
pub struct StdoutOrder {
    fd: RawFd,
    /// The descriptor is a terminal, which must not be steered by what a value holds.
    is_terminal: bool,
    spool_bytes_max: usize,
    /// Pieces of all partitions are written as they come.
    is_interleaved: bool,
    /// Other queries print at the same time.
    label: Option<LineLabel>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The lowest unfinished partition.
    head: u32,
    /// Output of later partitions, and whether they have finished.
    spools: BTreeMap<u32, Spool>,
    /// Bytes in all spools.
    spooled_bytes: usize,
    /// What stands before everything; taken by whoever writes first.
    preface: Vec<u8>,
    /// The lowest partition that ended without finishing: nothing of those behind it is written.
    failed: Option<u32>,
    /// Writing has failed, the reader has gone, or a pipeline of input without end did not finish.
    stop: Option<Stop>,
}

#[derive(Debug, Default)]
struct Spool {
    bytes: Vec<u8>,
    is_finished: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stop {
    Aborted,
    Closed,
}

impl StdoutOrder {
    /// Orders output to standard output itself.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with(libc::STDOUT_FILENO, SPOOL_BYTES_MAX)
    }

    /// Orders output to a descriptor that stays open for as long as this value lives.
    #[must_use]
    pub fn with(fd: RawFd, spool_bytes_max: usize) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let (is_interleaved, is_terminal) = (false, is_terminal(fd));
        let label = None;
        Arc::new(Self { fd, is_terminal, spool_bytes_max, is_interleaved, label, state, changed })
    }

    /// Writes the pieces of all partitions to a descriptor as they come, `preface` before the first; each line with
    /// the label, if there is one.
    #[must_use]
    pub fn interleaved(fd: RawFd, preface: Vec<u8>, label: Option<LineLabel>) -> Arc<Self> {
        let state = Mutex::new(State { preface, ..State::default() });
        let (spool_bytes_max, changed) = (0, Condvar::new());
        let (is_interleaved, is_terminal) = (true, is_terminal(fd));
        Arc::new(Self { fd, is_terminal, spool_bytes_max, is_interleaved, label, state, changed })
    }

    /// The lock is held meanwhile: rows of two partitions must not mix.
    fn write_interleaved(&self, bytes: &[u8]) -> Result<(), SinkError> {
        let mut state = self.lock();
        state.check(0)?;
        let mut all = std::mem::take(&mut state.preface);
        all.extend_from_slice(bytes);
        let outcome = match &self.label {
            None => self.put(&all),
            Some(label) => {
                let labelled = label.put_on(&all);
                let _turn = label.wait_for_turn();
                self.put(&labelled)
            }
        };
        if let Err(error) = &outcome {
            let stop = if error.is_closed() { Stop::Closed } else { Stop::Aborted };
            state.stop.get_or_insert(stop);
        }
        outcome
    }

    /// A state is whole between any two statements that could panic, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, stop: Stop) {
        let mut state = self.lock();
        state.stop.get_or_insert(stop);
        state.spools.clear();
        state.spooled_bytes = 0;
        drop(state);
        self.changed.notify_all();
    }

    /// Writes to the descriptor; a failure stops all the others too.
    fn write_out(&self, bytes: &[u8]) -> Result<(), SinkError> {
        let outcome = self.put(bytes);
        if let Err(error) = &outcome {
            self.stop(if error.is_closed() { Stop::Closed } else { Stop::Aborted });
        }
        outcome
    }

    /// Writes pieces of whole rows; where people read them, without what would steer their terminal.
    fn put(&self, bytes: &[u8]) -> Result<(), SinkError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self.is_terminal => {
                write_all(self.fd, harmless(text, &['\n', '\t']).as_bytes())
            }
            _ => write_all(self.fd, bytes),
        }
    }

    /// A partition ends without finishing. Those before it go on: what is reported, and what is written,
    /// must not depend on which of them was faster.
    fn give_up(&self, partition: u32) {
        if self.is_interleaved {
            return self.stop(Stop::Aborted);
        }
        let mut state = self.lock();
        if state.stop.is_some() || state.failed.is_some_and(|failed| failed <= partition) {
            return;
        }
        assert!(state.head <= partition, "a partition that has finished cannot give up");
        state.failed = Some(partition);
        let behind = state.spools.split_off(&(partition + 1));
        state.spooled_bytes -= behind.values().map(|spool| spool.bytes.len()).sum::<usize>();
        let is_head = state.head == partition;
        let written = if is_head { state.take_spool(partition) } else { Vec::new() };
        drop(state);
        // A failure to write stops the others by itself; the pipeline that gives up has its own to report.
        let _ = self.write_out(&written);
        self.changed.notify_all();
    }

    fn write(&self, partition: u32, bytes: &[u8]) -> Result<(), SinkError> {
        if self.is_interleaved {
            return self.write_interleaved(bytes);
        }
        let mut state = self.lock();
        while state.check(partition).is_ok()
            && state.head != partition
            && state.spooled_bytes + bytes.len() > self.spool_bytes_max
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.check(partition)?;
        if state.head != partition {
            state.spools.entry(partition).or_default().bytes.extend_from_slice(bytes);
            state.spooled_bytes += bytes.len();
            return Ok(());
        }
        let earlier = state.take_spool(partition);
        drop(state);
        // Nobody else writes: only this partition can move the head on.
        if !earlier.is_empty() {
            self.write_out(&earlier)?;
            self.changed.notify_all();
        }
        self.write_out(bytes)
    }

    /// Writes what has been spooled of a partition, if it is its turn; whether nothing is left.
    fn settle(&self, partition: u32) -> Result<bool, SinkError> {
        let mut state = self.lock();
        state.check(partition)?;
        if self.is_interleaved {
            return Ok(true);
        }
        if state.head != partition {
            return Ok(state.spools.get(&partition).is_none_or(|spool| spool.bytes.is_empty()));
        }
        let earlier = state.take_spool(partition);
        drop(state);
        if !earlier.is_empty() {
            self.write_out(&earlier)?;
            self.changed.notify_all();
        }
        Ok(true)
    }

    fn finish(&self, partition: u32) -> Result<(), SinkError> {
        if self.is_interleaved {
            return self.lock().check(partition);
        }
        let mut state = self.lock();
        state.check(partition)?;
        state.spools.entry(partition).or_default().is_finished = true;
        if state.head != partition {
            return Ok(());
        }
        // The head moves past everything that is finished; what the new head has spooled so far it
        // writes itself, with its next piece.
        while state.spools.get(&state.head).is_some_and(|spool| spool.is_finished) {
            let finished = state.head;
            let bytes = state.take_spool(finished);
            drop(state);
            self.write_out(&bytes)?;
            state = self.lock();
            state.head += 1;
        }
        let head = state.head;
        debug_assert!(state.failed.is_none_or(|failed| head <= failed), "nothing passes a failure");
        // One that has failed writes no next piece.
        let last = if state.failed == Some(head) { state.take_spool(head) } else { Vec::new() };
        drop(state);
        self.changed.notify_all();
        self.write_out(&last)
    }
}

impl State {
    /// Whether a partition may go on.
    fn check(&self, partition: u32) -> Result<(), SinkError> {
        match self.stop {
            None if self.failed.is_some_and(|failed| failed < partition) => Err(SinkError::Aborted),
            None => Ok(()),
            Some(Stop::Aborted) => Err(SinkError::Aborted),
            Some(Stop::Closed) => Err(SinkError::Closed),
        }
    }

    fn take_spool(&mut self, partition: u32) -> Vec<u8> {
        let bytes = self.spools.remove(&partition).unwrap_or_default().bytes;
        debug_assert!(bytes.len() <= self.spooled_bytes, "the bytes of every spool are counted");
        self.spooled_bytes -= bytes.len();
        bytes
    }
}

/// One partition's way to standard output.
#[derive(Debug)]
pub struct StdoutWriter {
    order: Arc<StdoutOrder>,
    partition: u32,
    is_finished: bool,
}

impl StdoutWriter {
    /// Makes the writer of a partition. Partitions are numbered from zero without gaps, and each has
    /// exactly one writer: a partition without one holds all later ones up for ever.
    #[must_use]
    pub fn new(order: Arc<StdoutOrder>, partition: u32) -> Self {
        Self { order, partition, is_finished: false }
    }

    /// Writes what stands before all rows, where that need not wait for an earlier partition.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn begin(&self) -> Result<(), SinkError> {
        if self.order.is_interleaved { self.order.write_interleaved(&[]) } else { Ok(()) }
    }

    /// Adds bytes to this partition's output.
    ///
    /// # Errors
    /// [`SinkError::Closed`] once whoever read has gone; [`SinkError::Aborted`] if an earlier partition's
    /// pipeline ended early; what write said otherwise.
    ///
    /// # Cost
    /// Blocks the core while the reader is slow, or the spools are full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() { Ok(()) } else { self.order.write(self.partition, bytes) }
    }

    /// Whether all that was given to it is written out, after a try to write what is not: pieces of later partitions
    /// wait in memory for those before.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn is_written(&mut self) -> Result<bool, SinkError> {
        self.order.settle(self.partition)
    }

    /// Says that this partition ends early, and that this is no failure: where pieces are written as they
    /// come, the others go on.
    pub fn cut_off(&mut self) {
        self.is_finished |= self.order.is_interleaved;
    }

    /// Says that this partition has no more output.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn finish(mut self) -> Result<(), SinkError> {
        let outcome = self.order.finish(self.partition);
        self.is_finished = outcome.is_ok();
        outcome
    }
}

impl Drop for StdoutWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            self.order.give_up(self.partition);
        }
    }
}

fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: the call takes no memory; of a descriptor that is not open it says no.
    unsafe { libc::isatty(fd) == 1 }
}

fn write_all(fd: RawFd, mut bytes: &[u8]) -> Result<(), SinkError> {
    while !bytes.is_empty() {
        // SAFETY: `bytes` is readable for its length; the descriptor is the caller's to keep open.
        let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => wait_until_writable(fd),
                    _ => return Err(SinkError::of(Path::new("standard output"), "write", error)),
                }
            }
        }
    }
    Ok(())
}

/// For a descriptor that somebody has made non-blocking, as terminals sometimes are.
fn wait_until_writable(fd: RawFd) {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one valid pollfd. A failure only means that write is tried again sooner.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}
