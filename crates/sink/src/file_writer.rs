//! One partition's series of segments: `part-<partition>-<segment>.<ext>.open` until published.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tidemill_plan::Packing;
use tidemill_rt::{Backend, File, fs, is_full};

use crate::cut::{Ledger, Named};
use crate::finished::open_name;
use crate::packer::Packer;
use crate::sum::Sum;
use crate::{Finished, OutputDirectory, SinkError};

mod cut;

/// Bytes collected before they are written: one call to the kernel each.
pub const WRITE_BYTES: usize = 256 * 1024;

/// Bytes after which the device is asked to begin writing them.
const WRITEBACK_BYTES: u64 = 16 << 20;

/// Writes the results of one partition.
///
/// The first segment is made at once, so that a directory that cannot be written stops the job before
/// it has read anything, and so that a partition without results is visible as an empty file. Later
/// ones are made when there is something to write. Dropping an unfinished writer removes its files, but for those of
/// a [live](OutputDirectory::live) directory, and those of a job with [state](OutputDirectory::has_state).
#[derive(Debug)]
pub struct FileWriter {
    // Fixed at construction.
    backend: Backend,
    directory: Arc<OutputDirectory>,
    partition: u32,
    extension: String,
    rolling_bytes: Option<u64>,
    // Changes with every write.
    /// Number of the next segment.
    next_segment: u64,
    /// Segments that are whole, since they were last taken.
    finished: Finished,
    /// Bytes in all segments that are whole.
    finished_bytes: u64,
    open: Option<Open>,
    /// Compresses what is written; `None` leaves it as it is.
    packer: Option<Packer>,
    /// What comes out of that; empty between calls.
    packed: Vec<u8>,
    /// Not yet written; shorter than [`WRITE_BYTES`] between calls.
    pending: Vec<u8>,
    /// Of a job with state.
    kept: Option<Box<Kept>>,
}

/// What a writer of a job with state has to know.
#[derive(Debug, Default)]
struct Kept {
    ledger: Ledger,
    /// Of all bytes of the open segment.
    sum: Option<Sum>,
    /// Something of that has been written since the last cut.
    is_changed: bool,
    /// The file has been made since then.
    is_new: bool,
    /// Segments that an earlier process was given, and may not have published.
    again: Option<Finished>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Its final name.
    segment: PathBuf,
    path: PathBuf,
    byte_count: u64,
    /// The device was asked to write what is before this.
    writeback_end: u64,
}

impl FileWriter {
    /// Says that nobody goes on with it, in any later run: all of its segments have been published.
    pub fn give_up(&self) {
        self.directory.forget_writer(self.partition);
    }

    /// Makes the first segment of a partition.
    ///
    /// `partition` is in `0..100_000` for names to sort; `rolling_bytes` is the length at which
    /// [`Self::wants_roll`] says so, `None` for never.
    ///
    /// # Errors
    /// [`SinkError::Denied`], [`SinkError::Full`], [`SinkError::Io`].
    pub async fn create(
        backend: Backend,
        directory: Arc<OutputDirectory>,
        partition: u32,
        extension: &str,
        rolling_bytes: Option<u64>,
    ) -> Result<Self, SinkError> {
        let mut writer = Self::closed(backend, directory, partition, extension, rolling_bytes);
        writer.open_segment().await?;
        Ok(writer)
    }

    /// One without an open segment.
    fn closed(
        backend: Backend,
        directory: Arc<OutputDirectory>,
        partition: u32,
        extension: &str,
        rolling_bytes: Option<u64>,
    ) -> Self {
        Self {
            backend,
            next_segment: directory.first_segment(),
            finished: Finished::new(directory.keeps_files()),
            finished_bytes: 0,
            kept: directory.has_state().then(Box::default),
            directory,
            partition,
            extension: extension.to_owned(),
            rolling_bytes,
            open: None,
            packer: None,
            packed: Vec::new(),
            pending: Vec::with_capacity(WRITE_BYTES),
        }
    }

    /// The same, which compresses what is written from now on: each segment is a member or frame of its own.
    #[must_use]
    pub fn packed(mut self, packing: Packing) -> Self {
        self.packer = Packer::new(packing);
        self
    }

    /// Adds bytes to the current segment.
    ///
    /// # Errors
    /// [`SinkError::Full`], [`SinkError::Device`], [`SinkError::Io`]; the writer is then of no more
    /// use.
    ///
    /// # Cost
    /// Copies the bytes; awaits a write for every [`WRITE_BYTES`]. More than that at once is written
    /// as it is.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.open.is_none() && !bytes.is_empty() {
            self.open_segment().await?;
        }
        let Some(packer) = &mut self.packer else { return self.write_plain(bytes).await };
        let outcome = packer.push(bytes, &mut self.packed);
        self.write_packed(outcome).await
    }

    /// Writes what has been compressed.
    async fn write_packed(&mut self, outcome: io::Result<()>) -> Result<(), SinkError> {
        if let Err(error) = outcome {
            return Err(SinkError::of(self.directory.path(), "compress for", error));
        }
        let packed = std::mem::take(&mut self.packed);
        let outcome = self.write_plain(&packed).await;
        self.packed = packed;
        self.packed.clear();
        outcome
    }

    async fn write_plain(&mut self, mut bytes: &[u8]) -> Result<(), SinkError> {
        while !bytes.is_empty() {
            if self.pending.is_empty() && bytes.len() >= WRITE_BYTES {
                return self.write_through(bytes).await;
            }
            let count = bytes.len().min(WRITE_BYTES - self.pending.len());
            self.pending.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            if self.pending.len() == WRITE_BYTES {
                self.write_pending().await?;
            }
        }
        debug_assert!(self.pending.len() < WRITE_BYTES, "what is full has been written");
        Ok(())
    }

    /// Whether the current segment has reached the length at which it is to be closed, with so many bytes that
    /// the encoder still holds. What a compressor holds does not count.
    #[must_use]
    pub fn wants_roll(&self, coming: usize) -> bool {
        let unwritten = u64::try_from(self.pending.len() + coming).expect("a usize fits u64");
        let written = self.open.as_ref().map_or(0, |open| open.byte_count);
        self.rolling_bytes.is_some_and(|limit| written + unwritten >= limit)
    }

    /// Closes the current segment; the next write begins another. Let the encoder finish first.
    ///
    /// # Errors
    /// As [`Self::write`], and what fsync said.
    pub async fn roll(&mut self) -> Result<(), SinkError> {
        self.roll_leaving(true).await
    }

    /// The same; whether its flush may be left to somebody else.
    async fn roll_leaving(&mut self, may_leave: bool) -> Result<(), SinkError> {
        self.end_member().await?;
        self.write_pending().await?;
        // One file is flushed when its parts have been joined; of a job with state its checkpoint speaks of each.
        let is_part = self.directory.is_one_file() && self.kept.is_none();
        let must_sync =
            self.directory.is_durable() && !is_part && !(may_leave && self.leave_unsynced());
        let Some(open) = &self.open else { return Ok(()) };
        if must_sync {
            open.file.fsync().await.map_err(|error| SinkError::of(&open.path, "sync", error))?;
        }
        let Open { file, segment, path, byte_count, .. } = self.open.take().expect("it is open");
        if let Some(kept) = &mut self.kept {
            let sum = kept.sum.take().expect("there is one of an open segment").value();
            let name = self.directory.name_of(&segment);
            kept.ledger.closed.push(Named { name, byte_count, sum });
        }
        // From here on it belongs to the segments that are whole.
        self.finished.add(segment, byte_count);
        self.finished_bytes += byte_count;
        file.close().await.map_err(|error| SinkError::of(&path, "close", error))
    }

    /// Ends what is compressed of the open segment, which has a member at least.
    async fn end_member(&mut self) -> Result<(), SinkError> {
        let (Some(packer), Some(open)) = (&mut self.packer, &self.open) else { return Ok(()) };
        // At a cut a member has ended before.
        if !packer.has_begun() && (open.byte_count > 0 || !self.pending.is_empty()) {
            return Ok(());
        }
        let outcome = packer.finish(&mut self.packed);
        self.write_packed(outcome).await
    }

    /// The segments that have become whole since this was last asked, to be published while the job runs; only
    /// of a [live](OutputDirectory::live) directory, whose files nobody can make again.
    pub fn take_finished(&mut self) -> Option<Finished> {
        // Those of a job with state wait for its checkpoint.
        let is_kept_back =
            !self.directory.is_live() || self.directory.is_one_file() || self.kept.is_some();
        if is_kept_back || self.finished.segment_count() == 0 {
            return None;
        }
        Some(std::mem::replace(&mut self.finished, Finished::new(true)))
    }

    /// Writes what is pending, and these bytes behind it, of a job that has failed, into a file that is going to
    /// be left open; as far as the disk lets us.
    pub fn salvage(&mut self, bytes: &[u8]) {
        if !self.directory.is_live() || self.kept.is_some() {
            return;
        }
        match &mut self.packer {
            None => self.pending.extend_from_slice(bytes),
            Some(packer) => {
                // The failure of the job is what the caller hears of.
                let packed = packer.push(bytes, &mut self.pending);
                let _ = packed.and_then(|()| packer.finish(&mut self.pending));
            }
        }
        if let Some(open) = &self.open {
            // The failure of the job is what the caller hears of.
            let _ = open.file.write_all_at(&self.pending, open.byte_count);
        }
        self.pending.clear();
    }

    /// Leaves the flush of the current segment to whoever publishes it, if that is another thread and does not
    /// have too many to do.
    fn leave_unsynced(&mut self) -> bool {
        let Some(open) = self.open.as_ref().filter(|_| self.directory.keeps_files()) else {
            return false;
        };
        match (self.directory.unsynced(), open.file.share()) {
            (Some(count), Ok(file)) => {
                self.finished.add_unsynced(file, open.path.clone(), count);
                true
            }
            _ => false,
        }
    }

    /// Closes the last segment and gives the series over, to be published with those of the other
    /// partitions.
    ///
    /// # Errors
    /// As [`Self::roll`].
    pub async fn finish(mut self) -> Result<Finished, SinkError> {
        self.end().await
    }

    /// Bytes that are held to compress what is written, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.packer.as_ref().map_or(0, Packer::held_bytes)
    }

    /// Bytes written and pending, in all segments.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        let pending = u64::try_from(self.pending.len()).expect("a usize fits u64");
        self.finished_bytes + self.open.as_ref().map_or(0, |open| open.byte_count) + pending
    }

    async fn open_segment(&mut self) -> Result<(), SinkError> {
        let segment = self.directory.segment(self.partition, self.next_segment, &self.extension);
        let path = open_name(&segment);
        self.directory.begin_segment(&segment)?;
        let mut made = File::create(self.backend, &path).await;
        // A new name may take a block of the directory.
        if made.as_ref().is_err_and(is_full) {
            let try_it = || fs::File::create_new(&path).and_then(|_| fs::remove_file(&path));
            let tried = self.directory.until_room(&path, try_it);
            tried.map_err(|error| SinkError::of(&path, "create", error))?;
            made = File::create(self.backend, &path).await;
        }
        let file = made.map_err(|error| SinkError::of(&path, "create", error))?;
        self.next_segment += 1;
        // From here on it is removed when this writer is dropped.
        self.open = Some(Open { file, segment, path, byte_count: 0, writeback_end: 0 });
        if let Some(kept) = &mut self.kept {
            (kept.sum, kept.is_changed, kept.is_new) = (Some(Sum::new()), true, true);
        }
        Ok(())
    }

    async fn write_pending(&mut self) -> Result<(), SinkError> {
        let pending = std::mem::take(&mut self.pending);
        let outcome = self.write_through(&pending).await;
        self.pending = pending;
        self.pending.clear();
        outcome
    }

    async fn write_through(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let open = self.open.as_mut().expect("a segment is open while bytes are pending");
        let write = || open.file.write_all_at(bytes, open.byte_count);
        let written = self.directory.until_room(&open.path, write);
        written.map_err(|error| SinkError::of(&open.path, "write", error))?;
        open.byte_count += u64::try_from(bytes.len()).expect("a usize fits u64");
        if let Some(Kept { sum: Some(sum), is_changed, .. }) = self.kept.as_deref_mut() {
            sum.add(bytes);
            *is_changed = true;
        }
        let unwritten = open.byte_count - open.writeback_end;
        if unwritten >= WRITEBACK_BYTES && self.directory.is_durable() {
            open.file.start_writeback(open.writeback_end, unwritten);
            open.writeback_end = open.byte_count;
        }
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.salvage(&[]);
        let Some(open) = self.open.take() else { return };
        if self.kept.is_some() {
            // It is for whoever goes on.
            return;
        }
        let is_empty = open.file.byte_count().is_ok_and(|byte_count| byte_count == 0);
        if is_empty || !self.directory.is_live() {
            // Nothing can be done about it here, and the next job leaves it alone.
            let _ = fs::remove_file(&open.path);
        }
    }
}
